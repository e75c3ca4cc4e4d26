/// \file
/// Rotary embedding in two dimensions: the first half of a head turns with x, the second with y.
/// Source: spec/vision.md section 7.4.
#pragma once

#include "carat/nn/rotary_embedding.hpp"
#include "carat/nn/vision/patch_embedder.hpp"

#include <cstddef>
#include <cstdint>

namespace carat::inline CARAT_ABI::nn::vision {
inline namespace HWY_NAMESPACE {

template <std::size_t head_dim>
struct AxialRotaryEmbedding {
    static_assert(head_dim % 4 == 0,
                  "carat: VisionConfig.head_dim must be a multiple of 4, because either axis turns "
                  "pairs in its own half of a head");
    static constexpr std::size_t half = head_dim / 2;

    RotaryEmbedding<half, half / 2> x, y;
    View<std::int32_t, 2, dynamic> coordinates;  ///< all x, then all y

    template <class Space>
    static constexpr AxialRotaryEmbedding take(Space& space, std::size_t patches) {
        return {RotaryEmbedding<half, half / 2>::take(space, patches),
                RotaryEmbedding<half, half / 2>::take(space, patches),
                space.template take<std::int32_t, 2, dynamic>(patches)};
    }
    void set(double theta, Positions positions) const {
        const std::size_t n = positions.rows();
        for (std::size_t i = 0; i < n; ++i) {
            coordinates.row(0)[i] = positions(i, 0);
            coordinates.row(1)[i] = positions(i, 1);
        }
        x.set({.theta = theta}, coordinates.row(0).span().first(n));
        y.set({.theta = theta}, coordinates.row(1).span().first(n));
    }
    /// Turns one head [head_dim] of patch i.
    void turn(std::size_t i, float* head) const {
        x.turn(i, head);
        y.turn(i, head + half);
    }
};

}  // namespace HWY_NAMESPACE
}  // namespace carat::inline CARAT_ABI::nn::vision

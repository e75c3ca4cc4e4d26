/// \file
/// Patches of pixels into the vision tower's residual stream: a projection, and a learned position
/// for each axis.
///
///     out = input_proj · 2(patch - 1/2) + position_embedding_table[0][x]
///                                       + position_embedding_table[1][y]
///
/// Source: spec/vision.md section 7.1.
#pragma once

#include "carat/config/vision_config.hpp"
#include "carat/nn/linear.hpp"
#include "carat/simd/add.hpp"
#include "carat/simd/map.hpp"
#include "carat/tensor/view.hpp"

#include <cstddef>
#include <cstdint>

namespace carat::inline CARAT_ABI::nn::vision {
inline namespace HWY_NAMESPACE {

/// Where patches are in their picture's grid: x and y, x first, `[patches, 2]`.
using Positions = Rows<const std::int32_t, 2>;

template <VisionConfig C, class Policy>
struct PatchEmbedder {
    using W = typename Policy::tower;
    using A = Activation<W, Policy::arithmetic>;
    static constexpr std::size_t hidden = C.hidden_size;
    /// Values of a patch: row, column, channel, channel fastest.
    static constexpr std::size_t patch = 3 * C.patch_size * C.patch_size;

    struct Weights {
        View<const W, hidden, patch> input_proj;
        View<const W, 2, C.position_embedding_size, hidden> position_embedding_table;
    };
    struct Scratch {
        Rows<float, patch> centred;
        Rounded<A, patch> input;

        template <class Space>
        static constexpr Scratch take(Space& space, std::size_t patches) {
            return {space.template take<float, dynamic, patch>(patches),
                    Rounded<A, patch>::take(space, patches)};
        }
    };

    /// patches [n, patch] of values from 0 to 1, positions inside the table, out [n, hidden].
    void forward(const Weights& w, Rows<const float, patch> patches, Positions positions,
                 Rows<float, hidden> out, const Scratch& s, ExecutorRef executor) const {
        const Rows<float, patch> centred = s.centred.rows(0, patches.rows());
        for_rows(executor, patches.rows(), [&](std::size_t i) {
            simd::map(patches.row(i).data(), patch, centred.row(i).data(), [](auto v) {
                using V = decltype(v);
                return V(2.0f) * (v - V(0.5f));
            });
        });
        project(executor, s.input(centred, executor), Product{w.input_proj, out});
        for_rows(executor, patches.rows(), [&](std::size_t i) {
            float position[hidden];
            simd::scale_row(row(w, 0, positions(i, 0)), hidden, 1.0f, position);
            simd::add_scaled(row(w, 1, positions(i, 1)), hidden, 1.0f, position);
            simd::add(out.row(i).data(), position, hidden);
        });
    }

  private:
    static const W* row(const Weights& w, std::size_t axis, std::int32_t coordinate) {
        return w.position_embedding_table.row(axis)
            .row(static_cast<std::size_t>(coordinate))
            .data();
    }
};

}  // namespace HWY_NAMESPACE
}  // namespace carat::inline CARAT_ABI::nn::vision

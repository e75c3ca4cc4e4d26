/// \file
/// Rotary position embedding: the angles of a call's tokens, made once for each attention type.
///
/// Source: spec/text.md section 7. Everything is rounded where the reference rounds: at position
/// 100000 the angles of exact arithmetic would already be another model's.
#pragma once

#include "carat/config/text_config.hpp"
#include "carat/simd/rope.hpp"
#include "carat/tensor/view.hpp"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

namespace carat::inline CARAT_ABI::nn {
inline namespace HWY_NAMESPACE {

/// 1 / theta^(2i / head_dim) / factor in f32, for pair i.
inline float inverse_frequency(const RopeParameters& rope, std::size_t head_dim, std::size_t i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(head_dim);
    const auto power = static_cast<float>(std::pow(rope.theta, static_cast<double>(exponent)));
    return (1.0f / power) / static_cast<float>(rope.factor);
}

/// cos and sin of position · inverse_frequency, `[tokens, pairs]` each. Pairs beyond `pairs` do not
/// rotate and have no angles.
template <std::size_t head_dim, std::size_t pairs>
struct RotaryEmbedding {
    Rows<float, pairs> cos, sin;

    template <class Space>
    static constexpr RotaryEmbedding take(Space& space, std::size_t tokens) {
        return {space.template take<float, dynamic, pairs>(tokens),
                space.template take<float, dynamic, pairs>(tokens)};
    }

    void set(const RopeParameters& rope, std::span<const std::int32_t> positions) const {
        for (std::size_t i = 0; i < pairs; ++i) {
            const float frequency = inverse_frequency(rope, head_dim, i);
            for (std::size_t t = 0; t < positions.size(); ++t) {
                const float angle = static_cast<float>(positions[t]) * frequency;
                cos(t, i) = static_cast<float>(std::cos(static_cast<double>(angle)));
                sin(t, i) = static_cast<float>(std::sin(static_cast<double>(angle)));
            }
        }
    }
    /// Rows [begin, …): the angles of a call's last tokens.
    [[nodiscard]] RotaryEmbedding from(std::size_t begin, std::size_t count) const {
        return {cos.rows(begin, count), sin.rows(begin, count)};
    }
    /// Turns one head x [head_dim] of token t.
    void turn(std::size_t t, float* x) const {
        if constexpr (pairs > 0)
            simd::rope(x, head_dim, cos.row(t).data(), sin.row(t).data(), pairs);
    }
};

}  // namespace HWY_NAMESPACE
}  // namespace carat::inline CARAT_ABI::nn

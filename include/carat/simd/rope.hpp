/// \file
/// Rotary position embedding of one head. Source: spec/text.md section 7.1.
#pragma once

#include "carat/simd/batch.hpp"

#include <cstddef>

namespace carat::inline CARAT_ABI::simd {
inline namespace HWY_NAMESPACE {

/// Turns the pairs (i, i + head_dim / 2), i < pairs, of x by angles given as cos and sin; the
/// others stay.
///   x [head_dim], cos and sin [pairs]
inline void rope(float* x, std::size_t head_dim, const float* cos, const float* sin,
                 std::size_t pairs) noexcept {
    float* y = x + head_dim / 2;
    for_each_batch(pairs, [&](std::size_t i, std::size_t m) {
        const Batch a = load(x + i, m), b = load(y + i, m);
        const Batch c = load(cos + i, m), s = load(sin + i, m);
        store(x + i, m, mul_add(-b, s, a * c));
        store(y + i, m, mul_add(a, s, b * c));
    });
}

}  // namespace HWY_NAMESPACE
}  // namespace carat::inline CARAT_ABI::simd

/// \file
/// Layer normalisation of a row: centred, divided by its deviation, no bias. Source: spec/audio.md
/// section 6.
#pragma once

#include "carat/simd/batch.hpp"

#include <cmath>
#include <cstddef>

namespace carat::inline CARAT_ABI::simd {
inline namespace HWY_NAMESPACE {

/// out = (x - mean) / √(variance + eps) · weight, the variance that of the row itself (divided by
/// n). out may be x.
inline void layer_norm(const float* x, const float* weight, std::size_t n, float eps,
                       float* out) noexcept {
    Batch sum(0.0f);
    for_each_batch(n, [&](std::size_t i, std::size_t m) { sum += load(x + i, m); });
    const float mean = sum_of(sum) / static_cast<float>(n);
    const Batch centre(mean);
    Batch squares(0.0f);
    for_each_batch(n, [&](std::size_t i, std::size_t m) {
        const Batch d = load(x + i, m, mean) - centre;
        squares = mul_add(d, d, squares);
    });
    const Batch scale(1.0f / std::sqrt(sum_of(squares) / static_cast<float>(n) + eps));
    for_each_batch(n, [&](std::size_t i, std::size_t m) {
        store(out + i, m, (load(x + i, m) - centre) * scale * load(weight + i, m));
    });
}

}  // namespace HWY_NAMESPACE
}  // namespace carat::inline CARAT_ABI::simd

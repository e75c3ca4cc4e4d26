/// \file
/// Softmax of a row, in place.
#pragma once

#include "carat/simd/batch.hpp"

#include <cstddef>
#include <limits>

namespace carat::simd {
inline namespace HWY_NAMESPACE {

/// The largest element; -infinity for an empty row.
inline float max_of(const float* x, std::size_t n) noexcept {
    constexpr float lowest = -std::numeric_limits<float>::infinity();
    Batch largest(lowest);
    for_each_batch(n, [&](std::size_t i, std::size_t m) {
        largest = xsimd::max(largest, load(x + i, m, lowest));
    });
    return max_of(largest);
}

/// x[i] = exp(x[i] - max) / Σ exp. Elements of -infinity get 0; a row of nothing else becomes all
/// zeros.
inline void softmax(float* x, std::size_t n) noexcept {
    constexpr float lowest = -std::numeric_limits<float>::infinity();
    const float top = max_of(x, n);
    if (top == lowest) {
        for (std::size_t i = 0; i < n; ++i) x[i] = 0.0f;
        return;
    }
    const Batch shift(top);
    Batch sum(0.0f);
    for_each_batch(n, [&](std::size_t i, std::size_t m) {
        const Batch e = xsimd::exp(load(x + i, m, lowest) - shift);
        store(x + i, m, e);
        sum += e;
    });
    const Batch scale(1.0f / sum_of(sum));
    for_each_batch(n,
                   [&](std::size_t i, std::size_t m) { store(x + i, m, load(x + i, m) * scale); });
}

}  // namespace HWY_NAMESPACE
}  // namespace carat::simd

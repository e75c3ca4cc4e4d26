/// \file
/// Looking for the largest of many.
#pragma once

#include "carat/simd/batch.hpp"

#include <cstddef>
#include <limits>

namespace carat::inline CARAT_ABI::simd {
inline namespace HWY_NAMESPACE {

/// out[i] = x[i], -infinity in place of NaN.
inline void copy_numbers(const float* x, std::size_t n, float* out) noexcept {
    const Batch lowest(-std::numeric_limits<float>::infinity());
    for_each_batch(n, [&](std::size_t i, std::size_t m) {
        const Batch v = load(x + i, m);
        store(out + i, m, xsimd::select(v == v, v, lowest));
    });
}

/// The first index from `begin` on whose element is at least `least`; n if there is none.
inline std::size_t find_at_least(const float* x, std::size_t begin, std::size_t n,
                                 float least) noexcept {
    const Batch bound(least);
    std::size_t i = begin;
    for (; i + 4 * Batch::size <= n; i += 4 * Batch::size) {
        const auto some = (Batch::load_unaligned(x + i) >= bound) |
                          (Batch::load_unaligned(x + i + Batch::size) >= bound) |
                          (Batch::load_unaligned(x + i + 2 * Batch::size) >= bound) |
                          (Batch::load_unaligned(x + i + 3 * Batch::size) >= bound);
        if (xsimd::any(some)) break;
    }
    while (i < n && !(x[i] >= least)) ++i;
    return i;
}

}  // namespace HWY_NAMESPACE
}  // namespace carat::inline CARAT_ABI::simd

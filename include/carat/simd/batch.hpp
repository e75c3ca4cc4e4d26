/// \file
/// Rows of floats as xsimd batches: every pointwise function of carat runs through for_each_batch.
///
/// A tail is loaded into a padded batch and goes through the same instructions as the rest, so that
/// an element's value does not depend on where in a row it lies.
#pragma once

#include "carat/simd/target.hpp"

#include <xsimd/xsimd.hpp>

#include <algorithm>
#include <array>
#include <cstddef>

namespace carat::inline CARAT_ABI::simd {
inline namespace HWY_NAMESPACE {

using Batch = xsimd::batch<float>;

namespace detail {

// Not inlined, so that load() and store() always are.
[[gnu::noinline]] inline Batch load_tail(const float* p, std::size_t n, float padding) {
    std::array<float, Batch::size> padded;
    padded.fill(padding);
    std::copy_n(p, n, padded.begin());
    return Batch::load_unaligned(padded.data());
}
[[gnu::noinline]] inline void store_tail(float* p, std::size_t n, Batch b) {
    std::array<float, Batch::size> padded;
    b.store_unaligned(padded.data());
    std::copy_n(padded.begin(), n, p);
}

}  // namespace detail

/// Up to Batch::size elements from p; `padding` behind the first n.
inline Batch load(const float* p, std::size_t n, float padding = 0.0f) {
    return n >= Batch::size ? Batch::load_unaligned(p) : detail::load_tail(p, n, padding);
}
inline void store(float* p, std::size_t n, Batch b) {
    if (n >= Batch::size) {
        b.store_unaligned(p);
    } else {
        detail::store_tail(p, n, b);
    }
}

/// a · b + c, rounded once where the machine can. xsimd's own is two operations on AVX-512 (8.1),
/// which a compiler fuses in one place and not in another; of a · b + c · d it may fuse either.
inline Batch mul_add(Batch a, Batch b, Batch c) {
#if XSIMD_WITH_AVX512F
    return _mm512_fmadd_ps(a, b, c);
#else
    return xsimd::fma(a, b, c);
#endif
}

/// Sum and maximum over the lanes of a batch. By hand: xsimd's own changed their names between
/// releases.
inline float sum_of(Batch b) {
    std::array<float, Batch::size> lanes;
    b.store_unaligned(lanes.data());
    for (std::size_t half = Batch::size / 2; half > 0; half /= 2)
        for (std::size_t i = 0; i < half; ++i) lanes[i] += lanes[i + half];
    return lanes[0];
}
inline float max_of(Batch b) {
    std::array<float, Batch::size> lanes;
    b.store_unaligned(lanes.data());
    return *std::max_element(lanes.begin(), lanes.end());
}

/// f(offset, count) for 0 … n in steps of a batch; count is less than Batch::size in the last one
/// only.
template <class F>
inline void for_each_batch(std::size_t n, F&& f) {
    std::size_t i = 0;
    for (; i + Batch::size <= n; i += Batch::size) f(i, Batch::size);
    if (i < n) f(i, n - i);
}

}  // namespace HWY_NAMESPACE
}  // namespace carat::inline CARAT_ABI::simd

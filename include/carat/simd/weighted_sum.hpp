/// \file
/// Sums of stored rows with weights: the second product of attention.
#pragma once

#include "carat/simd/load.hpp"
#include "carat/simd/unroll.hpp"

#include <algorithm>
#include <cstddef>

HWY_BEFORE_NAMESPACE();
namespace carat::inline CARAT_ABI::simd {
inline namespace HWY_NAMESPACE {

namespace detail {

template <std::size_t height, class V>
HWY_INLINE void weighted_sum_rows(const float* p, std::size_t p_stride, const V* v,
                                  std::size_t v_stride, std::size_t n, std::size_t width,
                                  float* out, std::size_t out_stride) {
    const F32Tag d;
    const std::size_t lanes = hn::Lanes(d);
    std::size_t i = 0;
    for (; i + 2 * lanes <= width; i += 2 * lanes) {
        F32Vec sums[2 * height];
        unroll<height>([&](auto r) __attribute__((always_inline)) {
            sums[2 * r] = hn::LoadU(d, out + r * out_stride + i);
            sums[2 * r + 1] = hn::LoadU(d, out + r * out_stride + i + lanes);
        });
        for (std::size_t t = 0; t < n; ++t) {
            const auto v0 = load_f32(v + t * v_stride + i);
            const auto v1 = load_f32(v + t * v_stride + i + lanes);
            unroll<height>([&](auto r) __attribute__((always_inline)) {
                const auto weight = hn::Set(d, p[r * p_stride + t]);
                sums[2 * r] = hn::MulAdd(weight, v0, sums[2 * r]);
                sums[2 * r + 1] = hn::MulAdd(weight, v1, sums[2 * r + 1]);
            });
        }
        unroll<height>([&](auto r) __attribute__((always_inline)) {
            hn::StoreU(sums[2 * r], d, out + r * out_stride + i);
            hn::StoreU(sums[2 * r + 1], d, out + r * out_stride + i + lanes);
        });
    }
    for (; i < width; i += lanes) {
        const std::size_t m = std::min(lanes, width - i);
        F32Vec sums[height];
        unroll<height>([&](auto r) __attribute__((always_inline)) {
            sums[r] = hn::LoadN(d, out + r * out_stride + i, m);
        });
        for (std::size_t t = 0; t < n; ++t) {
            const auto vt = load_f32(v + t * v_stride + i, m);
            unroll<height>([&](auto r) __attribute__((always_inline)) {
                sums[r] = hn::MulAdd(hn::Set(d, p[r * p_stride + t]), vt, sums[r]);
            });
        }
        unroll<height>([&](auto r) __attribute__((always_inline)) {
            hn::StoreN(sums[r], d, out + r * out_stride + i, m);
        });
    }
}

}  // namespace detail

/// out[r] += Σ_t p[r, t] · v[t], t in order, for r < rows.
///   p [rows, n], v [n, width], out [rows, width]; strides in elements; out must not overlap the
///   others.
/// Each element is summed by itself in the order of t: it depends neither on `rows` nor on how t is
/// cut into calls.
template <class V>
inline void weighted_sum(const float* p, std::size_t p_stride, std::size_t rows, const V* v,
                         std::size_t v_stride, std::size_t n, std::size_t width, float* out,
                         std::size_t out_stride) noexcept {
    constexpr std::size_t tile =
        4;  // with two vectors a row: eight sums in flight hide the add's latency
    std::size_t r = 0;
    for (; r + tile <= rows; r += tile)
        detail::weighted_sum_rows<tile>(p + r * p_stride, p_stride, v, v_stride, n, width,
                                        out + r * out_stride, out_stride);
    for (; r < rows; ++r)
        detail::weighted_sum_rows<1>(p + r * p_stride, p_stride, v, v_stride, n, width,
                                     out + r * out_stride, out_stride);
}

}  // namespace HWY_NAMESPACE
}  // namespace carat::inline CARAT_ABI::simd
HWY_AFTER_NAMESPACE();

/// \file
/// A sum of stored rows with weights: the second product of audio attention.
#pragma once

#include "carat/simd/load.hpp"
#include "carat/simd/unroll.hpp"

#include <algorithm>
#include <cstddef>

HWY_BEFORE_NAMESPACE();
namespace carat::inline CARAT_ABI::simd {
inline namespace HWY_NAMESPACE {

/// out[i] = Σ_t p[t] · v[t, i], t in order.
///   p [n], v [n, width] with v_stride elements from row to row, out [width]; out must not overlap
///   the others.
template <class V>
inline void weighted_sum(const float* p, const V* v, std::size_t v_stride, std::size_t n,
                         std::size_t width, float* out) noexcept {
    const F32Tag d;
    const std::size_t lanes = hn::Lanes(d);
    constexpr std::size_t some = 4;  // sums in flight hide the add's latency
    std::size_t i = 0;
    for (; i + some * lanes <= width; i += some * lanes) {
        F32Vec sums[some];
        unroll<some>([&](auto j) __attribute__((always_inline)) { sums[j] = hn::Zero(d); });
        for (std::size_t t = 0; t < n; ++t) {
            const auto weight = hn::Set(d, p[t]);
            unroll<some>([&](auto j) __attribute__((always_inline)) {
                const auto values = load_f32(v + t * v_stride + i + j * lanes);
                sums[j] = hn::MulAdd(weight, values, sums[j]);
            });
        }
        unroll<some>([&](auto j) __attribute__((always_inline)) {
            hn::StoreU(sums[j], d, out + i + j * lanes);
        });
    }
    for (; i < width; i += lanes) {
        const std::size_t m = std::min(lanes, width - i);
        auto sum = hn::Zero(d);
        for (std::size_t t = 0; t < n; ++t) {
            const V* row = v + t * v_stride + i;
            sum = hn::MulAdd(hn::Set(d, p[t]), m == lanes ? load_f32(row) : load_f32(row, m), sum);
        }
        hn::StoreN(sum, d, out + i, m);
    }
}

}  // namespace HWY_NAMESPACE
}  // namespace carat::inline CARAT_ABI::simd
HWY_AFTER_NAMESPACE();

/// \file
/// Root mean square normalisation of a row. Source: spec/text.md section 2.
#pragma once

#include "carat/simd/batch.hpp"

#include <cmath>
#include <cstddef>

namespace carat::inline CARAT_ABI::simd {
inline namespace HWY_NAMESPACE {

/// (mean(x²) + eps)^(-1/2): eps is inside the root, added to the mean.
inline float inverse_rms(const float* x, std::size_t n, float eps) noexcept {
    Batch sum(0.0f);
    for_each_batch(n, [&](std::size_t i, std::size_t m) {
        const Batch v = load(x + i, m);
        sum = mul_add(v, v, sum);
    });
    return 1.0f / std::sqrt(sum_of(sum) / static_cast<float>(n) + eps);
}

/// out = x · inverse_rms(x) · weight. The weight is plain, not 1 + weight. out may be x.
inline void rms_norm(const float* x, const float* weight, std::size_t n, float eps,
                     float* out) noexcept {
    const Batch scale(inverse_rms(x, n, eps));
    for_each_batch(n, [&](std::size_t i, std::size_t m) {
        store(out + i, m, load(x + i, m) * scale * load(weight + i, m));
    });
}
/// The same without a weight.
inline void rms_norm(const float* x, std::size_t n, float eps, float* out) noexcept {
    const Batch scale(inverse_rms(x, n, eps));
    for_each_batch(
        n, [&](std::size_t i, std::size_t m) { store(out + i, m, load(x + i, m) * scale); });
}

}  // namespace HWY_NAMESPACE
}  // namespace carat::inline CARAT_ABI::simd

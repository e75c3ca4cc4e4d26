/// \file
/// Sums and multiples of rows: the residual stream.
#pragma once

#include "carat/simd/batch.hpp"

#include <cstddef>

namespace carat::inline CARAT_ABI::simd {
inline namespace HWY_NAMESPACE {

/// x += y.
inline void add(float* x, const float* y, std::size_t n) noexcept {
    for_each_batch(
        n, [&](std::size_t i, std::size_t m) { store(x + i, m, load(x + i, m) + load(y + i, m)); });
}
/// x += a ⊙ b.
inline void add_product(float* x, const float* a, const float* b, std::size_t n) noexcept {
    for_each_batch(n, [&](std::size_t i, std::size_t m) {
        store(x + i, m, mul_add(load(a + i, m), load(b + i, m), load(x + i, m)));
    });
}
/// x ⊙= a.
inline void multiply(float* x, const float* a, std::size_t n) noexcept {
    for_each_batch(
        n, [&](std::size_t i, std::size_t m) { store(x + i, m, load(x + i, m) * load(a + i, m)); });
}
/// x *= scale.
inline void scale(float* x, float factor, std::size_t n) noexcept {
    const Batch s(factor);
    for_each_batch(n, [&](std::size_t i, std::size_t m) { store(x + i, m, load(x + i, m) * s); });
}

}  // namespace HWY_NAMESPACE
}  // namespace carat::inline CARAT_ABI::simd

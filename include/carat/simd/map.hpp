/// \file
/// Pointwise functions over rows. A function is a functor that takes a float or a batch of floats
/// alike; that is all a researcher's activation has to be.
#pragma once

#include "carat/simd/batch.hpp"

#include <cstddef>

namespace carat::inline CARAT_ABI::simd {
inline namespace HWY_NAMESPACE {

/// A function of one value, usable on a float and on a batch of floats.
template <class F>
concept Pointwise = requires(const F f, float x, Batch b) {
    static_cast<float>(f(x));
    static_cast<Batch>(f(b));
};

/// out[i] = f(x[i]). out may be x.
template <class F>
inline void map(const float* x, std::size_t n, float* out, F&& f) noexcept {
    for_each_batch(n, [&](std::size_t i, std::size_t m) { store(out + i, m, f(load(x + i, m))); });
}

/// out[i] = f(a[i], b[i]). out may be a or b.
template <class F>
inline void map(const float* a, const float* b, std::size_t n, float* out, F&& f) noexcept {
    for_each_batch(n, [&](std::size_t i, std::size_t m) {
        store(out + i, m, f(load(a + i, m), load(b + i, m)));
    });
}

}  // namespace HWY_NAMESPACE
}  // namespace carat::inline CARAT_ABI::simd

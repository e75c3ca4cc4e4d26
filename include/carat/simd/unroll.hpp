/// \file
/// unroll<n>(f): f(0) … f(n - 1) with constant indices; with_constant<last>(n, f): f of one number.
///
/// Kernels keep their sums in arrays. With constant indices both compilers put them into registers
/// from -O1 on; a plain loop leaves them in memory with g++ 12 below -O3 (a third of the speed).
#pragma once

#include "carat/base/abi.hpp"

#include <cstddef>
#include <type_traits>
#include <utility>

namespace carat::inline CARAT_ABI::simd {

/// A size that the compiler knows, as a value.
template <std::size_t n>
using Size = std::integral_constant<std::size_t, n>;

template <std::size_t n, class F>
[[gnu::always_inline]] inline void unroll(F&& f) {
    [&]<std::size_t... i>(std::index_sequence<i...>) __attribute__((always_inline)) {
        (f(Size<i>()), ...);
    }
    (std::make_index_sequence<n>{});
}

/// f(n) with n as a constant, if it is 1 … last; else nothing.
template <std::size_t last, class F>
[[gnu::always_inline]] inline void with_constant(std::size_t n, F&& f) {
    unroll<last>([&](auto i) __attribute__((always_inline)) {
        if (n == i + 1) f(Size<i + 1>());
    });
}

}  // namespace carat::inline CARAT_ABI::simd

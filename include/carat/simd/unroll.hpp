/// \file
/// unroll<n>(f): f(0) … f(n - 1) with constant indices.
///
/// Kernels keep their sums in arrays. With constant indices both compilers put them into registers
/// from -O1 on; a plain loop leaves them in memory with g++ 12 below -O3 (a third of the speed).
#pragma once

#include "carat/base/abi.hpp"

#include <cstddef>
#include <type_traits>
#include <utility>

namespace carat::inline CARAT_ABI::simd {

template <std::size_t n, class F>
[[gnu::always_inline]] inline void unroll(F&& f) {
    [&]<std::size_t... i>(std::index_sequence<i...>) __attribute__((always_inline)) {
        (f(std::integral_constant<std::size_t, i>{}), ...);
    }
    (std::make_index_sequence<n>{});
}

}  // namespace carat::inline CARAT_ABI::simd

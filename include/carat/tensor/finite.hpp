/// \file
/// Numbers that are none, in what strangers hand in.
#pragma once

#include "carat/base/abi.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

namespace carat::inline CARAT_ABI {

/// The place of the first value that is infinite or not a number; x.size() where there is none. By
/// their bits: a host that compiles with -ffast-math promised the compiler that there is none.
[[nodiscard]] constexpr std::size_t first_not_finite(std::span<const float> x) noexcept {
    constexpr std::uint32_t exponent = 0x7F800000;
    constexpr std::size_t block = 64;  // that a compiler turns into vectors
    const auto bad = [](float v) {
        return (std::bit_cast<std::uint32_t>(v) & exponent) == exponent;
    };
    for (std::size_t begin = 0; begin < x.size(); begin += block) {
        const std::size_t n = std::min(block, x.size() - begin);
        bool any = false;
        for (std::size_t i = 0; i < n; ++i) any |= bad(x[begin + i]);
        if (!any) continue;
        while (!bad(x[begin])) ++begin;
        return begin;
    }
    return x.size();
}

}  // namespace carat::inline CARAT_ABI

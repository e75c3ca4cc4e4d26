/// \file
/// A checksum for much data, as fast as memory: it finds damage, not malice.
#pragma once

#include "carat/base/abi.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace carat::inline CARAT_ABI {

/// Eight sums side by side, a word of 64 bits each in turn, so that they need not wait for each
/// other. Every step loses nothing: bytes that differ in one word have different sums.
[[nodiscard]] inline std::uint64_t checksum(std::span<const std::byte> bytes) noexcept {
    static_assert(std::endian::native == std::endian::little);
    constexpr std::size_t word = sizeof(std::uint64_t);
    const auto mix = [](std::uint64_t sum, std::uint64_t w) {
        sum = (sum ^ w) * 0x9e3779b97f4a7c15u;
        return sum ^ (sum >> 32);
    };
    std::array<std::uint64_t, 8> sums{1, 2, 3, 4, 5, 6, 7, 8};
    std::size_t at = 0;
    for (; bytes.size() - at >= word * sums.size(); at += word * sums.size())
        for (std::size_t k = 0; k < sums.size(); ++k) {
            std::uint64_t w;
            std::memcpy(&w, bytes.data() + at + word * k, word);
            sums[k] = mix(sums[k], w);
        }
    for (std::size_t k = 0; at < bytes.size(); at += word, ++k) {
        std::uint64_t w = 0;
        std::memcpy(&w, bytes.data() + at, std::min(word, bytes.size() - at));
        sums[k] = mix(sums[k], w);
    }
    std::uint64_t all = bytes.size();
    for (const std::uint64_t sum : sums) all = mix(all, sum);
    return all;
}

}  // namespace carat::inline CARAT_ABI

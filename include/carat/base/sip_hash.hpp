/// \file
/// SipHash-2-4, and the hash of names and numbers out of files that is made of it.
#pragma once

#include "carat/base/abi.hpp"

#include <array>
#include <bit>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace carat::inline CARAT_ABI {

/// The hash of a text by a key. Source: Aumasson and Bernstein, "SipHash: a fast short-input PRF".
[[nodiscard]] inline std::uint64_t sip_hash(std::array<std::uint64_t, 2> key,
                                            std::string_view text) noexcept {
    std::uint64_t v0 = key[0] ^ 0x736f'6d65'7073'6575, v1 = key[1] ^ 0x646f'7261'6e64'6f6d,
                  v2 = key[0] ^ 0x6c79'6765'6e65'7261, v3 = key[1] ^ 0x7465'6462'7974'6573;
    const auto round = [&] {
        v0 += v1, v1 = std::rotl(v1, 13) ^ v0, v0 = std::rotl(v0, 32);
        v2 += v3, v3 = std::rotl(v3, 16) ^ v2;
        v0 += v3, v3 = std::rotl(v3, 21) ^ v0;
        v2 += v1, v1 = std::rotl(v1, 17) ^ v2, v2 = std::rotl(v2, 32);
    };
    const auto take = [&](std::uint64_t word) {
        v3 ^= word;
        round(), round();
        v0 ^= word;
    };
    std::uint64_t word = 0;
    const std::uint64_t size = text.size();
    for (; text.size() >= sizeof(word); text.remove_prefix(sizeof(word))) {
        std::memcpy(&word, text.data(), sizeof(word));
        take(word);
    }
    word = 0;
    if (!text.empty()) std::memcpy(&word, text.data(), text.size());
    take(word | size << 56);
    v2 ^= 0xff;
    round(), round(), round(), round();
    return v0 ^ v1 ^ v2 ^ v3;
}

/// For maps whose keys come from strangers. std::hash is the same everywhere, so that a file can be
/// made whose names all fall into one bucket, and its map takes time by the square of their number.
/// This one's key is drawn once a process, from the clock and from where its code lies in memory.
struct KeyedHash {
    [[nodiscard]] std::size_t operator()(std::string_view text) const noexcept {
        return static_cast<std::size_t>(sip_hash(key(), text));
    }
    template <std::integral Number>
    [[nodiscard]] std::size_t operator()(Number number) const noexcept {
        return (*this)(std::string_view(reinterpret_cast<const char*>(&number), sizeof(number)));
    }

  private:
    [[nodiscard]] static std::array<std::uint64_t, 2> key() noexcept {
        static const std::array<std::uint64_t, 2> drawn = {
            static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count()),
            static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(&drawn))};
        return drawn;
    }
};

}  // namespace carat::inline CARAT_ABI

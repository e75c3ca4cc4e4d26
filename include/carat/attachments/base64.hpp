/// \file
/// Bytes that a text holds in base64.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/result.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace carat::inline CARAT_ABI {

/// The bytes. Bad input: any character but the 64 of RFC 4648 section 4, with or without `=` at the
/// end, and a text that breaks off inside a byte; the error says where, after `what`.
[[nodiscard]] inline Result<std::vector<std::uint8_t>> decode_base64(std::string_view text,
                                                                     std::string_view what) {
    constexpr std::string_view letters =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    constexpr auto values = [&] {
        std::array<std::uint8_t, 256> v{};
        v.fill(64);
        for (std::size_t i = 0; i < letters.size(); ++i)
            v[static_cast<unsigned char>(letters[i])] = static_cast<std::uint8_t>(i);
        return v;
    }();
    return memory_errors(what, [&]() -> Result<std::vector<std::uint8_t>> {
        std::size_t size = text.size();
        for (std::size_t i = 0; i < 2 && size > 0 && text.size() % 4 == 0 && text[size - 1] == '=';
             ++i)
            --size;
        std::vector<std::uint8_t> bytes;
        bytes.reserve(size / 4 * 3 + 2);
        std::uint32_t bits = 0;
        for (std::size_t i = 0; i < size; ++i) {
            const std::uint8_t value = values[static_cast<unsigned char>(text[i])];
            if (value == 64)
                return Error{Errc::bad_format,
                             joined({what, ": no base64 at character ", i, " of ", text.size()})};
            bits = bits << 6 | value;
            if (i % 4 != 0) bytes.push_back(static_cast<std::uint8_t>(bits >> (6 - i % 4 * 2)));
        }
        // What is left of the last character is 4 or 2 bits that no byte has.
        const std::uint32_t rest = bits & (size % 4 == 2 ? 0xfu : size % 4 == 3 ? 0x3u : 0u);
        if (size % 4 == 1 || rest != 0)
            return Error{Errc::bad_format, joined({what, ": base64 breaks off inside a byte"})};
        return bytes;
    });
}

}  // namespace carat::inline CARAT_ABI

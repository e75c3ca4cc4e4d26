/// \file
/// UTF-8, read one code point at a time.
#pragma once

#include "carat/base/abi.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace carat::inline CARAT_ABI::unicode {

/// One code point at the start of a text. `length` is 0 where the text is empty or does not start
/// with valid UTF-8 (overlong forms, surrogates and numbers above U+10FFFF are not valid).
struct CodePoint {
    char32_t value = 0;
    std::size_t length = 0;
};

[[nodiscard]] inline CodePoint first_code_point(std::string_view text) noexcept {
    if (text.empty()) return {};
    const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
    const auto first = byte(0);
    if (first < 0x80) return {first, 1};
    const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    if (first < 0xC2 || first > 0xF4 || text.size() < length) return {};
    char32_t value = first & (0x7Fu >> length);
    for (std::size_t i = 1; i < length; ++i) {
        if ((byte(i) & 0xC0) != 0x80) return {};
        value = value << 6 | (byte(i) & 0x3Fu);
    }
    const bool overlong = (length == 3 && value < 0x800) || (length == 4 && value < 0x10000);
    if (overlong || value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) return {};
    return {value, length};
}

/// Whether a text is UTF-8 from end to end.
[[nodiscard]] inline bool is_valid(std::string_view text) noexcept {
    while (!text.empty()) {
        const std::size_t length = first_code_point(text).length;
        if (length == 0) return false;
        text.remove_prefix(length);
    }
    return true;
}

}  // namespace carat::inline CARAT_ABI::unicode

/// \file
/// Strangers' names made fit to be printed.
#pragma once

#include "carat/base/abi.hpp"
#include "carat/base/utf8.hpp"

#include <cstddef>
#include <string>
#include <string_view>

namespace carat::inline CARAT_ABI {
namespace detail {

/// Whether a terminal shows it, where it stands: no control character, nor one that breaks lines or
/// turns the direction of what follows.
constexpr bool is_shown(char32_t c) {
    return c >= 0x20 && !(c >= 0x7f && c < 0xa0) && !(c >= 0x2028 && c <= 0x202e) &&
           !(c >= 0x2066 && c <= 0x2069);
}

}  // namespace detail

/// A name out of a file as it may stand in the text of an error, UTF-8: bytes of control characters
/// and those that are no text become `\x0a`, and no more than `limit` bytes of it are shown.
[[nodiscard]] [[gnu::noinline, gnu::cold]] inline std::string printable(std::string_view name,
                                                                        std::size_t limit = 120) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    while (!name.empty()) {
        const unicode::CodePoint c = unicode::first_code_point(name);
        const std::size_t length = c.length > 0 ? c.length : 1;
        if (length > limit) return text + "...";
        limit -= length;
        if (c.length > 0 && detail::is_shown(c.value)) {
            text += name.substr(0, length);
        } else {
            for (const char byte : name.substr(0, length)) {
                text += "\\x";
                text += digits[static_cast<unsigned char>(byte) >> 4];
                text += digits[static_cast<unsigned char>(byte) & 15u];
            }
        }
        name.remove_prefix(length);
    }
    return text;
}

}  // namespace carat::inline CARAT_ABI

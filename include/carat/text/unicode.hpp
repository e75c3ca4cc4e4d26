/// \file
/// The few things about Unicode that prompts need: code points written, trimming, letter case.
#pragma once

#include "carat/base/utf8.hpp"
#include "carat/text/special_casing.hpp"

#include <utf8proc.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace carat::inline CARAT_ABI::unicode {

/// U+FFFD, what stands for bytes that are no text.
inline constexpr std::string_view replacement = "\xEF\xBF\xBD";

/// Appends one code point as UTF-8; what is none (a surrogate, a number too large) as U+FFFD.
inline void append(std::string& out, char32_t c) {
    if (c > 0x10FFFF || (c >= 0xD800 && c < 0xE000)) {
        out += replacement;
        return;
    }
    const auto put = [&](char32_t byte) {
        out += static_cast<char>(static_cast<unsigned char>(byte));
    };
    if (c < 0x80) return put(c);
    if (c < 0x800) {
        put(0xC0 | c >> 6);
    } else if (c < 0x10000) {
        put(0xE0 | c >> 12);
        put(0x80 | (c >> 6 & 0x3F));
    } else {
        put(0xF0 | c >> 18);
        put(0x80 | (c >> 12 & 0x3F));
        put(0x80 | (c >> 6 & 0x3F));
    }
    put(0x80 | (c & 0x3F));
}

/// The text with U+FFFD in the place of every byte that belongs to no valid character.
[[nodiscard]] inline std::string repaired(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    while (!text.empty()) {
        const std::size_t length = first_code_point(text).length;
        out += length == 0 ? replacement : text.substr(0, length);
        text.remove_prefix(length == 0 ? 1 : length);
    }
    return out;
}

/// White space as the chat format means it. Zero-width space and byte order mark are none.
[[nodiscard]] constexpr bool is_space(char32_t c) noexcept {
    return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 ||
           c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 ||
           c == 0x202F || c == 0x205F || c == 0x3000;
}

/// The text without white space at its start.
[[nodiscard]] inline std::string_view trim_left(std::string_view text) noexcept {
    while (!text.empty()) {
        const CodePoint c = first_code_point(text);
        if (c.length == 0 || !is_space(c.value)) break;
        text.remove_prefix(c.length);
    }
    return text;
}

/// The text without white space at its end.
[[nodiscard]] inline std::string_view trim_right(std::string_view text) noexcept {
    while (!text.empty()) {
        std::size_t start = text.size() - 1;
        while (start > 0 && text.size() - start < 4 &&
               (static_cast<std::uint8_t>(text[start]) & 0xC0) == 0x80)
            --start;
        const CodePoint c = first_code_point(text.substr(start));
        if (c.length != text.size() - start || !is_space(c.value)) break;
        text.remove_suffix(c.length);
    }
    return text;
}

/// The text without white space at both ends. Source: spec/chat.md, section 3.
[[nodiscard]] inline std::string_view trim(std::string_view text) noexcept {
    return trim_right(trim_left(text));
}

/// Whether a character is part of a word: a letter, a mark, a digit or a connecting punctuation
/// such as `_`.
[[nodiscard]] inline bool is_word(char32_t c) noexcept {
    switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
        case UTF8PROC_CATEGORY_LU:
        case UTF8PROC_CATEGORY_LL:
        case UTF8PROC_CATEGORY_LT:
        case UTF8PROC_CATEGORY_LM:
        case UTF8PROC_CATEGORY_LO:
        case UTF8PROC_CATEGORY_MN:
        case UTF8PROC_CATEGORY_MC:
        case UTF8PROC_CATEGORY_ME:
        case UTF8PROC_CATEGORY_ND:
        case UTF8PROC_CATEGORY_PC:
            return true;
        default:
            return false;
    }
}

/// The text in capitals, the long ones included (ß becomes SS). Invalid bytes become U+FFFD.
[[nodiscard]] inline std::string upper(std::string_view text) {
    std::string out;
    for (CodePoint c; !text.empty(); text.remove_prefix(std::max<std::size_t>(c.length, 1))) {
        c = first_code_point(text);
        if (c.length == 0) {
            out += replacement;
            continue;
        }
        const auto& table = detail::long_uppers;
        const auto* entry =
            std::lower_bound(table.begin(), table.end(), c.value,
                             [](const auto& e, char32_t value) { return e.from < value; });
        if (entry != table.end() && entry->from == c.value) {
            for (const char32_t part : entry->to) {
                if (part != 0) append(out, part);
            }
        } else {
            append(out,
                   static_cast<char32_t>(utf8proc_toupper(static_cast<utf8proc_int32_t>(c.value))));
        }
    }
    return out;
}

/// The text in small letters. Invalid bytes become U+FFFD. A capital sigma is always σ, also at the
/// end of a word.
[[nodiscard]] inline std::string lower(std::string_view text) {
    std::string out;
    for (CodePoint c; !text.empty(); text.remove_prefix(std::max<std::size_t>(c.length, 1))) {
        c = first_code_point(text);
        if (c.length == 0) {
            out += replacement;
        } else if (c.value == 0x130) {  // İ is the one capital whose small form is two characters
            out += "i\xCC\x87";
        } else {
            append(out,
                   static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c.value))));
        }
    }
    return out;
}

}  // namespace carat::inline CARAT_ABI::unicode

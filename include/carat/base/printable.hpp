/// \file
/// Strangers' names made fit to be printed.
#pragma once

#include "carat/base/abi.hpp"

#include <cstddef>
#include <string>
#include <string_view>

namespace carat::inline CARAT_ABI {

/// A name out of a file as it may stand in the text of an error: control characters become `\x0a`,
/// and no more than `limit` bytes are shown.
[[nodiscard]] [[gnu::noinline, gnu::cold]] inline std::string printable(std::string_view name,
                                                                        std::size_t limit = 120) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    for (const char c : name.substr(0, limit)) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= 0x20 && byte != 0x7f) {
            text += c;
            continue;
        }
        text += "\\x";
        text += digits[byte >> 4];
        text += digits[byte & 15u];
    }
    if (name.size() > limit) text += "...";
    return text;
}

}  // namespace carat::inline CARAT_ABI

/// \file
/// Numbers between two bounds as a regular expression: at most 15 digits before and behind the
/// point.
#pragma once

#include "carat/base/abi.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace carat::inline CARAT_ABI::constrain::detail {

/// Numbers of equally many digits, from lo to hi.
inline std::string between(std::string_view lo, std::string_view hi) {
    if (lo.empty()) return "";
    if (lo.find_first_not_of('0') == std::string_view::npos &&
        hi.find_first_not_of('9') == std::string_view::npos)
        return "[0-9]{" + std::to_string(lo.size()) + "}";
    const std::string first = lo.substr(0, 1) == hi.substr(0, 1) ? "" : "(";
    const std::string_view lo_rest = lo.substr(1), hi_rest = hi.substr(1);
    if (first.empty()) return std::string(1, lo[0]) + between(lo_rest, hi_rest);
    const std::string rest(lo_rest.size(), '9'), zeros(lo_rest.size(), '0');
    std::string out = "(" + std::string(1, lo[0]) + between(lo_rest, rest) + "|" +
                      std::string(1, hi[0]) + between(zeros, hi_rest);
    if (lo[0] + 1 < hi[0])
        out += std::string("|[") + static_cast<char>(lo[0] + 1) + "-" +
               static_cast<char>(hi[0] - 1) + "]" +
               (rest.empty() ? "" : "[0-9]{" + std::to_string(rest.size()) + "}");
    return out + ")";
}
/// Numbers from lo to hi.
inline std::string from_to(std::uint64_t lo, std::uint64_t hi) {
    const std::string last = std::to_string(hi);
    std::string first = std::to_string(lo), out = "(";
    while (first.size() < last.size()) {
        out += between(first, std::string(first.size(), '9')) + "|";
        first.assign(first.size() + 1, '0');
        first[0] = '1';
    }
    return out + between(first, last) + ")";
}

/// A bound that is an integer, and whether it is itself excluded.
struct NumberBound {
    std::int64_t value = 0;
    bool given = false, exclusive = false;
};
/// Appends alternatives for numbers of one sign whose magnitudes lie between two bounds.
inline void magnitudes(std::string& out, const std::string& sign, NumberBound lo, NumberBound hi,
                       bool integer) {
    if (lo.value < 0) lo = {0, true, false};
    const bool negative = !sign.empty();
    const auto add = [&](const std::string& text) {
        out += (out.empty() ? "" : "|") + sign + text;
    };
    if (integer) {
        std::int64_t first = lo.value + (lo.exclusive ? 1 : 0);
        const std::int64_t last = hi.value - (hi.exclusive ? 1 : 0);
        if (negative && first == 0) first = 1;  // there is no -0
        if (first <= last)
            add(from_to(static_cast<std::uint64_t>(first), static_cast<std::uint64_t>(last)));
        return;
    }
    if (hi.value < lo.value || (hi.value == lo.value && (hi.exclusive || lo.exclusive))) return;
    if (negative && lo.value == 0) lo.exclusive = true;
    const auto u = [](std::int64_t v) { return static_cast<std::uint64_t>(v); };
    if (!hi.exclusive && !(negative && hi.value == 0)) add(std::to_string(hi.value));
    if (hi.value == lo.value) return;
    if (!lo.exclusive) add(std::to_string(lo.value) + "(\\.[0-9]{1,15})?");
    if (lo.exclusive) add(std::to_string(lo.value) + "\\.0{0,14}[1-9]");
    if (lo.value + 1 < hi.value)
        add(from_to(u(lo.value + 1), u(hi.value - 1)) + "(\\.[0-9]{1,15})?");
}

/// What numbers between two bounds look like, a regular expression; empty where none lies between.
inline std::string number_pattern(bool integer, NumberBound lo, NumberBound hi) {
    if (!lo.given && !hi.given)
        return integer ? "0|-?[1-9][0-9]{0,14}"
                       : "-?(0|[1-9][0-9]{0,14})(\\.[0-9]{1,15})?([eE][+-]?[0-9]{1,2})?";
    constexpr std::int64_t most = 999'999'999'999'999;
    if (!lo.given) lo.value = -most;
    if (!hi.given) hi.value = most;
    std::string out;
    // What is not negative, then what is, which is the same in a mirror.
    magnitudes(out, "", lo, hi, integer);
    magnitudes(out, "-", {-hi.value, true, hi.exclusive}, {-lo.value, true, lo.exclusive}, integer);
    return out;
}

}  // namespace carat::inline CARAT_ABI::constrain::detail

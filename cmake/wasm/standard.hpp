// What carat uses of the standard library and the libc++ 13 of Debian's emscripten does not have
// yet. The toolchain file includes it before every unit of the wasm build, and only there.
#pragma once

#include <bit>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <type_traits>

_LIBCPP_BEGIN_NAMESPACE_STD

#ifndef __cpp_lib_bit_cast
template <class To, class From>
constexpr To bit_cast(const From& from) noexcept {
    static_assert(sizeof(To) == sizeof(From) && is_trivially_copyable_v<To> &&
                  is_trivially_copyable_v<From>);
    return __builtin_bit_cast(To, from);
}
#endif

#ifndef __cpp_lib_ranges
template <class Char>
span(basic_string_view<Char>&) -> span<const Char>;
#endif

#ifndef __cpp_lib_jthread
struct jthread : thread {
    using thread::thread;
    jthread(jthread&&) = default;
    ~jthread() {
        if (joinable()) join();
    }
};
#endif

#ifndef __cpp_lib_to_chars
// Through musl's strtod and printf, which round correctly and know no locale but C.

/// A number as std::from_chars takes it: no blanks, no plus, no hexadecimal digits.
inline from_chars_result from_chars(const char* first, const char* last, double& value) {
    const bool minus = first != last && *first == '-';
    const char* at = first + minus;
    const auto digits = [&] {
        const char* begin = at;
        while (at != last && *at >= '0' && *at <= '9') ++at;
        return at - begin;
    };
    const auto whole = digits();
    const char* point = at;
    if (at != last && *at == '.') ++at;
    if (whole + digits() == 0) return {first, errc::invalid_argument};
    if (at == point + 1 && whole == 0) at = point;
    if (const char* mantissa = at; at != last && (*at == 'e' || *at == 'E')) {
        ++at;
        if (at != last && (*at == '+' || *at == '-')) ++at;
        if (digits() == 0) at = mantissa;
    }
    const string text(first, at);
    const double read = strtod(text.c_str(), nullptr);
    const bool zero = text.find_first_of("123456789") > text.find_first_of("eE");
    if (read - read != 0 || (read == 0 && !zero)) return {at, errc::result_out_of_range};
    value = read;
    return {at, errc{}};
}

/// The shortest digits that read back the same.
template <class Real>
requires is_floating_point_v<Real> to_chars_result to_chars(char* first, char* last, Real value,
                                                            chars_format format) {
    char text[40];
    int length = 0;
    for (int digits = 0; digits < 17; ++digits) {
        const char* form = format == chars_format::scientific ? "%.*e" : "%.*g";
        length = snprintf(text, sizeof text, form, digits + (form[3] == 'g'),
                          static_cast<double>(value));
        if (static_cast<Real>(strtod(text, nullptr)) == value) break;
    }
    if (length > last - first) return {last, errc::value_too_large};
    return {copy(text, text + length, first), errc{}};
}
template <class Real>
requires is_floating_point_v<Real> to_chars_result to_chars(char* first, char* last, Real value) {
    return to_chars(first, last, value, chars_format::general);
}
#endif

_LIBCPP_END_NAMESPACE_STD

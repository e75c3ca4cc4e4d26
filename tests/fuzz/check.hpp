/// \file
/// What fuzz targets share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string_view>

namespace carat::test {

/// What must hold for every input, also where asserts are compiled out.
inline void hold(bool condition, const char* what) {
    if (condition) return;
    std::fprintf(stderr, "does not hold: %s\n", what);
    std::abort();
}

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
    return {reinterpret_cast<const char*>(data), size};
}
inline std::span<const std::byte> bytes_of(const std::uint8_t* data, std::size_t size) {
    return std::as_bytes(std::span(data, size));
}

/// So that no compiler leaves out the reading of what `x` was made of.
inline void keep(const float& x) { asm volatile("" : : "r"(&x) : "memory"); }

/// An error says something; a value was looked at by the caller.
template <class R>
bool good(const R& result) {
    if (!result) hold(!result.error().text.empty(), "an error has a text");
    return result.has_value();
}

}  // namespace carat::test

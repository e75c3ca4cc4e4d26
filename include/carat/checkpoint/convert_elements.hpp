/// \file
/// Floats of a file into floats of memory: f32, bf16 and f16, each into each.
#pragma once

#include "carat/tensor/element.hpp"

#include <cstddef>
#include <cstring>
#include <type_traits>

namespace carat {

/// Whether carat computes with elements of this type; others are not converted.
[[nodiscard]] constexpr bool is_float_element(DType t) {
    return t == DType::f32 || t == DType::bf16 || t == DType::f16;
}

namespace detail {

template <class To, class From>
void convert_elements(std::byte* to, const std::byte* from, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
        From x;
        std::memcpy(&x, from + i * sizeof(From), sizeof(From));  // a file aligns nothing
        const To y = from_f32<To>(to_f32(x));
        std::memcpy(to + i * sizeof(To), &y, sizeof(To));
    }
}
template <class To>
void convert_elements(std::byte* to, const std::byte* from, DType from_type, std::size_t count) {
    switch (from_type) {
        case DType::f32:
            return convert_elements<To, float>(to, from, count);
        case DType::bf16:
            return convert_elements<To, bf16>(to, from, count);
        default:
            return convert_elements<To, f16>(to, from, count);
    }
}

}  // namespace detail

/// Writes `count` elements, aligned or not. Widening is exact, narrowing rounds to nearest, ties to
/// even; a NaN stays one. Elements of one type are copied bit by bit. Both types must be
/// is_float_element(), or equal.
inline void convert_elements(std::byte* to, DType to_type, const std::byte* from, DType from_type,
                             std::size_t count) {
    if (count == 0) return;
    if (to_type == from_type) {
        std::memcpy(to, from, count * size_of(to_type));
        return;
    }
    switch (to_type) {
        case DType::f32:
            return detail::convert_elements<float>(to, from, from_type, count);
        case DType::bf16:
            return detail::convert_elements<bf16>(to, from, from_type, count);
        default:
            return detail::convert_elements<f16>(to, from, from_type, count);
    }
}

}  // namespace carat

/// \file
/// Values of a file into elements of memory: floats and blocks into f32, bf16 and f16.
#pragma once

#include "carat/tensor/element.hpp"
#include "carat/tensor/stored_blocks.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace carat::inline CARAT_ABI {

namespace detail {

template <class To>
void convert_elements(std::byte* to, const std::byte* from, DType from_type, std::size_t count) {
    float values[most_block_values];
    To narrow[most_block_values];
    for (std::size_t at = 0; at < count; at += most_block_values) {
        const std::size_t n = std::min(most_block_values, count - at);
        read_stored(from_type, from + stored_bytes(from_type, at), n, values);
        for (std::size_t i = 0; i < n; ++i) narrow[i] = from_f32<To>(values[i]);
        std::memcpy(to + at * sizeof(To), narrow, n * sizeof(To));
    }
}

}  // namespace detail

/// Writes `count` elements, aligned or not. Widening is exact, narrowing rounds to nearest, ties to
/// even; a NaN stays one. Elements of one type are copied bit by bit. to_type is a float; from_type
/// must be is_float_stored(), with `count` a whole number of blocks, or equal to to_type.
inline void convert_elements(std::byte* to, DType to_type, const std::byte* from, DType from_type,
                             std::size_t count) {
    if (count == 0) return;
    if (to_type == from_type) {
        std::memcpy(to, from, stored_bytes(to_type, count));
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

}  // namespace carat::inline CARAT_ABI

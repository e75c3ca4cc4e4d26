/// \file
/// Element types of stored tensors: f32, bf16 and f16, with exact conversions.
///
/// A 16-bit float here is nothing but its bits: arithmetic happens in f32, in registers of simd/.
#pragma once

#include "carat/base/abi.hpp"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace carat::inline CARAT_ABI {

using f32 = float;

/// The upper half of an f32.
struct bf16 {
    std::uint16_t bits = 0;
    friend constexpr bool operator==(bf16, bf16) = default;
};

/// IEEE 754 binary16.
struct f16 {
    std::uint16_t bits = 0;
    friend constexpr bool operator==(f16, f16) = default;
};

constexpr float to_f32(float x) { return x; }
constexpr float to_f32(bf16 x) { return std::bit_cast<float>(std::uint32_t{x.bits} << 16); }
constexpr float to_f32(f16 x) {
    const std::uint32_t sign = std::uint32_t{x.bits & 0x8000u} << 16;
    const std::uint32_t exponent = (x.bits >> 10) & 31u, fraction = x.bits & 0x3ffu;
    if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000u | (fraction << 13));
    if (exponent != 0)
        return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (fraction << 13));
    const float tiny = static_cast<float>(fraction) * 0x1p-24f;  // subnormal or zero: exact
    return sign != 0 ? -tiny : tiny;
}

/// Round to nearest, ties to even; a NaN stays a (quiet) NaN.
constexpr bf16 to_bf16(float x) {
    const auto u = std::bit_cast<std::uint32_t>(x);
    if ((u & 0x7fffffffu) > 0x7f800000u) return {static_cast<std::uint16_t>((u >> 16) | 0x40u)};
    return {static_cast<std::uint16_t>((u + 0x7fffu + ((u >> 16) & 1u)) >> 16)};
}
/// Round to nearest, ties to even; too large becomes infinity, a NaN stays a (quiet) NaN.
constexpr f16 to_f16(float x) {
    const auto u = std::bit_cast<std::uint32_t>(x);
    const auto sign = static_cast<std::uint16_t>((u >> 16) & 0x8000u);
    const std::uint32_t magnitude = u & 0x7fffffffu;
    const auto pack = [sign](std::uint32_t m) { return f16{static_cast<std::uint16_t>(sign | m)}; };
    if (magnitude > 0x7f800000u) return pack(0x7e00u);
    if (magnitude >= 0x477ff000u) return pack(0x7c00u);  // rounds to 2^16 or more
    if (magnitude >= 0x38800000u)                        // normal in f16
        return pack((magnitude - 0x38000000u + 0xfffu + ((magnitude >> 13) & 1u)) >> 13);
    if (magnitude < 0x33000000u) return pack(0);  // below half of the smallest subnormal
    const std::uint32_t shift = 126 - (magnitude >> 23),
                        fraction = (magnitude & 0x7fffffu) | 0x800000u;
    const std::uint32_t rest = fraction & ((1u << shift) - 1), half = 1u << (shift - 1);
    const std::uint32_t m = fraction >> shift;
    return pack(m + (rest > half || (rest == half && (m & 1u) != 0) ? 1u : 0u));
}

/// Conversion to a type named as a template argument: `from_f32<bf16>(x)`.
template <class T>
constexpr T from_f32(float x);
template <>
constexpr float from_f32<float>(float x) {
    return x;
}
template <>
constexpr bf16 from_f32<bf16>(float x) {
    return to_bf16(x);
}
template <>
constexpr f16 from_f32<f16>(float x) {
    return to_f16(x);
}

/// What a file can hold: elements, and blocks of quantised values (tensor/stored_blocks.hpp).
/// Sub-byte and 8-bit float types of newer safetensors writers are read as `unknown`.
enum class DType : std::uint8_t {
    f32,
    bf16,
    f16,
    f64,
    i64,
    i32,
    i16,
    i8,
    u64,
    u32,
    u16,
    u8,
    boolean,
    unknown,
    q8_0,
    q4_0,
    q4_1,
    q5_0,
    q5_1,
    q4_k,
    q5_k,
    q6_k
};

/// Bytes of one element; 0 for unknown, and for blocks, whose values have no bytes of their own.
constexpr std::size_t size_of(DType t) {
    switch (t) {
        case DType::f64:
        case DType::i64:
        case DType::u64:
            return 8;
        case DType::f32:
        case DType::i32:
        case DType::u32:
            return 4;
        case DType::bf16:
        case DType::f16:
        case DType::i16:
        case DType::u16:
            return 2;
        case DType::i8:
        case DType::u8:
        case DType::boolean:
            return 1;
        default:
            return 0;
    }
}

/// The name that files use.
constexpr std::string_view name_of(DType t) {
    constexpr std::string_view names[] = {
        "F32", "BF16", "F16",     "F64",  "I64",  "I32",  "I16",  "I8",   "U64",  "U32",  "U16",
        "U8",  "BOOL", "unknown", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q4_K", "Q5_K", "Q6_K"};
    return names[static_cast<std::size_t>(t)];
}
/// The type that a safetensors file names so; those have no blocks.
constexpr DType dtype_named(std::string_view name) {
    for (std::uint8_t i = 0; i < static_cast<std::uint8_t>(DType::unknown); ++i)
        if (name_of(static_cast<DType>(i)) == name) return static_cast<DType>(i);
    return DType::unknown;
}

/// The file type of a C++ element type.
template <class T>
inline constexpr DType dtype_of = DType::unknown;
template <>
inline constexpr DType dtype_of<float> = DType::f32;
template <>
inline constexpr DType dtype_of<bf16> = DType::bf16;
template <>
inline constexpr DType dtype_of<f16> = DType::f16;
template <>
inline constexpr DType dtype_of<std::int64_t> = DType::i64;
template <>
inline constexpr DType dtype_of<std::int32_t> = DType::i32;
template <>
inline constexpr DType dtype_of<std::uint8_t> = DType::u8;

}  // namespace carat::inline CARAT_ABI

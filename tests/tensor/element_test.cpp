#include "carat/tensor/element.hpp"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace carat {
namespace {

static_assert(sizeof(bf16) == 2 && sizeof(f16) == 2);
static_assert(to_f32(to_bf16(1.0f)) == 1.0f && to_bf16(1.0f).bits == 0x3f80,
              "conversions are for the compiler too");
static_assert(to_f32(to_f16(-2.0f)) == -2.0f && to_f16(-2.0f).bits == 0xc000);

constexpr float infinity = std::numeric_limits<float>::infinity();

std::uint32_t bits(float x) { return std::bit_cast<std::uint32_t>(x); }
float of_bits(std::uint32_t u) { return std::bit_cast<float>(u); }

/// The value of a 16-bit pattern by the definition of its format, in double.
double meaning(std::uint16_t pattern, int exponent_bits, int fraction_bits) {
    const int bias = (1 << (exponent_bits - 1)) - 1;
    const int exponent = (pattern >> fraction_bits) & ((1 << exponent_bits) - 1);
    const int fraction = pattern & ((1 << fraction_bits) - 1);
    const double sign = (pattern & 0x8000u) != 0 ? -1.0 : 1.0;
    if (exponent == 0) return sign * std::ldexp(fraction, 1 - bias - fraction_bits);
    if (exponent == (1 << exponent_bits) - 1)
        return fraction == 0 ? sign * HUGE_VAL : std::numeric_limits<double>::quiet_NaN();
    return sign * std::ldexp((1 << fraction_bits) + fraction, exponent - bias - fraction_bits);
}

/// Tests every pattern of T; exponent and fraction bits say what it means.
template <class T>
void check_every_pattern(int exponent_bits, int fraction_bits) {
    int wrong_value = 0, wrong_way_back = 0, wrong_sign = 0, nans = 0;
    for (std::uint32_t i = 0; i < 65536; ++i) {
        const T x{static_cast<std::uint16_t>(i)};
        const float f = to_f32(x);
        const double expected = meaning(x.bits, exponent_bits, fraction_bits);
        if (std::isnan(expected)) {
            ++nans;
            wrong_value += std::isnan(f) ? 0 : 1;
            wrong_way_back += std::isnan(to_f32(from_f32<T>(f))) ? 0 : 1;
        } else {
            wrong_value += static_cast<double>(f) == expected ? 0 : 1;
            wrong_way_back += from_f32<T>(f) == x ? 0 : 1;
        }
        wrong_sign += std::signbit(f) == ((i & 0x8000u) != 0) ? 0 : 1;
    }
    CHECK(wrong_value == 0);
    CHECK(wrong_way_back == 0);
    CHECK(wrong_sign == 0);
    CHECK(nans == 2 * ((1 << fraction_bits) - 1));
}

/// Between every two neighbours: below the middle goes down, above it up, the middle to the even.
template <class T>
void check_every_rounding(std::uint16_t largest) {
    int wrong = 0;
    for (std::uint16_t i = 0; i < largest; ++i) {
        const T low{i}, high{static_cast<std::uint16_t>(i + 1)};
        const double middle =
            (static_cast<double>(to_f32(low)) + static_cast<double>(to_f32(high))) / 2.0;
        const auto tie = static_cast<float>(middle);
        const T even = (i & 1u) == 0 ? low : high;
        const auto minus = [](T x) { return T{static_cast<std::uint16_t>(x.bits | 0x8000u)}; };
        wrong += from_f32<T>(tie) == even ? 0 : 1;
        wrong += from_f32<T>(std::nextafter(tie, 0.0f)) == low ? 0 : 1;
        wrong += from_f32<T>(std::nextafter(tie, infinity)) == high ? 0 : 1;
        wrong += from_f32<T>(-tie) == minus(even) ? 0 : 1;
        wrong += from_f32<T>(std::nextafter(-tie, 0.0f)) == minus(low) ? 0 : 1;
        wrong += from_f32<T>(std::nextafter(-tie, -infinity)) == minus(high) ? 0 : 1;
    }
    CHECK(wrong == 0);
}

TEST_CASE("every bf16 means what its bits say and comes back from f32") {
    check_every_pattern<bf16>(8, 7);
}
TEST_CASE("every f16 means what its bits say and comes back from f32") {
    check_every_pattern<f16>(5, 10);
}
TEST_CASE("a float between two bf16 goes to the nearest, a tie to the even one") {
    check_every_rounding<bf16>(0x7f7f);
}
TEST_CASE("a float between two f16 goes to the nearest, a tie to the even one") {
    check_every_rounding<f16>(0x7bff);
}

TEST_CASE("what is too large becomes infinity, from half a step above the largest on") {
    CHECK(to_bf16(infinity).bits == 0x7f80);
    CHECK(to_bf16(-infinity).bits == 0xff80);
    CHECK(to_bf16(std::numeric_limits<float>::max()).bits == 0x7f80);
    CHECK(to_bf16(of_bits(0x7f7f7fff)).bits == 0x7f7f);
    CHECK(to_bf16(of_bits(0x7f7f8000)).bits == 0x7f80);
    CHECK(to_f16(infinity).bits == 0x7c00);
    CHECK(to_f16(-infinity).bits == 0xfc00);
    CHECK(to_f16(65504.0f).bits == 0x7bff);
    CHECK(to_f16(std::nextafter(65520.0f, 0.0f)).bits == 0x7bff);
    CHECK(to_f16(65520.0f).bits == 0x7c00);
    CHECK(to_f16(-1e30f).bits == 0xfc00);
}

TEST_CASE("a NaN stays a quiet NaN of its sign, also if only its low bits say so") {
    for (const std::uint32_t u : {0x7fc00000u, 0x7f800001u, 0x7f80ffffu, 0x7fffffffu}) {
        CAPTURE(u);
        for (const std::uint32_t sign : {0u, 0x80000000u}) {
            const bf16 b = to_bf16(of_bits(u | sign));
            CHECK((b.bits & 0x7fc0u) == 0x7fc0u);
            CHECK((b.bits >> 15) == (sign >> 31));
            const f16 h = to_f16(of_bits(u | sign));
            CHECK((h.bits & 0x7e00u) == 0x7e00u);
            CHECK((h.bits >> 15) == (sign >> 31));
        }
    }
}

TEST_CASE("zero keeps its sign, and what is below half of the smallest f16 becomes zero") {
    CHECK(to_bf16(-0.0f).bits == 0x8000);
    CHECK(to_f16(-0.0f).bits == 0x8000);
    CHECK(bits(to_f32(f16{0x8000})) == 0x80000000u);
    CHECK(to_f16(0x1p-25f).bits == 0);  // a tie: zero is even
    CHECK(to_f16(std::nextafter(0x1p-25f, 1.0f)).bits == 1);
    CHECK(to_f16(-0x1p-26f).bits == 0x8000);
    CHECK(to_bf16(of_bits(1)).bits == 0);
    CHECK(to_bf16(of_bits(0x8001)).bits == 1);  // a subnormal, not flushed
}

TEST_CASE("a name and a size for every type that a file can hold") {
    for (const DType t :
         {DType::f32, DType::bf16, DType::f16, DType::f64, DType::i64, DType::i32, DType::i16,
          DType::i8, DType::u64, DType::u32, DType::u16, DType::u8, DType::boolean}) {
        CAPTURE(name_of(t));
        CHECK(dtype_named(name_of(t)) == t);
        CHECK(size_of(t) > 0);
    }
    CHECK(dtype_named("F8_E4M3") == DType::unknown);
    CHECK(dtype_named("bf16") == DType::unknown);
    CHECK(dtype_named("unknown") == DType::unknown);
    CHECK(size_of(DType::unknown) == 0);
    CHECK(size_of(dtype_of<float>) == sizeof(float));
    CHECK(size_of(dtype_of<bf16>) == sizeof(bf16));
    CHECK(size_of(dtype_of<f16>) == sizeof(f16));
    CHECK(size_of(dtype_of<std::int64_t>) == 8);
    CHECK(dtype_of<double> == DType::unknown);  // carat computes with none
}

}  // namespace
}  // namespace carat

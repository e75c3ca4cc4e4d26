#include "carat/simd/convert.hpp"

#include "support/random.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace carat::test {
namespace {

/// Floats around every case of rounding: the neighbourhood of each bf16 and of each middle between
/// two, NaN, infinity and subnormals among them.
std::vector<float> hard_floats() {
    std::vector<float> all;
    for (std::uint32_t high = 0; high < 65536; high += 7)
        for (const std::uint32_t low : {0u, 1u, 0x7fffu, 0x8000u, 0x8001u, 0xffffu})
            all.push_back(std::bit_cast<float>(high << 16 | low));
    for (const std::uint32_t high : {0u, 0x7f80u, 0x7f7fu, 0x8000u, 0xff80u})
        for (const std::uint32_t low : {0u, 1u, 0x7fffu, 0x8000u, 0x8001u, 0xffffu})
            all.push_back(std::bit_cast<float>(high << 16 | low));
    return all;
}

template <class T>
void check_convert() {
    const std::vector<float> hard = hard_floats();
    Elements<T> out(hard.size());
    simd::convert(hard.data(), hard.size(), out.data());
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < hard.size(); ++i) wrong += out[i] == from_f32<T>(hard[i]) ? 0u : 1u;
    CHECK(wrong == 0);
    for (std::size_t n = 0; n < 70; ++n) {  // every length, so every place of an element in a row
        CAPTURE(n);
        Elements<float> x(n, 1);
        std::copy_n(hard.end() - static_cast<std::ptrdiff_t>(n), n, x.begin());
        Elements<T> y(n, 1);
        simd::convert(x.data(), n, y.data());
        for (std::size_t i = 0; i < n; ++i) CHECK(y[i] == from_f32<T>(x[i]));
    }
}

TEST_CASE("convert rounds to bf16 like to_bf16, bit for bit, wherever an element lies") {
    check_convert<bf16>();
}
TEST_CASE("convert rounds to f16 like to_f16, bit for bit, wherever an element lies") {
    check_convert<f16>();
}
TEST_CASE("convert to f32 copies") {
    const std::vector<float> hard = hard_floats();
    std::vector<float> out(hard.size());
    simd::convert(hard.data(), hard.size(), out.data());
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < hard.size(); ++i)
        wrong +=
            std::bit_cast<std::uint32_t>(out[i]) == std::bit_cast<std::uint32_t>(hard[i]) ? 0u : 1u;
    CHECK(wrong == 0);
}

TEST_CASE("load_f32 widens every 16-bit pattern exactly, whole vectors and tails") {
    std::size_t wrong = 0;
    const auto check = [&](auto type) {
        using T = decltype(type);
        const simd::F32Tag d;
        const std::size_t lanes = hwy::HWY_NAMESPACE::Lanes(d);
        std::vector<T> x(lanes);
        std::vector<float> y(lanes);
        for (std::uint32_t i = 0; i < 65536; i += static_cast<std::uint32_t>(lanes)) {
            for (std::size_t j = 0; j < lanes; ++j) x[j] = T{static_cast<std::uint16_t>(i + j)};
            hwy::HWY_NAMESPACE::StoreU(simd::load_f32(x.data()), d, y.data());
            for (std::size_t j = 0; j < lanes; ++j)
                wrong += y[j] == to_f32(x[j]) || (std::isnan(y[j]) && std::isnan(to_f32(x[j])))
                             ? 0u
                             : 1u;
            const Elements<T> part(lanes - 1);
            std::copy_n(x.begin(), lanes - 1, part.begin());
            hwy::HWY_NAMESPACE::StoreU(simd::load_f32(part.data(), lanes - 1), d, y.data());
            for (std::size_t j = 0; j + 1 < lanes; ++j)
                wrong += y[j] == to_f32(x[j]) || (std::isnan(y[j]) && std::isnan(to_f32(x[j])))
                             ? 0u
                             : 1u;
            wrong += y[lanes - 1] == 0.0f ? 0u : 1u;
        }
    };
    check(bf16{});
    CHECK(wrong == 0);
    check(f16{});
    CHECK(wrong == 0);
}

template <class T>
void check_scaled() {
    constexpr float factor = 39.191837f;
    for (const std::size_t n : {0u, 1u, 7u, 8u, 15u, 16u, 17u, 33u, 100u}) {
        CAPTURE(n);
        const auto x = Elements<T>::random(n, n, 1);
        Elements<float> scaled(n, 3);
        simd::scale_row(x.data(), n, factor, scaled.data());
        for (std::size_t i = 0; i < n; ++i) CHECK(scaled[i] == to_f32(x[i]) * factor);
        auto sum = Elements<float>::random(n, n + 50, 1);
        const std::vector<float> before(sum.begin(), sum.end());
        simd::add_scaled(x.data(), n, factor, sum.data());
        for (std::size_t i = 0; i < n; ++i) {
            const double product = x.real(i) * static_cast<double>(factor);
            const double expected = product + static_cast<double>(before[i]);
            const double allowed = (std::abs(product) + std::abs(expected)) * 0x1p-24;
            CHECK(std::abs(sum.real(i) - expected) <= allowed);
        }
    }
}

TEST_CASE("scale_row is one f32 product an element, add_scaled a product and a sum: f32") {
    check_scaled<float>();
}
TEST_CASE("scale_row is one f32 product an element, add_scaled a product and a sum: bf16") {
    check_scaled<bf16>();
}
TEST_CASE("scale_row is one f32 product an element, add_scaled a product and a sum: f16") {
    check_scaled<f16>();
}

}  // namespace
}  // namespace carat::test

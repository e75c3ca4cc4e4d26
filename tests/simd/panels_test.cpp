#include "carat/simd/panels.hpp"

#include "carat/simd/convert.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

namespace carat::test {
namespace {

std::vector<float> random_values(std::size_t n, std::uint32_t seed) {
    std::mt19937 random(seed);
    std::vector<float> v(n);
    for (float& x : v) x = static_cast<float>(random() % 2001) / 1000.0f - 1.0f;
    return v;
}

/// A quantised matrix and the memory it lies in.
template <class Format, std::size_t out, std::size_t in>
struct Packed {
    using View = PanelView<Format, out, in>;
    std::vector<typename View::Element> memory{View::panels};
    View view{memory.data()};

    explicit Packed(const std::vector<float>& values) {
        for (std::size_t r = 0; r < out; ++r)
            for (std::size_t b = 0; b < in / quant_block; ++b)
                memory[r / panel_rows][b].set(
                    r % panel_rows,
                    QuantBlock<Format>::quantize(&values[r * in + b * quant_block]));
    }
};

/// What a product must be: levels, scales and activations as they are stored, in double.
double value(const float* x, std::size_t i) { return static_cast<double>(x[i]); }
double value(const q8_activation* x, std::size_t i) {
    const q8_activation& b = x[i / quant_block];
    return static_cast<double>(b.q[i % quant_block]) * static_cast<double>(b.scale);
}

template <class Format, class X, std::size_t out, std::size_t in>
void check_products() {
    const Packed<Format, out, in> w(random_values(out * in, 1));
    for (const std::size_t columns : {1u, 2u, 3u, 4u, 5u, 7u, 8u, 9u, 14u, 19u, 50u}) {
        CAPTURE(columns);
        const std::vector<float> floats = random_values(columns * in, 2);
        std::vector<X> x(columns * in / values_in<X>);
        simd::convert(floats.data(), floats.size(), x.data());
        const ActivationRows<const X, in> rows(x.data(), columns);
        constexpr std::size_t stride = out + 3;  // what is between the rows of y stays
        constexpr float untouched = -77.5f;
        std::vector<float> y(columns * stride, untouched);
        simd::matmul(w.view, 0, out, rows, y.data(), stride);
        for (std::size_t c = 0; c < columns; ++c) {
            for (std::size_t r = out; r < stride; ++r) REQUIRE(y[c * stride + r] == untouched);
            for (std::size_t r = 0; r < out; ++r) {
                double sum = 0.0, size = 0.0;
                for (std::size_t i = 0; i < in; ++i) {
                    const double term = static_cast<double>(w.view.at(r, i)) *
                                        value(x.data() + c * in / values_in<X>, i);
                    sum += term;
                    size += std::abs(term);
                }
                REQUIRE(std::abs(static_cast<double>(y[c * stride + r]) - sum) <=
                        1e-6 * size + 1e-6);
            }
        }
        // A value depends neither on the other rows nor on the other tokens.
        const std::size_t begin = panel_rows, end = out - 1, last = columns - 1;
        std::vector<float> part(end - begin + 1, untouched);
        simd::matmul(w.view, begin, end, ActivationRows<const X, in>(rows.rows(last, 1)),
                     part.data(), end - begin);
        for (std::size_t r = begin; r < end; ++r) REQUIRE(part[r - begin] == y[last * stride + r]);
        REQUIRE(part.back() == untouched);
    }
}

TEST_CASE("panels times f32 are levels times scales times values") {
    check_products<q8_0, float, 48, 96>();
    check_products<q8_0, float, 37, 32>();
    check_products<q4_0, float, 48, 96>();
    check_products<q4_0, float, 37, 32>();
    check_products<q8_0, float, 245, 32>();
    check_products<q8_0, float, 37, 544>();  // many tokens' levels are made in pieces
    check_products<q4_0, float, 32, 544>();
}
TEST_CASE("panels times eight-bit activations are the product of what both store") {
    check_products<q8_0, q8_activation, 48, 96>();
    check_products<q8_0, q8_activation, 37, 32>();
    check_products<q4_0, q8_activation, 48, 96>();
    check_products<q4_0, q8_activation, 37, 32>();
    check_products<q8_0, q8_activation, 245, 96>();  // few tokens read eight, four, two places
    check_products<q4_0, q8_activation, 245, 96>();
    check_products<q8_0, q8_activation, 149, 4096>();  // groups of tokens take a few panels at once
    check_products<q4_0, q8_activation, 128, 32>();
}
TEST_CASE("the largest levels of both operands do not overflow the integer dot product") {
    constexpr std::size_t in = 32, out = 16;
    for (const float sign : {1.0f, -1.0f}) {
        const std::vector<float> ones(out * in, sign);
        const Packed<q8_0, out, in> w(ones);
        std::vector<q8_activation> x(1);
        const std::vector<float> twos(in, 2.0f);
        simd::convert(twos.data(), in, x.data());
        std::vector<float> y(out);
        simd::matmul(w.view, 0, out, ActivationRows<const q8_activation, in>(x.data(), 1), y.data(),
                     out);
        for (const float v : y) CHECK(v == doctest::Approx(sign * 64.0f).epsilon(1e-3));
    }
    // A file may hold a level that quantising does not make.
    Packed<q8_0, out, in> lowest(std::vector<float>(out * in, 1.0f));
    QuantBlock<q8_0> block{to_f16(1.0f), {}};
    block.q.fill(-128);
    for (std::size_t r = 0; r < out; ++r) lowest.memory[0][0].set(r, block);
    for (const float sign : {1.0f, -1.0f}) {
        std::vector<q8_activation> x(1);
        const std::vector<float> largest(in, sign * 127.0f);
        simd::convert(largest.data(), in, x.data());
        std::vector<float> y(out);
        simd::matmul(lowest.view, 0, out, ActivationRows<const q8_activation, in>(x.data(), 1),
                     y.data(), out);
        for (const float v : y) CHECK(v == sign * -128.0f * 127.0f * 32.0f);
    }
}
TEST_CASE("an activation block keeps its largest value, its sum, and nothing of a block of zeros") {
    std::vector<float> x = random_values(64, 3);
    std::fill(x.begin() + 32, x.end(), 0.0f);
    x[5] = -3.0f;
    q8_activation blocks[2];
    simd::convert(x.data(), x.size(), blocks);
    CHECK(blocks[0].q[5] == -127);
    CHECK(blocks[0].scale == 3.0f / 127.0f);
    std::int32_t sum = 0;
    for (std::size_t i = 0; i < 32; ++i) {
        sum += blocks[0].q[i];
        CHECK(std::abs(static_cast<float>(blocks[0].q[i]) * blocks[0].scale - x[i]) <=
              0.5001f * blocks[0].scale);
        CHECK(blocks[1].q[i] == 0);
    }
    CHECK(blocks[0].sum == sum);
    CHECK(blocks[1].scale == 0.0f);
    CHECK(blocks[1].sum == 0);
}
TEST_CASE(
    "an activation that is no number is none in the product; one too small to scale is zero") {
    constexpr float inf = std::numeric_limits<float>::infinity();
    const auto product = [&]<class Format>(float odd, Format*) {
        const Packed<Format, 16, 64> w(std::vector<float>(16 * 64, 1.0f));
        std::vector<float> values = random_values(64, 5), y(16);
        std::fill(values.begin(), values.begin() + 32, odd == 1e-38f ? 0.0f : 0.5f);
        values[5] = odd;
        q8_activation x[2];
        simd::convert(values.data(), values.size(), x);
        CHECK(x[0].sum == 0);
        for (const int q : x[0].q) CHECK(q == 0);
        std::fill(values.begin(), values.begin() + 32, 0.0f);
        q8_activation rest[2];
        simd::convert(values.data(), values.size(), rest);
        float without[16];
        simd::matmul(w.view, 0, 16, ActivationRows<const q8_activation, 64>(rest, 1), without, 16);
        simd::matmul(w.view, 0, 16, ActivationRows<const q8_activation, 64>(x, 1), y.data(), 16);
        for (std::size_t r = 0; r < 16; ++r)
            CHECK((odd == 1e-38f ? y[r] == without[r] : !std::isfinite(y[r])));
    };
    for (const float odd : {std::numeric_limits<float>::quiet_NaN(), inf, -inf, 1e-38f}) {
        CAPTURE(odd);
        product(odd, static_cast<q8_0*>(nullptr));
        product(odd, static_cast<q4_0*>(nullptr));
    }
}
TEST_CASE("a row of a quantised table is its levels times its scales") {
    const Packed<q4_0, 20, 64> w(random_values(20 * 64, 4));
    std::vector<float> row(64);
    simd::scale_row(w.view, 17, 3.0f, row.data());
    for (std::size_t i = 0; i < 64; ++i) CHECK(row[i] == w.view.at(17, i) * 3.0f);
}

}  // namespace
}  // namespace carat::test

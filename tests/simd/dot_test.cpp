#include "carat/simd/dot.hpp"

#include "support/random.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <limits>

namespace carat::test {
namespace {

/// Σ |w · x| is what rounding is in proportion to.
struct Sum {
    double value = 0.0, size = 0.0;
};
template <class W, class X>
Sum plain_dot(const W* w, const X* x, std::size_t n) {
    Sum sum;
    for (std::size_t i = 0; i < n; ++i) {
        const double product =
            static_cast<double>(to_f32(w[i])) * static_cast<double>(to_f32(x[i]));
        sum.value += product;
        sum.size += std::abs(product);
    }
    return sum;
}

/// f32 sums of n products are off by a few roundings, more of them the longer the row.
double allowed(const Sum& sum, std::size_t n) {
    return sum.size * 0x1p-24 * (3.0 + static_cast<double>(n) / 8.0);
}

template <class W, class X>
void check_dot() {
    for (const std::size_t n :
         {0u, 1u, 2u, 3u, 7u, 8u, 15u, 16u, 17u, 31u, 32u, 33u, 63u, 65u, 100u, 129u, 1536u, 2047u})
        for (const std::size_t offset : {0u, 1u, 7u}) {
            CAPTURE(n);
            CAPTURE(offset);
            const auto w = Elements<W>::random(n, n + 1, offset);
            const auto x = Elements<X>::random(n, n + 1000, offset == 1 ? 3 : offset);
            const Sum expected = plain_dot(w.data(), x.data(), n);
            const double actual = static_cast<double>(simd::dot(w.data(), x.data(), n));
            CHECK(std::abs(actual - expected.value) <= allowed(expected, n));
        }
}

TEST_CASE("dot agrees with a plain loop for every length and offset: f32") {
    check_dot<float, float>();
}
TEST_CASE("dot agrees with a plain loop for every length and offset: bf16") {
    check_dot<bf16, float>();
}
TEST_CASE("dot agrees with a plain loop for every length and offset: f16") {
    check_dot<f16, float>();
}
TEST_CASE("dot agrees with a plain loop for every length and offset: bf16 by bf16") {
    check_dot<bf16, bf16>();
}

/// One tile shape: every product is dot() of its row and column, bit for bit, and nothing else is
/// written.
template <std::size_t rows, std::size_t columns, class W, class X>
void check_tile(std::size_t k) {
    CAPTURE(rows);
    CAPTURE(columns);
    CAPTURE(k);
    constexpr std::size_t y_stride = rows + 3;
    const std::size_t w_stride = k + 5, x_stride = k + 1;
    const auto w = Elements<W>::random((rows - 1) * w_stride + k, k, 1);
    const auto x = Elements<X>::random((columns - 1) * x_stride + k, k + 7, 3);
    Elements<float> y((columns - 1) * y_stride + rows, 1);
    for (float& v : y) v = -77.0f;
    simd::dot_tile<rows, columns>(w.data(), w_stride, x.data(), x_stride, k, y.data(), y_stride);
    for (std::size_t c = 0; c < columns; ++c)
        for (std::size_t r = 0; r < rows; ++r)
            CHECK(y[c * y_stride + r] ==
                  simd::dot(w.data() + r * w_stride, x.data() + c * x_stride, k));
    for (std::size_t c = 0; c + 1 < columns; ++c)
        for (std::size_t r = rows; r < y_stride; ++r) CHECK(y[c * y_stride + r] == -77.0f);
}

template <class W, class X>
void check_tiles() {
    for (const std::size_t k : {1u, 15u, 16u, 33u, 130u}) {
        check_tile<8, 1, W, X>(k);
        check_tile<6, 4, W, X>(k);
        check_tile<3, 3, W, X>(k);
        check_tile<1, 4, W, X>(k);
        check_tile<2, 5, W, X>(k);
    }
}

TEST_CASE("a product of a tile is that of its row and column alone, bit for bit: f32") {
    check_tiles<float, float>();
}
TEST_CASE("a product of a tile is that of its row and column alone, bit for bit: bf16") {
    check_tiles<bf16, float>();
}
TEST_CASE("a product of a tile is that of its row and column alone, bit for bit: f16") {
    check_tiles<f16, float>();
}
TEST_CASE("a product of a tile is that of its row and column alone, bit for bit: bf16 by bf16") {
    check_tiles<bf16, bf16>();
}

TEST_CASE("an infinity or a NaN in a row reaches its product and no other") {
    constexpr std::size_t k = 37;
    auto w = Elements<bf16>::random(4 * k, 1);
    const auto x = Elements<float>::random(k, 2);
    w[1 * k + 36] = to_bf16(std::numeric_limits<float>::infinity());
    w[2 * k + 3] = to_bf16(std::numeric_limits<float>::quiet_NaN());
    float y[4];
    simd::dot_tile<4, 1>(w.data(), k, x.data(), k, k, y, 4);
    CHECK(std::isfinite(y[0]));
    CHECK(std::isinf(y[1]));
    CHECK(std::isnan(y[2]));
    CHECK(std::isfinite(y[3]));
}

}  // namespace
}  // namespace carat::test

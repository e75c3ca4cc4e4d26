#include "carat/simd/lane_panels.hpp"

#include "support/random.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

namespace carat::test {
namespace {

/// Row-major [lanes, inner] elements as panels.
template <class X>
Elements<X> panels_of(const Elements<X>& w, std::size_t panels, std::size_t inner) {
    Elements<X> out(panels * simd::panel_width * inner, 1);
    for (std::size_t lane = 0; lane < panels * simd::panel_width; ++lane)
        simd::set_lane(out.data(), inner, lane, w.data() + lane * inner);
    return out;
}

template <class X, class W>
void check_product(std::size_t rows, std::size_t panels, std::size_t inner, std::size_t begin,
                   std::size_t end) {
    CAPTURE(rows);
    CAPTURE(panels);
    CAPTURE(inner);
    CAPTURE(begin);
    CAPTURE(end);
    const std::size_t lanes = panels * simd::panel_width, x_stride = inner + 2,
                      y_stride = lanes + 3;
    const auto x = Elements<X>::random(rows * x_stride, 1, 1);
    const auto w = Elements<W>::random(lanes * inner, 2);
    auto packed = panels_of(w, panels, inner);
    Elements<float> y((rows - 1) * y_stride + lanes, 1), one(lanes);
    for (float& v : y) v = -77.0f;
    // What lies outside of [begin, end) must not matter, whatever it is.
    const float nan = std::numeric_limits<float>::quiet_NaN();
    for (std::size_t lane = 0; lane < lanes; ++lane)
        for (std::size_t i = 0; i < inner; ++i)
            if (i < begin || i >= end)
                packed[simd::panel_index<W>(inner, lane, i)] = from_f32<W>(nan);
    for (std::size_t r = 0; r < rows; ++r)
        for (std::size_t i = 0; i < inner; ++i)
            if (i < begin || i >= end) x[r * x_stride + i] = X{};
    simd::panel_product(x.data(), x_stride, rows, packed.data(), inner, panels, begin, end,
                        y.data(), y_stride);
    std::size_t wrong = 0;
    for (std::size_t r = 0; r < rows; ++r) {
        for (std::size_t lane = 0; lane < lanes; ++lane) {
            double sum = 0.0, size = 0.0;
            for (std::size_t i = begin; i < end; ++i) {
                const double product = x.real(r * x_stride + i) * w.real(lane * inner + i);
                sum += product;
                size += std::abs(product);
            }
            const double error = std::abs(y.real(r * y_stride + lane) - sum);
            wrong += error <= size * 0x1p-24 * static_cast<double>(inner + 1) ? 0u : 1u;
        }
        if (r + 1 < rows)
            for (std::size_t i = 0; i < 3; ++i)
                wrong += y[r * y_stride + lanes + i] == -77.0f ? 0u : 1u;
        simd::panel_product(x.data() + r * x_stride, x_stride, 1, packed.data(), inner, panels,
                            begin, end, one.data(), lanes);
        wrong += std::equal(one.begin(), one.end(), y.data() + r * y_stride) ? 0u : 1u;
    }
    CHECK(wrong == 0);
}

template <class X, class W = X>
void check_sizes() {
    for (const std::size_t rows : {1u, 2u, 3u, 8u, 9u, 21u})
        for (const std::size_t panels : {1u, 2u, 3u, 5u, 8u})
            check_product<X, W>(rows, panels, 34, 0, 34);
    for (const std::size_t begin : {0u, 1u, 2u, 7u})
        for (const std::size_t end : {7u, 8u, 9u, 33u, 34u})
            check_product<X, W>(9, 3, 34, begin, end);
}

TEST_CASE("products with panels agree with a plain loop, alone and together: f32") {
    check_sizes<float>();
}
TEST_CASE("products with panels agree with a plain loop, alone and together: fast") {
    check_sizes<simd::FastOperand>();
}

TEST_CASE("products of f32 with panels of bf16 agree with a plain loop, alone and together") {
    check_sizes<float, bf16>();
}
TEST_CASE("panels of bf16 give what they give once they are widened, bit for bit") {
    constexpr std::size_t inner = 34, panels = 3, lanes = panels * simd::panel_width;
    const auto w = panels_of(Elements<bf16>::random(lanes * inner, 2), panels, inner);
    Elements<float> widened(lanes * inner);
    simd::convert_panels(w.data(), lanes * inner, widened.data());
    for (const std::size_t rows : {1u, 2u, 5u, 9u, 17u})
        for (const std::size_t begin : {0u, 3u})
            for (const std::size_t end : {33u, 34u}) {
                const auto x = Elements<float>::random(rows * inner, 1);
                Elements<float> y(rows * lanes), z(rows * lanes);
                simd::panel_product(x.data(), inner, rows, w.data(), inner, panels, begin, end,
                                    y.data(), lanes);
                simd::panel_product(x.data(), inner, rows, widened.data(), inner, panels, begin,
                                    end, z.data(), lanes);
                CHECK(std::equal(y.begin(), y.end(), z.begin()));
            }
}

template <class X>
void check_places() {
    constexpr std::size_t lanes = 32, inner = 6;
    const auto w = Elements<X>::random(lanes * inner, 3);
    const auto by_lane = panels_of(w, 2, inner);
    Elements<X> by_inner(lanes * inner), column(lanes), row(inner);
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < inner; ++i) {
        for (std::size_t lane = 0; lane < lanes; ++lane) column[lane] = w[lane * inner + i];
        simd::set_inner(by_inner.data(), inner, i, column.data(), lanes);
    }
    for (std::size_t i = 0; i < lanes * inner; ++i) wrong += by_lane[i] == by_inner[i] ? 0u : 1u;
    for (std::size_t lane = 0; lane < lanes; ++lane) {
        simd::get_lane(by_lane.data(), inner, lane, row.data());
        wrong += std::equal(row.begin(), row.end(), w.data() + lane * inner) ? 0u : 1u;
    }
    simd::get_inner(by_lane.data(), inner, 5, column.data(), lanes);
    for (std::size_t lane = 0; lane < lanes; ++lane)
        wrong += column[lane] == w[lane * inner + 5] ? 0u : 1u;
    CHECK(wrong == 0);
}
TEST_CASE(
    "panels filled by lanes and by inner elements are the same, and come out as they went in") {
    check_places<float>();
    check_places<bf16>();
}

TEST_CASE("panels keep their meaning from one type to the other") {
    constexpr std::size_t inner = 10, n = 3 * simd::panel_width * inner;
    const auto w = Elements<float>::random(n, 4);
    const auto exact = panels_of(w, 3, inner);
    Elements<bf16> rounded(n);
    Elements<float> again(n);
    simd::convert_panels(exact.data(), n, rounded.data());
    simd::convert_panels(rounded.data(), n, again.data());
    std::size_t wrong = 0;
    for (std::size_t lane = 0; lane < 3 * simd::panel_width; ++lane)
        for (std::size_t i = 0; i < inner; ++i) {
            const bf16 expected = to_bf16(w[lane * inner + i]);
            wrong += rounded[simd::panel_index<bf16>(inner, lane, i)] == expected ? 0u : 1u;
            wrong += again[simd::panel_index<float>(inner, lane, i)] == to_f32(expected) ? 0u : 1u;
        }
    CHECK(wrong == 0);
}

}  // namespace
}  // namespace carat::test

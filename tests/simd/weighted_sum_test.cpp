#include "carat/simd/weighted_sum.hpp"

#include "support/random.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace carat::test {
namespace {

template <class V>
void check_weighted_sum(std::size_t rows, std::size_t n, std::size_t width) {
    CAPTURE(rows);
    CAPTURE(n);
    CAPTURE(width);
    const std::size_t p_stride = n + 2, v_stride = width + 3, out_stride = width + 1;
    const auto p = Elements<float>::random(rows * p_stride, n + 1, 1);
    const auto v = Elements<V>::random(n == 0 ? 0 : (n - 1) * v_stride + width, width, 1);
    const auto before = Elements<float>::random((rows - 1) * out_stride + width, 5);
    Elements<float> out(before.size(), 1), pieces(before.size());
    std::copy(before.begin(), before.end(), out.begin());
    std::copy(before.begin(), before.end(), pieces.begin());
    simd::weighted_sum(p.data(), p_stride, rows, v.data(), v_stride, n, width, out.data(),
                       out_stride);
    std::size_t wrong = 0;
    for (std::size_t r = 0; r < rows; ++r) {
        for (std::size_t i = 0; i < width; ++i) {
            double sum = before.real(r * out_stride + i), size = std::abs(sum);
            for (std::size_t t = 0; t < n; ++t) {
                const double product = p.real(r * p_stride + t) * v.real(t * v_stride + i);
                sum += product;
                size += std::abs(product);
            }
            const double error = std::abs(out.real(r * out_stride + i) - sum);
            wrong += error <= size * 0x1p-24 * static_cast<double>(n + 1) ? 0 : 1;
        }
        if (r + 1 < rows)  // between the rows nothing is written
            wrong += out[r * out_stride + width] == before[r * out_stride + width] ? 0 : 1;
    }
    CHECK(wrong == 0);
    // One row at a time, a few t at a time, and half of the width at a time: the same bits.
    const std::size_t half = width / 2;
    for (std::size_t r = 0; r < rows; ++r)
        for (std::size_t t = 0; t < n; t += 3)
            for (const std::size_t low : {std::size_t{0}, half})
                simd::weighted_sum(p.data() + r * p_stride + t, p_stride, 1,
                                   v.data() + t * v_stride + low, v_stride,
                                   std::min<std::size_t>(3, n - t), low == 0 ? half : width - half,
                                   pieces.data() + r * out_stride + low, out_stride);
    if (half > 0) CHECK(std::equal(out.begin(), out.end(), pieces.begin()));
}

template <class V>
void check_sizes() {
    for (const std::size_t rows : {1u, 3u, 4u, 5u, 9u})
        for (const std::size_t width : {1u, 8u, 16u, 31u, 33u, 64u, 77u})
            check_weighted_sum<V>(rows, 7, width);
    for (const std::size_t n : {0u, 1u, 2u, 100u}) check_weighted_sum<V>(5, n, 40);
}

TEST_CASE("weighted sums agree with a plain loop and do not depend on how they are cut: f32") {
    check_sizes<float>();
}
TEST_CASE("weighted sums agree with a plain loop and do not depend on how they are cut: bf16") {
    check_sizes<bf16>();
}
TEST_CASE("weighted sums agree with a plain loop and do not depend on how they are cut: f16") {
    check_sizes<f16>();
}

TEST_CASE("a weight of zero adds nothing") {
    const auto v = Elements<float>::random(33, 1);
    auto out = Elements<float>::random(33, 2);
    const std::vector<float> before(out.begin(), out.end());
    const float zero = 0.0f;
    simd::weighted_sum(&zero, 1, 1, v.data(), 33, 1, 33, out.data(), 33);
    CHECK(std::equal(out.begin(), out.end(), before.begin()));
}

}  // namespace
}  // namespace carat::test

#include "carat/simd/weighted_sum.hpp"

#include "support/random.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace carat::test {
namespace {

/// As a plain loop has it, and nothing behind it; an element is the same with fewer beside it.
template <class V>
void check_weighted_sum(std::size_t n, std::size_t width) {
    CAPTURE(n);
    CAPTURE(width);
    const std::size_t v_stride = width + 3;
    const auto p = Elements<float>::random(n, n + 1, 1);
    const auto v = Elements<V>::random(n == 0 ? 0 : (n - 1) * v_stride + width, width, 1);
    Elements<float> out(width + 1, 1), half(width + 1);
    out[width] = half[width / 2] = -77.0f;
    simd::weighted_sum(p.data(), v.data(), v_stride, n, width, out.data());
    simd::weighted_sum(p.data(), v.data(), v_stride, n, width / 2, half.data());
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < width; ++i) {
        double sum = 0, size = 0;
        for (std::size_t t = 0; t < n; ++t) {
            const double product = p.real(t) * v.real(t * v_stride + i);
            sum += product;
            size += std::abs(product);
        }
        const double error = std::abs(out.real(i) - sum);
        wrong += error <= size * 0x1p-24 * static_cast<double>(n + 1) ? 0u : 1u;
    }
    CHECK(wrong == 0);
    CHECK(out[width] == -77.0f);
    CHECK(half[width / 2] == -77.0f);
    CHECK(std::equal(half.data(), half.data() + width / 2, out.data()));
}

template <class V>
void check_sizes() {
    for (const std::size_t width : {1u, 8u, 16u, 31u, 33u, 64u, 77u, 128u, 200u})
        check_weighted_sum<V>(7, width);
    for (const std::size_t n : {0u, 1u, 2u, 100u}) check_weighted_sum<V>(n, 40);
}

TEST_CASE("weighted sums agree with a plain loop: f32") { check_sizes<float>(); }
TEST_CASE("weighted sums agree with a plain loop: bf16") { check_sizes<bf16>(); }
TEST_CASE("weighted sums agree with a plain loop: f16") { check_sizes<f16>(); }

}  // namespace
}  // namespace carat::test

#include "carat/simd/norm.hpp"

#include "support/random.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace carat::test {
namespace {

constexpr float eps = 1e-6f;

double plain_inverse_rms(const Elements<float>& x) {
    double squares = 0.0;
    for (std::size_t i = 0; i < x.size(); ++i) squares += x.real(i) * x.real(i);
    return 1.0 / std::sqrt(squares / static_cast<double>(x.size()) + static_cast<double>(eps));
}

TEST_CASE("a norm agrees with its formula for every length, offset and size") {
    for (const std::size_t n : {1u, 2u, 7u, 8u, 15u, 16u, 17u, 63u, 256u, 1536u, 2049u})
        for (const float size : {1e-5f, 1e-3f, 1.0f, 1e6f})  // eps matters to the first two
            for (const std::size_t offset : {0u, 1u, 3u}) {
                CAPTURE(n);
                CAPTURE(size);
                const auto x = Elements<float>::random(n, n, offset, size);
                const auto weight = Elements<float>::random(n, n + 1, 1);
                const double scale = plain_inverse_rms(x);
                Elements<float> weighted(n, 1), plain(n);
                simd::rms_norm(x.data(), weight.data(), n, eps, weighted.data());
                simd::rms_norm(x.data(), n, eps, plain.data());
                for (std::size_t i = 0; i < n; ++i) {
                    const double y = x.real(i) * scale;
                    CHECK(std::abs(plain.real(i) - y) <= 4e-7 * std::abs(y));
                    CHECK(std::abs(weighted.real(i) - y * weight.real(i)) <=
                          5e-7 * std::abs(y * weight.real(i)));
                }
            }
}

TEST_CASE("the worked example of spec/text.md section 2") {
    const float x[] = {1.0f, -2.0f, 3.0f, -4.0f};
    float y[4];
    simd::rms_norm(x, 4, eps, y);
    const double expected[] = {0.365148, -0.730297, 1.095445, -1.460593};
    for (std::size_t i = 0; i < 4; ++i)
        CHECK(std::abs(static_cast<double>(y[i]) - expected[i]) < 6e-7);
}

TEST_CASE("a weight is plain: one of zeros gives zeros, one of ones changes nothing") {
    const auto x = Elements<float>::random(37, 1);
    const std::vector<float> zeros(37, 0.0f), ones(37, 1.0f);
    std::vector<float> plain(37), with_ones(37), with_zeros(37);
    simd::rms_norm(x.data(), 37, eps, plain.data());
    simd::rms_norm(x.data(), ones.data(), 37, eps, with_ones.data());
    simd::rms_norm(x.data(), zeros.data(), 37, eps, with_zeros.data());
    CHECK(with_ones == plain);
    CHECK(std::count(with_zeros.begin(), with_zeros.end(), 0.0f) == 37);
}

TEST_CASE("eps is inside the root, so that a row of zeros stays zero and a tiny one finite") {
    std::vector<float> x(19, 0.0f);
    simd::rms_norm(x.data(), x.size(), eps, x.data());
    for (const float v : x) CHECK(v == 0.0f);
    std::fill(x.begin(), x.end(), 1e-3f);  // a mean square of just eps
    simd::rms_norm(x.data(), x.size(), eps, x.data());
    for (const float v : x) CHECK(v == doctest::Approx(std::sqrt(0.5)).epsilon(1e-6));
}

TEST_CASE("a norm may be written over its input") {
    const auto weight = Elements<float>::random(45, 2);
    auto x = Elements<float>::random(45, 1);
    std::vector<float> apart(45);
    simd::rms_norm(x.data(), weight.data(), 45, eps, apart.data());
    simd::rms_norm(x.data(), weight.data(), 45, eps, x.data());
    CHECK(std::equal(x.begin(), x.end(), apart.begin()));
}

}  // namespace
}  // namespace carat::test

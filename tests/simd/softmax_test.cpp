#include "carat/simd/softmax.hpp"

#include "support/random.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>
#include <vector>

namespace carat::test {
namespace {

constexpr float lowest = -std::numeric_limits<float>::infinity();

void check_softmax(const Elements<float>& x) {
    double top = -HUGE_VAL, sum = 0.0;
    for (const float v : x) top = std::max(top, static_cast<double>(v));
    for (const float v : x) sum += std::exp(static_cast<double>(v) - top);
    const Elements<float> p(x.size(), 1);
    std::copy(x.begin(), x.end(), p.begin());
    simd::softmax(p.data(), p.size());
    for (std::size_t i = 0; i < x.size(); ++i) {
        const double expected = std::exp(x.real(i) - top) / sum;
        // The difference to the largest is rounded once, and that is the exponent.
        const double allowed = expected * (1e-6 + 0x1p-24 * (top - x.real(i)));
        CHECK(std::abs(p.real(i) - expected) <= (expected > 0.0 ? allowed + 1e-37 : 0.0));
    }
    CHECK(std::accumulate(p.begin(), p.end(), 0.0) == doctest::Approx(1.0).epsilon(1e-6));
}

TEST_CASE("a softmax agrees with its formula for every length, offset and size") {
    for (const std::size_t n : {1u, 2u, 7u, 8u, 15u, 16u, 17u, 31u, 33u, 512u, 1001u})
        for (const float size : {0.1f, 5.0f, 60.0f})
            for (const std::size_t offset : {0u, 1u}) {
                CAPTURE(n);
                CAPTURE(size);
                check_softmax(Elements<float>::random(n, n, offset, size));
            }
}

TEST_CASE("elements of minus infinity get exactly zero, wherever they are") {
    for (const std::size_t at : {0u, 3u, 15u, 16u, 36u}) {
        CAPTURE(at);
        auto x = Elements<float>::random(37, 1);
        x[at] = lowest;
        check_softmax(x);
        simd::softmax(x.data(), x.size());
        CHECK(x[at] == 0.0f);
    }
}

TEST_CASE("a row of nothing but minus infinity becomes zeros, and an empty one stays empty") {
    for (const std::size_t n : {1u, 5u, 16u, 33u}) {
        std::vector<float> x(n, lowest);
        simd::softmax(x.data(), n);
        CHECK(std::count(x.begin(), x.end(), 0.0f) == static_cast<std::ptrdiff_t>(n));
    }
    float x = 3.0f;
    simd::softmax(&x, 0);
    CHECK(x == 3.0f);
}

TEST_CASE("one element alone has probability 1, however large or small") {
    for (const float v : {0.0f, -1e30f, 1e30f, std::numeric_limits<float>::lowest(),
                          std::numeric_limits<float>::max()}) {
        float x = v;
        simd::softmax(&x, 1);
        CHECK(x == 1.0f);
    }
}

TEST_CASE("large logits do not overflow, and equal ones share") {
    std::vector<float> x(20, -1e4f);
    x[4] = x[18] = 1e4f;
    simd::softmax(x.data(), x.size());
    CHECK(x[4] == 0.5f);
    CHECK(x[18] == 0.5f);
    CHECK(std::accumulate(x.begin(), x.end(), 0.0f) == 1.0f);
}

TEST_CASE("a NaN does not pass for a distribution") {
    for (const std::size_t at : {0u, 5u, 32u}) {
        CAPTURE(at);
        auto x = Elements<float>::random(33, 1);
        x[at] = std::numeric_limits<float>::quiet_NaN();
        simd::softmax(x.data(), x.size());
        CHECK(std::isnan(x[at]));
        CHECK(std::isnan(x[1]));
    }
}

TEST_CASE("a NaN among elements that are masked away is not masked away") {
    for (const std::size_t n : {1u, 8u, 9u, 16u, 17u, 32u, 33u, 64u, 150u})
        for (const std::size_t at : {std::size_t{0}, n / 2, n - 1}) {
            CAPTURE(n);
            CAPTURE(at);
            std::vector<float> x(n, lowest);
            x[at] = std::numeric_limits<float>::quiet_NaN();
            CHECK(std::isnan(simd::max_of(x.data(), n)));
            simd::softmax(x.data(), n);
            CHECK(std::isnan(x[at]));
        }
}

TEST_CASE("the largest element of a row is found at every place") {
    for (const std::size_t n : {1u, 9u, 16u, 35u, 64u, 150u})
        for (std::size_t at = 0; at < n; ++at) {
            const Elements<float> x(n, 1);
            std::fill(x.begin(), x.end(), -5.0f);
            x[at] = -4.0f;
            CHECK(simd::max_of(x.data(), n) == -4.0f);
        }
    CHECK(simd::max_of(nullptr, 0) == lowest);
}

TEST_CASE("rounded exponentials are their formula's to half a step of bf16, for every length") {
    for (const std::size_t n : {0u, 1u, 7u, 16u, 17u, 33u, 512u})
        for (const float size : {0.1f, 5.0f, 60.0f, 200.0f}) {
            CAPTURE(n);
            CAPTURE(size);
            const auto x = Elements<float>::random(n, n, 1, size);
            const float top = simd::max_of(x.data(), n);
            const Elements<bf16> out(n, 1);
            const float sum = simd::exp_below(x.data(), n, top, out.data());
            double expected_sum = 0.0;
            for (std::size_t i = 0; i < n; ++i) {
                const double expected = std::exp(x.real(i) - static_cast<double>(top));
                // Half a step, what the polynomial costs, and one rounding in the exponent; the
                // smallest numbers are zero.
                const double allowed =
                    expected * (0x1p-8 + 1.1e-4 + 0x1p-23 * (static_cast<double>(top) - x.real(i)));
                CHECK(std::abs(out.real(i) - expected) <= allowed + 2.4e-38);
                expected_sum += expected;
            }
            CHECK(std::abs(static_cast<double>(sum) - expected_sum) <= 1.3e-4 * expected_sum);
        }
}

TEST_CASE("a rounded exponential of the largest score is one, and of all that are as large") {
    for (const float top : {0.0f, 1.0f, -37.7f, 1e4f})
        for (const std::size_t n : {1u, 16u, 37u}) {
            const std::vector<float> x(n, top);
            const Elements<bf16> out(n);
            CHECK(simd::exp_below(x.data(), n, top, out.data()) == static_cast<float>(n));
            for (std::size_t i = 0; i < n; ++i) CHECK(to_f32(out[i]) == 1.0f);
        }
}

TEST_CASE("hidden scores around others leave the sum of rounded exponentials the same bits") {
    const auto x = Elements<float>::random(48, 3, 1, 5.0f);
    Elements<bf16> out(200);
    const float expected = simd::exp_below(x.data(), 48, 5.0f, out.data());
    for (std::size_t before = 0; before <= 96; before += 16)
        for (const std::size_t behind : {0u, 16u, 32u, 48u}) {
            std::vector<float> around(before + 48 + behind, lowest);
            std::copy(x.begin(), x.end(), around.begin() + static_cast<std::ptrdiff_t>(before));
            CHECK(simd::exp_below(around.data(), around.size(), 5.0f, out.data()) == expected);
        }
}

TEST_CASE("rounded exponentials keep zeros and NaN, wherever they are") {
    constexpr float nan = std::numeric_limits<float>::quiet_NaN();
    for (std::size_t at = 0; at < 37; ++at) {
        auto x = Elements<float>::random(37, 1);
        const Elements<bf16> out(37);
        x[at] = lowest;
        const float sum = simd::exp_below(x.data(), 37, 1.0f, out.data());
        CHECK(out[at] == bf16{});
        CHECK(sum > 0.0f);
        x[at] = nan;
        CHECK(std::isnan(simd::exp_below(x.data(), 37, 1.0f, out.data())));
        CHECK(std::isnan(to_f32(out[at])));
        CHECK(std::isnan(simd::exp_below(x.data(), 37, nan, out.data())));
    }
}

TEST_CASE("parts merged in order are the softmax of the whole, and empty parts change nothing") {
    constexpr std::size_t n = 70, width = 19;
    const auto z = Elements<float>::random(n, 5, 1, 20.0f);
    const auto v = Elements<float>::random(n * width, 6);
    std::vector<double> expected(width);
    double sum = 0.0;
    for (std::size_t i = 0; i < n; ++i) sum += std::exp(z.real(i));
    for (std::size_t i = 0; i < n; ++i)
        for (std::size_t d = 0; d < width; ++d)
            expected[d] += std::exp(z.real(i)) / sum * v.real(i * width + d);
    Elements<float> mixed(width, 1), part(width), out(width, 1);
    simd::SoftmaxPart total;
    std::fill(mixed.begin(), mixed.end(), std::numeric_limits<float>::quiet_NaN());
    const std::vector<std::size_t> ends{0, 0, 32, 32, 33, 64, n, n};
    for (std::size_t i = 1; i < ends.size(); ++i) {
        const std::size_t begin = ends[i - 1], end = ends[i];
        Elements<float> p(end - begin);
        std::copy(z.begin() + begin, z.begin() + end, p.begin());
        simd::SoftmaxPart seen;
        seen.top = simd::max_of(p.data(), p.size());
        seen.sum = simd::exp_below(p.data(), p.size(), seen.top, p.data());
        for (std::size_t d = 0; d < width; ++d) {
            part[d] = 0.0f;
            for (std::size_t key = begin; key < end; ++key)
                part[d] += p[key - begin] * v[key * width + d];
        }
        simd::merge(total, mixed.data(), seen, part.data(), width);
    }
    simd::finish(total, mixed.data(), width, out.data());
    for (std::size_t d = 0; d < width; ++d) CHECK(std::abs(out.real(d) - expected[d]) < 1e-5);
    simd::finish({}, mixed.data(), width, out.data());
    CHECK(std::count(out.begin(), out.end(), 0.0f) == width);
}

}  // namespace
}  // namespace carat::test

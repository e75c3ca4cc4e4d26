#include "carat/simd/add.hpp"

#include "support/random.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <vector>

namespace carat::test {
namespace {

TEST_CASE("additions and products are one f32 operation an element, and touch n of them") {
    for (std::size_t n = 0; n < 40; ++n) {
        CAPTURE(n);
        const auto y = Elements<float>::random(n, n + 1, 1);
        const auto before = Elements<float>::random(n + 1, n + 2);
        auto sum = Elements<float>::random(n + 1, n + 2),
             scaled = Elements<float>::random(n + 1, n + 2),
             product = Elements<float>::random(n + 1, n + 2);
        simd::add(sum.data(), y.data(), n);
        simd::scale(scaled.data(), 1.3f, n);
        simd::multiply(product.data(), y.data(), n);
        for (std::size_t i = 0; i < n; ++i) {
            CHECK(sum[i] == before[i] + y[i]);
            CHECK(scaled[i] == before[i] * 1.3f);
            CHECK(product[i] == before[i] * y[i]);
        }
        CHECK(sum[n] == before[n]);
        CHECK(scaled[n] == before[n]);
        CHECK(product[n] == before[n]);
    }
}

TEST_CASE("add_product is a product and an addition, rounded once or twice") {
    for (std::size_t n = 0; n < 40; ++n) {
        CAPTURE(n);
        const auto a = Elements<float>::random(n, n + 1, 1), b = Elements<float>::random(n, n + 2);
        const auto before = Elements<float>::random(n + 1, n + 3);
        auto sum = Elements<float>::random(n + 1, n + 3);
        simd::add_product(sum.data(), a.data(), b.data(), n);
        for (std::size_t i = 0; i < n; ++i) {
            const double exact = double{a[i]} * double{b[i]} + double{before[i]};
            const double rounded = std::fabs(double{a[i]} * double{b[i]}) + std::fabs(exact);
            CHECK(std::fabs(double{sum[i]} - exact) <= rounded * 0x1p-24);
        }
        CHECK(sum[n] == before[n]);
    }
}

}  // namespace
}  // namespace carat::test

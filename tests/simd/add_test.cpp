#include "carat/simd/add.hpp"

#include "support/random.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <vector>

namespace carat::test {
namespace {

TEST_CASE("add and scale are one f32 operation an element, and touch n of them") {
    for (std::size_t n = 0; n < 40; ++n) {
        CAPTURE(n);
        const auto y = Elements<float>::random(n, n + 1, 1);
        const auto before = Elements<float>::random(n + 1, n + 2);
        auto sum = Elements<float>::random(n + 1, n + 2),
             product = Elements<float>::random(n + 1, n + 2);
        simd::add(sum.data(), y.data(), n);
        simd::scale(product.data(), 1.3f, n);
        for (std::size_t i = 0; i < n; ++i) {
            CHECK(sum[i] == before[i] + y[i]);
            CHECK(product[i] == before[i] * 1.3f);
        }
        CHECK(sum[n] == before[n]);
        CHECK(product[n] == before[n]);
    }
}

}  // namespace
}  // namespace carat::test

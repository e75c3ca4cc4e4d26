#include "carat/simd/select.hpp"

#include "support/random.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <limits>

namespace carat::test {
namespace {

TEST_CASE("numbers are copied as they are, and NaN as less than any") {
    constexpr float nan = std::numeric_limits<float>::quiet_NaN();
    for (const std::size_t n : {0u, 1u, 15u, 16u, 33u, 100u})
        for (std::size_t at = 0; at < n; ++at) {
            const auto x = Elements<float>::random(n, n, 1);
            x[at] = nan;
            const Elements<float> out(n, 1);
            simd::copy_numbers(x.data(), n, out.data());
            std::size_t wrong = 0;
            for (std::size_t i = 0; i < n; ++i)
                wrong +=
                    out[i] == (i == at ? -std::numeric_limits<float>::infinity() : x[i]) ? 0u : 1u;
            CHECK(wrong == 0);
        }
}

TEST_CASE("the first element that is large enough is found from every start") {
    for (const std::size_t n : {1u, 16u, 63u, 64u, 65u, 200u}) {
        const auto x = Elements<float>::random(n, n, 1);
        std::size_t wrong = 0;
        for (std::size_t begin = 0; begin <= n; ++begin)
            for (const float least : {-2.0f, 0.0f, 0.9f, x[n / 2], 2.0f}) {
                std::size_t expected = begin;
                while (expected < n && x[expected] < least) ++expected;
                wrong += simd::find_at_least(x.data(), begin, n, least) == expected ? 0u : 1u;
            }
        CHECK(wrong == 0);
    }
}

}  // namespace
}  // namespace carat::test

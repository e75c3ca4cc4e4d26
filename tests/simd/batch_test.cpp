#include "carat/simd/batch.hpp"

#include "support/random.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <limits>
#include <utility>
#include <vector>

namespace carat::test {
namespace {

constexpr std::size_t lanes = simd::Batch::size;

TEST_CASE("batches cover a row once, in order, and only the last may be short") {
    for (std::size_t n = 0; n < 3 * lanes + 2; ++n) {
        CAPTURE(n);
        std::size_t next = 0;
        simd::for_each_batch(n, [&](std::size_t i, std::size_t m) {
            CHECK(i == next);
            CHECK(m > 0);
            CHECK(m == std::min(lanes, n - i));
            next = i + m;
        });
        CHECK(next == n);
    }
}

TEST_CASE("a short load pads and reads nothing more; a short store writes nothing more") {
    for (std::size_t n = 0; n <= lanes; ++n) {
        CAPTURE(n);
        const auto x = Elements<float>::random(n, n + 1, 1);
        std::vector<float> all(lanes), part(lanes, -77.0f);
        simd::store(all.data(), lanes, simd::load(x.data(), n, 5.0f));
        simd::store(part.data(), n, simd::load(x.data(), n));
        for (std::size_t i = 0; i < lanes; ++i) {
            CHECK(all[i] == (i < n ? x[i] : 5.0f));
            CHECK(part[i] == (i < n ? x[i] : -77.0f));
        }
    }
}

TEST_CASE("the sum and the maximum are those of all lanes") {
    for (std::size_t at = 0; at < lanes; ++at) {
        CAPTURE(at);
        std::vector<float> x(lanes, -3.0f);
        x[at] = 4.0f;
        CHECK(simd::sum_of(simd::load(x.data(), lanes)) ==
              4.0f - 3.0f * static_cast<float>(lanes - 1));
        CHECK(simd::max_of(simd::load(x.data(), lanes)) == 4.0f);
        x[at] = -std::numeric_limits<float>::infinity();
        CHECK(simd::max_of(simd::load(x.data(), lanes)) == -3.0f);
    }
}

}  // namespace
}  // namespace carat::test

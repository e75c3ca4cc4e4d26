#include "carat/simd/map.hpp"

#include "support/random.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <vector>

namespace carat::test {
namespace {

struct Twice {
    template <class V>
    V operator()(V x) const {
        return x + x;
    }
};
struct OnlyFloats {
    float operator()(float x) const { return x; }
};
static_assert(simd::Pointwise<Twice>);
static_assert(!simd::Pointwise<OnlyFloats>, "an activation works on batches, or is none");

TEST_CASE("map calls its function on every element and writes nothing else") {
    for (std::size_t n = 0; n < 40; ++n)
        for (const std::size_t offset : {0u, 1u}) {
            CAPTURE(n);
            const auto a = Elements<float>::random(n, n, offset);
            const auto b = Elements<float>::random(n, n + 9, 3);
            std::vector<float> out(n + 2, -77.0f), both(n + 2, -77.0f);
            simd::map(a.data(), n, out.data() + 1, Twice{});
            simd::map(a.data(), b.data(), n, both.data() + 1, [](auto x, auto y) { return x - y; });
            for (std::size_t i = 0; i < n; ++i) {
                CHECK(out[i + 1] == 2.0f * a[i]);
                CHECK(both[i + 1] == a[i] - b[i]);
            }
            for (const std::size_t i : {std::size_t{0}, n + 1}) {
                CHECK(out[i] == -77.0f);
                CHECK(both[i] == -77.0f);
            }
        }
}

TEST_CASE("map may write over what it reads") {
    for (const std::size_t n : {1u, 8u, 19u, 33u}) {
        CAPTURE(n);
        const auto a = Elements<float>::random(n, 1), b = Elements<float>::random(n, 2);
        auto x = Elements<float>::random(n, 1);
        simd::map(x.data(), n, x.data(), Twice{});
        auto y = Elements<float>::random(n, 2);
        simd::map(a.data(), y.data(), n, y.data(), [](auto p, auto q) { return p * q; });
        for (std::size_t i = 0; i < n; ++i) {
            CHECK(x[i] == 2.0f * a[i]);
            CHECK(y[i] == a[i] * b[i]);
        }
    }
}

}  // namespace
}  // namespace carat::test

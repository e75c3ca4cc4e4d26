#include "carat/simd/rope.hpp"

#include "support/random.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <vector>

namespace carat::test {
namespace {

TEST_CASE("pairs lie half a head apart, and what is beyond them stays bit for bit") {
    for (const std::size_t half : {1u, 3u, 8u, 16u, 17u, 32u, 64u})
        for (const std::size_t pairs : {std::size_t{0}, half / 2, half}) {
            CAPTURE(half);
            CAPTURE(pairs);
            const auto before = Elements<float>::random(2 * half, half, 1);
            auto x = Elements<float>::random(2 * half, half, 1);
            const auto cos = Elements<float>::random(pairs, 2, 1),
                       sin = Elements<float>::random(pairs, 3);
            simd::rope(x.data(), 2 * half, cos.data(), sin.data(), pairs);
            for (std::size_t i = 0; i < half; ++i) {
                const double a = before.real(i), b = before.real(i + half);
                if (i >= pairs) {
                    CHECK(x[i] == before[i]);
                    CHECK(x[i + half] == before[i + half]);
                    continue;
                }
                CHECK(std::abs(x.real(i) - (a * cos.real(i) - b * sin.real(i))) < 2e-7);
                CHECK(std::abs(x.real(i + half) - (b * cos.real(i) + a * sin.real(i))) < 2e-7);
            }
        }
}

TEST_CASE("an angle of zero changes nothing, a right angle swaps the halves") {
    const auto before = Elements<float>::random(34, 1);
    auto x = Elements<float>::random(34, 1);
    const std::vector<float> ones(17, 1.0f), zeros(17, 0.0f);
    simd::rope(x.data(), 34, ones.data(), zeros.data(), 17);
    for (std::size_t i = 0; i < 34; ++i) CHECK(x[i] == before[i]);
    simd::rope(x.data(), 34, zeros.data(), ones.data(), 17);
    for (std::size_t i = 0; i < 17; ++i) {
        CHECK(x[i] == -before[i + 17]);
        CHECK(x[i + 17] == before[i]);
    }
}

}  // namespace
}  // namespace carat::test

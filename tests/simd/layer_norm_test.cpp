#include "carat/simd/layer_norm.hpp"

#include "support/random.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>

namespace carat::test {
namespace {

TEST_CASE("a layer norm agrees with its formula for every length and offset, far from zero too") {
    constexpr float eps = 1e-6f;
    for (std::size_t n = 1; n <= 40; ++n)
        for (const float centre : {0.0f, 100.0f})
            for (const std::size_t offset : {0u, 1u, 3u}) {
                CAPTURE(n);
                CAPTURE(centre);
                auto x = Elements<float>::random(n, n, offset);
                const auto weight = Elements<float>::random(n, n + 1, 1);
                double mean = 0.0, squares = 0.0;
                for (float& v : x) v += centre;
                for (std::size_t i = 0; i < n; ++i) mean += x.real(i) / static_cast<double>(n);
                for (std::size_t i = 0; i < n; ++i)
                    squares += (x.real(i) - mean) * (x.real(i) - mean);
                const double scale =
                    1.0 / std::sqrt(squares / static_cast<double>(n) + static_cast<double>(eps));
                Elements<float> y(n, 1);
                simd::layer_norm(x.data(), weight.data(), n, eps, y.data());
                // The mean is rounded, which 1 / deviation makes larger.
                const double noise = (static_cast<double>(centre) + 1.0) * 3e-7 * scale + 1e-6;
                for (std::size_t i = 0; i < n; ++i)
                    CHECK(std::abs(y.real(i) - (x.real(i) - mean) * scale * weight.real(i)) <=
                          noise);
                simd::layer_norm(x.data(), weight.data(), n, eps, x.data());  // in place
                for (std::size_t i = 0; i < n; ++i) CHECK(x[i] == y[i]);
            }
}

}  // namespace
}  // namespace carat::test

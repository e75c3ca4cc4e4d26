#include "carat/simd/activation.hpp"

#include "support/random.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

namespace carat::test {
namespace {

static_assert(simd::Pointwise<simd::GeluTanh> && simd::Pointwise<simd::Gelu> &&
              simd::Pointwise<simd::Silu> && simd::Pointwise<simd::Relu>);
static_assert(std::is_same_v<simd::ActivationFor<Activation::gelu_tanh>, simd::GeluTanh>);
static_assert(std::is_same_v<simd::ActivationFor<Activation::gelu>, simd::Gelu>);
static_assert(std::is_same_v<simd::ActivationFor<Activation::silu>, simd::Silu>);
static_assert(std::is_same_v<simd::ActivationFor<Activation::relu>, simd::Relu>);

double gelu_tanh(double x) {
    return 0.5 * x * (1.0 + std::tanh(std::sqrt(2.0 / M_PI) * (x + 0.044715 * x * x * x)));
}
double gelu(double x) { return 0.5 * x * (1.0 + std::erf(x / std::sqrt(2.0))); }
double silu(double x) { return x / (1.0 + std::exp(-x)); }
double relu(double x) { return x > 0.0 ? x : 0.0; }

/// Values of both signs and all sizes, through the functor as batches and as single floats.
template <class Act>
void check_activation(double (*expected)(double)) {
    std::vector<float> x{0.0f, -0.0f};
    for (float size = 1e-38f; size < 3e38f; size *= 1.21f) {
        x.push_back(size);
        x.push_back(-size);
    }
    for (int i = -400; i <= 400; ++i) x.push_back(static_cast<float>(i) / 32.0f);
    std::vector<float> y(x.size());
    simd::map(x.data(), x.size(), y.data(), Act{});
    for (std::size_t i = 0; i < x.size(); ++i) {
        CAPTURE(x[i]);
        const double exact = expected(static_cast<double>(x[i]));
        // 1 + erf cancels where x is negative: what is left of it is off by an ulp of 1.
        const double allowed =
            4e-7 * std::abs(exact) + 1.2e-7 * std::min(10.0, std::abs(static_cast<double>(x[i])));
        CHECK(std::abs(static_cast<double>(y[i]) - exact) <= allowed);
        CHECK(std::abs(static_cast<double>(Act{}(x[i])) - exact) <= allowed);
    }
}

TEST_CASE("gelu_tanh is its formula at every size") { check_activation<simd::GeluTanh>(gelu_tanh); }
TEST_CASE("gelu is its formula at every size") { check_activation<simd::Gelu>(gelu); }
TEST_CASE("silu is its formula at every size") { check_activation<simd::Silu>(silu); }
TEST_CASE("relu is its formula at every size") { check_activation<simd::Relu>(relu); }

TEST_CASE("gelu_tanh has the values of spec/text.md section 10") {
    const float x[] = {-1.0f, 0.5f, 1.0f, 2.0f};
    float y[4];
    simd::map(x, 4, y, simd::GeluTanh{});
    const double expected[] = {-0.158808, 0.345714, 0.841192, 1.954598};
    for (std::size_t i = 0; i < 4; ++i)
        CHECK(std::abs(static_cast<double>(y[i]) - expected[i]) < 6e-7);
}

/// A batch whose first lanes hold what must not become NaN.
template <class Act>
void check_extremes() {
    constexpr float most = std::numeric_limits<float>::max();
    constexpr float infinity = std::numeric_limits<float>::infinity();
    const float x[] = {1e4f, most, infinity, -1e4f, -1e13f, -most};
    float y[6];
    simd::map(x, 6, y, Act{});
    CHECK(y[0] == 1e4f);
    CHECK(y[1] == most);
    CHECK(y[2] == infinity);
    CHECK(y[3] == 0.0f);
    CHECK(y[4] == 0.0f);
    CHECK(y[5] == 0.0f);
}

// At -infinity the formulas of gelu, gelu_tanh and silu are 0 · infinity, or infinity / infinity: a
// NaN in the reference as here. Only finite values and +infinity are promised.
TEST_CASE("no activation makes a NaN of a huge number or of infinity") {
    check_extremes<simd::GeluTanh>();
    check_extremes<simd::Gelu>();
    check_extremes<simd::Silu>();
    check_extremes<simd::Relu>();
}

TEST_CASE("a NaN stays one through every activation") {
    const float nan = std::numeric_limits<float>::quiet_NaN();
    const auto of = [nan](auto act) {
        float y = 0.0f;
        simd::map(&nan, 1, &y, act);
        return y;
    };
    CHECK(std::isnan(of(simd::GeluTanh{})));
    CHECK(std::isnan(of(simd::Gelu{})));
    CHECK(std::isnan(of(simd::Silu{})));
    CHECK(std::isnan(of(simd::Relu{})));
}

template <class Act>
void check_place() {
    const auto x = Elements<float>::random(67, 3, 1, 6.0f);
    std::vector<float> whole(x.size());
    simd::map(x.data(), x.size(), whole.data(), Act{});
    for (std::size_t i = 0; i < x.size(); ++i) {
        float alone = 0.0f;
        simd::map(&x[i], 1, &alone, Act{});
        CHECK(alone == whole[i]);
    }
}

TEST_CASE("an element's activation does not depend on its place in the row") {
    check_place<simd::GeluTanh>();
    check_place<simd::Gelu>();
    check_place<simd::Silu>();
    check_place<simd::Relu>();
}

}  // namespace
}  // namespace carat::test

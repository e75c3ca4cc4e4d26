#include "carat/nn/rotary_embedding.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <vector>

namespace carat::test {
namespace {

void check(const std::array<float, 8>& actual, std::initializer_list<double> expected) {
    std::size_t i = 0;
    for (const double e : expected) {
        CAPTURE(i);
        CHECK(std::abs(static_cast<double>(actual[i++]) - e) < 1.5e-6);
    }
}

/// x = [1 … 8] at position 3, with a theta of 100 and so many pairs.
template <std::size_t pairs>
std::array<float, 8> turned() {
    std::array<float, pairs> cos{}, sin{};
    const nn::RotaryEmbedding<8, pairs> rotary{Rows<float, pairs>(cos.data(), 1u),
                                               Rows<float, pairs>(sin.data(), 1u)};
    const std::int32_t position = 3;
    rotary.set({.theta = 100.0}, std::span(&position, 1));
    std::array<float, 8> x{1, 2, 3, 4, 5, 6, 7, 8};
    rotary.turn(0, x.data());
    return x;
}

TEST_CASE("the worked example of spec/text.md section 7") {
    check(turned<4>(),
          {-1.695593, -3.710386, 0.797368, 3.224205, -4.808842, 5.121819, 7.573916, 8.342931});
    check(turned<2>(), {-1.695593, -3.710386, 3, 4, -4.808842, 5.121819, 7, 8});
}

TEST_CASE("inverse frequencies are those of the table, exponents over the whole head") {
    const RopeParameters sliding{.theta = 1e4}, full{.theta = 1e6};
    const auto near = [](float actual, double expected) {
        CHECK(std::abs(static_cast<double>(actual) - expected) <= 6e-8 * expected + 5e-10);
    };
    CHECK(nn::inverse_frequency(sliding, 256, 0) == 1.0f);
    near(nn::inverse_frequency(sliding, 256, 1), 0.930572041);
    near(nn::inverse_frequency(sliding, 256, 63), 0.010746078);
    near(nn::inverse_frequency(sliding, 256, 64), 0.01);
    near(nn::inverse_frequency(sliding, 256, 127), 0.000107460783);
    CHECK(nn::inverse_frequency(full, 512, 0) == 1.0f);
    near(nn::inverse_frequency(full, 512, 1), 0.947463526);
    near(nn::inverse_frequency(full, 512, 31), 0.187688429);
    near(nn::inverse_frequency(full, 512, 63), 0.033376247);
    near(nn::inverse_frequency({.theta = 1e4, .factor = 8.0}, 256, 64), 0.00125);
}

TEST_CASE("an angle is one f32 product, also at far positions") {
    constexpr std::size_t pairs = 64;
    std::vector<float> cos(3 * pairs), sin(3 * pairs);
    const nn::RotaryEmbedding<512, pairs> rotary{Rows<float, pairs>(cos.data(), 3u),
                                                 Rows<float, pairs>(sin.data(), 3u)};
    const std::array<std::int32_t, 3> positions{0, 100003, 262143};
    const RopeParameters rope{.theta = 1e6};
    rotary.set(rope, positions);
    for (std::size_t t = 0; t < 3; ++t)
        for (std::size_t i = 0; i < pairs; ++i) {
            const float angle =
                static_cast<float>(positions[t]) * nn::inverse_frequency(rope, 512, i);
            CHECK(std::abs(static_cast<double>(rotary.cos(t, i)) -
                           std::cos(static_cast<double>(angle))) < 6e-8);
            CHECK(std::abs(static_cast<double>(rotary.sin(t, i)) -
                           std::sin(static_cast<double>(angle))) < 6e-8);
        }
    const auto last = rotary.from(2, 1);
    CHECK(last.cos(0, 5) == rotary.cos(2, 5));
    CHECK(last.sin(0, 5) == rotary.sin(2, 5));
}

TEST_CASE("a head of which nothing rotates stays as it is") {
    const nn::RotaryEmbedding<4, 0> none{};
    float x[4] = {1, 2, 3, 4};
    none.turn(0, x);
    CHECK(x[0] == 1.0f);
    CHECK(x[3] == 4.0f);
}

}  // namespace
}  // namespace carat::test

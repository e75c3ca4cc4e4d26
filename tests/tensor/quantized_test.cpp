#include "carat/tensor/quantized.hpp"

#include "carat/tensor/matrix.hpp"
#include "support/random.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace carat::test {
namespace {

static_assert(std::is_same_v<Matrix<bf16, 4, 8>, View<const bf16, 4, 8>>);
static_assert(sizeof(Panel<q8_0, 64>) == 16 * 64 + 16 * 2 * 2);
static_assert(sizeof(Panel<q4_0, 64>) == 16 * 32 + 16 * 2 * 2);

std::array<float, quant_block> ramp() {
    std::array<float, quant_block> x;
    for (std::size_t i = 0; i < quant_block; ++i) x[i] = static_cast<float>(i) - 20.0f;
    return x;
}

TEST_CASE("q8_0: the scale is the largest magnitude over 127, levels are the nearest") {
    const auto x = ramp();
    const auto b = QuantBlock<q8_0>::quantize(x.data());
    CHECK(b.scale == to_f16(20.0f / 127.0f));
    CHECK(b.level(0) == -127);
    CHECK(b.level(20) == 0);
    for (std::size_t i = 0; i < quant_block; ++i)
        CHECK(b.level(i) == static_cast<int>(std::lround(x[i] * 127.0f / 20.0f)));
}
TEST_CASE("q4_0: the value of largest magnitude is level -8, low nibbles are the first half") {
    const auto x = ramp();
    const auto b = QuantBlock<q4_0>::quantize(x.data());
    CHECK(b.scale == to_f16(20.0f / 8.0f));
    CHECK(b.level(0) == -8);
    CHECK((b.q[0] & 15) == 0);
    CHECK((b.q[0] >> 4) == static_cast<int>(x[16] / 2.5f + 8.5f));
    for (std::size_t i = 0; i < quant_block; ++i) {
        CHECK(b.level(i) >= -8);
        CHECK(b.level(i) <= 7);
        CHECK(std::abs(static_cast<float>(b.level(i)) * 2.5f - x[i]) <= 1.26f);
    }
}
TEST_CASE("q4_0: a level is a rounded product and a rounded sum, whatever the machine can fuse") {
    Random random(7);
    for (std::size_t block = 0; block < 20000; ++block) {
        std::array<float, quant_block> x;
        for (float& v : x) v = to_f32(from_f32<bf16>(random.number()));
        x[0] = to_f32(from_f32<bf16>(-2.0f - random.number()));  // of largest magnitude
        const auto b = QuantBlock<q4_0>::quantize(x.data());
        const float scale = *std::min_element(x.begin(), x.end()) / -8.0f;
        for (std::size_t i = 0; i < quant_block; ++i) {
            volatile float product = x[i] * (1.0f / scale);
            volatile float sum = product + 8.5f;
            REQUIRE(b.level(i) == std::min(static_cast<int>(sum), 15) - 8);
        }
    }
}
/// By the default rule alone, as GGUF files of other writers have it.
QuantBlock<q4_0> default_rule(const std::array<float, quant_block>& x) {
    const float largest = *std::max_element(
        x.begin(), x.end(), [](float a, float b) { return std::fabs(a) < std::fabs(b); });
    const float scale = largest / -8.0f, inverse = scale != 0.0f ? 1.0f / scale : 0.0f;
    QuantBlock<q4_0> b{to_f16(scale), {}};
    const auto level = [&](std::size_t i) {
        volatile float product = x[i] * inverse;
        return std::min(static_cast<int>(product + 8.5f), 15);
    };
    for (std::size_t i = 0; i < quant_block / 2; ++i)
        b.q[i] = static_cast<std::uint8_t>(level(i) | level(i + quant_block / 2) << 4);
    return b;
}
TEST_CASE("q4_0: values that were trained for its grid stay on it, whatever their largest level") {
    Random random(11);
    for (const float step : {0.015625f, 0.0107421875f, 3.0f, to_f32(to_f16(1e-5f))})
        for (const int largest : {7, -7, 5, -5, 4, 3, 2, 1, -1, -8})
            for (int turn = 0; turn < 20; ++turn) {
                CAPTURE(step);
                CAPTURE(largest);
                std::array<int, quant_block> levels{};
                const int most = std::abs(largest);
                for (int& level : levels) {
                    level = static_cast<int>(random.number() * 8.0f);
                    level = std::clamp(level, -most, std::min(most, 7));
                }
                levels[static_cast<std::size_t>(turn)] = largest;
                levels[31] = most > 1 ? most - 1 : 0;  // the grid is no coarser one
                std::array<float, quant_block> exact{}, rounded{};
                for (std::size_t i = 0; i < quant_block; ++i) {
                    exact[i] = step * static_cast<float>(levels[i]);
                    rounded[i] = to_f32(to_bf16(exact[i]));
                }
                const auto b = QuantBlock<q4_0>::quantize(exact.data());
                const auto r = QuantBlock<q4_0>::quantize(rounded.data());
                for (std::size_t i = 0; i < quant_block; ++i) {
                    REQUIRE(to_f32(b.scale) * static_cast<float>(b.level(i)) == exact[i]);
                    REQUIRE(r.level(i) == levels[i]);
                }
                CHECK(to_f32(r.scale) == doctest::Approx(step).epsilon(0.004));
            }
}
TEST_CASE("q4_0: the step of a trained grid is that which fits all of its values best") {
    std::array<float, quant_block> x{};
    for (std::size_t i = 0; i < quant_block; ++i)
        x[i] = to_f32(to_bf16(0.0123f * static_cast<float>(static_cast<int>(i % 15) - 7)));
    double products = 0.0, squares = 0.0;
    for (std::size_t i = 0; i < quant_block; ++i) {
        const double level = static_cast<double>(i % 15) - 7.0;
        products += static_cast<double>(x[i]) * level;
        squares += level * level;
    }
    CHECK(QuantBlock<q4_0>::quantize(x.data()).scale ==
          to_f16(static_cast<float>(products / squares)));
}
TEST_CASE("q4_0: values on no grid, or on none that f16 holds, have the default rule's levels") {
    Random random(5);
    const auto check = [](const std::array<float, quant_block>& x) {
        const auto b = QuantBlock<q4_0>::quantize(x.data()), expected = default_rule(x);
        CHECK(b.scale == expected.scale);
        CHECK(b.q == expected.q);
    };
    std::array<float, quant_block> x{};
    for (int turn = 0; turn < 2000; ++turn) {
        for (float& v : x) v = to_f32(to_bf16(random.number()));
        check(x);
    }
    for (std::size_t i = 0; i < quant_block; ++i) x[i] = static_cast<float>(i % 9);
    check(x);  // the grid would be 0 to 8: level 8 there is none
    for (std::size_t i = 0; i < quant_block; ++i) x[i] = static_cast<float>(i % 8) + 0.1f;
    check(x);
    x.fill(0.0f);
    x[9] = 1e5f;  // over 1 no f16, over 8 one
    check(x);
    x[9] = 1e-9f;  // no f16 either way
    check(x);
    x[9] = std::numeric_limits<float>::denorm_min();
    CHECK(QuantBlock<q4_0>::quantize(x.data()).level(9) == 0);
    for (const float bad : {std::numeric_limits<float>::infinity(), std::nanf("")}) {
        for (std::size_t i = 0; i < quant_block; ++i) x[i] = static_cast<float>(i % 8);
        x[9] = bad;
        const auto b = QuantBlock<q4_0>::quantize(x.data());
        CHECK_FALSE(std::isfinite(to_f32(b.scale)));
        for (std::size_t i = 0; i < quant_block; ++i) CHECK(b.level(i) == 0);
    }
}
TEST_CASE("a block of zeros has scale zero and comes back as zeros") {
    const std::array<float, quant_block> zeros{};
    CHECK(to_f32(QuantBlock<q8_0>::quantize(zeros.data()).scale) == 0.0f);
    CHECK(to_f32(QuantBlock<q4_0>::quantize(zeros.data()).scale) == 0.0f);
    CHECK(QuantBlock<q4_0>::quantize(zeros.data()).level(7) == 0);
}
template <class Format>
void check_panel() {
    static Panel<Format, 96> panel;
    for (std::size_t row = 0; row < panel_rows; ++row)
        for (std::size_t block = 0; block < 3; ++block) {
            std::array<float, quant_block> x;
            for (std::size_t i = 0; i < quant_block; ++i)
                x[i] = static_cast<float>((row * 131 + block * 37 + i * 17) % 101) - 50.0f;
            const auto b = QuantBlock<Format>::quantize(x.data());
            panel[block].set(row, b);
            for (std::size_t i = 0; i < quant_block; ++i)
                REQUIRE(panel[block].level(row, i) == b.level(i));
            REQUIRE(panel[block].scale[row] == b.scale);
        }
}
TEST_CASE("a panel gives back every level that was put into it") {
    check_panel<q8_0>();
    check_panel<q4_0>();
}

}  // namespace
}  // namespace carat::test

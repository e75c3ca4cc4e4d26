#include "carat/tensor/quantized.hpp"

#include "carat/tensor/matrix.hpp"
#include "support/random.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

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

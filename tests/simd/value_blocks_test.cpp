#include "carat/simd/value_blocks.hpp"

#include "support/random.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

namespace carat::test {
namespace {

constexpr std::size_t tokens = 80;  // five panels

/// Blocks of a row of n values, zeros behind them.
template <class Format>
std::vector<QuantBlock<Format>> blocks_of(std::size_t n, std::size_t seed) {
    const auto x = Elements<float>::random(n, seed);
    std::vector<QuantBlock<Format>> blocks;
    for (std::size_t first = 0; first < n; first += quant_block) {
        std::array<float, quant_block> block{};
        for (std::size_t i = 0; i < std::min(quant_block, n - first); ++i) block[i] = x[first + i];
        blocks.push_back(QuantBlock<Format>::quantize(block.data()));
    }
    return blocks;
}

/// Values of `lanes` lanes of each token, as blocks and as numbers.
template <class Format>
struct Values {
    using Blocks = simd::ValueBlocks<Format, tokens>;
    std::vector<Blocks> blocks;
    std::vector<std::vector<QuantBlock<Format>>> rows;
    std::size_t wrong = 0;  ///< blocks that do not come out as they went in

    explicit Values(std::size_t lanes) : blocks((lanes + quant_block - 1) / quant_block) {
        for (std::size_t t = 0; t < tokens; ++t) {
            rows.push_back(blocks_of<Format>(lanes, 100 * lanes + t));
            for (std::size_t b = 0; b < blocks.size(); ++b) blocks[b].set(t, rows[t][b]);
        }
        for (std::size_t t = 0; t < tokens; ++t)
            for (std::size_t b = 0; b < blocks.size(); ++b) {
                const auto out = blocks[b].get(t);
                wrong += out.scale == rows[t][b].scale && out.q == rows[t][b].q ? 0u : 1u;
            }
    }
    [[nodiscard]] double scale(std::size_t t, std::size_t lane) const {
        return static_cast<double>(to_f32(rows[t][lane / quant_block].scale));
    }
    [[nodiscard]] double real(std::size_t t, std::size_t lane) const {
        return scale(t, lane) * rows[t][lane / quant_block].level(lane % quant_block);
    }
};

/// Exact in f32; of bf16 half a unit in the last place, eight bits.
template <class X>
bool is(X x, double expected) {
    const double error = std::abs(static_cast<double>(to_f32(x)) - expected);
    return error <= std::abs(expected) * (sizeof(X) == 2 ? 0x1p-8 : 0x1p-24);
}

template <class Format, class X>
void check_expanded(const Values<Format>& values, std::size_t lanes, std::size_t begin,
                    std::size_t end) {
    CAPTURE(lanes);
    CAPTURE(begin);
    CAPTURE(end);
    Elements<X> out(lanes * tokens, 1);
    for (std::size_t i = 0; i < lanes * tokens; ++i) out[i] = from_f32<X>(-77.0f);
    simd::expand_values(values.blocks.data(), lanes, begin, end, out.data());
    std::size_t wrong = 0;
    for (std::size_t lane = 0; lane < lanes; ++lane)
        for (std::size_t t = 0; t < tokens; ++t) {
            const double expected = begin <= t && t < end ? values.real(t, lane) : -77.0;
            wrong += is(out[simd::panel_index<X>(tokens, lane, t)], expected) ? 0u : 1u;
        }
    CHECK(wrong == 0);
}
template <class Format, class X>
void check_expanded() {
    for (const std::size_t lanes : {16u, 32u, 48u, 64u, 80u}) {
        const Values<Format> values(lanes);
        CHECK(values.wrong == 0);
        for (const std::size_t begin : {0u, 2u, 14u, 16u, 18u, 46u})
            for (const std::size_t end : std::array<std::size_t, 4>{begin, 16, 34, tokens})
                if (begin <= end) check_expanded<Format, X>(values, lanes, begin, end);
    }
}

/// Probabilities, 0 outside [begin, end) as far as they count, and something else beyond.
template <class P>
Elements<P> probabilities(std::size_t rows, std::size_t begin, std::size_t end) {
    Elements<P> p(rows * tokens, 1);
    Random random(rows + 10 * begin + 1000 * end);
    const std::size_t from = begin / 16 * 16, to = (end + 15) / 16 * 16;
    for (std::size_t r = 0; r < rows; ++r)
        for (std::size_t t = 0; t < tokens; ++t) {
            const float x = 0.5f + 0.5f * random.number();
            p[r * tokens + t] =
                from_f32<P>(t < from || t >= to     ? std::numeric_limits<float>::quiet_NaN()
                            : t < begin || t >= end ? 0.0f
                            : t == begin            ? 1.0f
                                                    : x * x * x);
        }
    return p;
}

template <class Format, class P>
void check_product(const Values<Format>& values, std::size_t lanes, std::size_t rows,
                   std::size_t begin, std::size_t end) {
    CAPTURE(lanes);
    CAPTURE(rows);
    CAPTURE(begin);
    CAPTURE(end);
    const auto p = probabilities<P>(rows, begin, end);
    const std::size_t stride = lanes + 3;
    Elements<float> y(rows * stride, 1), alone(lanes, 3), wider(lanes, 5);
    for (std::size_t i = 0; i < rows * stride; ++i) y[i] = -77.0f;
    simd::value_product(values.blocks.data(), lanes, p.data(), tokens, rows, begin, end, y.data(),
                        stride);
    std::size_t wrong = 0;
    for (std::size_t r = 0; r < rows; ++r) {
        for (std::size_t lane = 0; lane < lanes; ++lane) {
            double sum = 0, largest = 0, levels = 0;
            for (std::size_t t = begin; t < end; ++t) {
                const auto share = static_cast<double>(to_f32(p[r * tokens + t]));
                sum += share * values.real(t, lane);
                largest = std::max(largest, std::abs(share * values.scale(t, lane)));
                const int level = values.rows[t][lane / quant_block].level(lane % quant_block);
                levels += std::abs(level);
            }
            // Each share is half a unit off at most, and f32 rounds what comes of it.
            const double bound = 0.51 * largest / 32767 * levels + 0x1p-20 * std::abs(sum);
            const double error = std::abs(static_cast<double>(y[r * stride + lane]) - sum);
            wrong += error <= bound ? 0u : 1u;
        }
        for (std::size_t i = lanes; i < stride; ++i) wrong += y[r * stride + i] == -77.0f ? 0u : 1u;
        simd::value_product(values.blocks.data(), lanes, p.data() + r * tokens, tokens, 1, begin,
                            end, alone.data(), lanes);
        // With others, who see more of the tile.
        simd::value_product(values.blocks.data(), lanes, p.data() + r * tokens, tokens, 1,
                            begin / 16 * 16, (end + 15) / 16 * 16, wider.data(), lanes);
        for (std::size_t lane = 0; lane < lanes; ++lane)
            wrong += alone[lane] == y[r * stride + lane] && alone[lane] == wider[lane] ? 0u : 1u;
    }
    CHECK(wrong == 0);
}
template <class Format, class P>
void check_product() {
    for (const std::size_t lanes : {16u, 32u, 48u, 64u, 80u}) {
        const Values<Format> values(lanes);
        for (const std::size_t rows : {1u, 2u, 3u, 7u, 8u, 9u, 16u, 21u})
            check_product<Format, P>(values, lanes, rows, 0, tokens);
        for (const std::size_t begin : {0u, 1u, 15u, 16u, 31u, 46u})
            for (const std::size_t end : std::array<std::size_t, 5>{begin + 1, 17, 32, 35, 63})
                if (begin < end) check_product<Format, P>(values, lanes, 9, begin, end);
    }
}

TEST_CASE("quantised values become operands that a plain loop says they are: f32") {
    check_expanded<q8_0, float>();
    check_expanded<q4_0, float>();
}
TEST_CASE("quantised values become operands that a plain loop says they are: bf16") {
    check_expanded<q8_0, bf16>();
    check_expanded<q4_0, bf16>();
}
TEST_CASE(
    "products of quantised values in integers are near a plain loop's, alone and with others") {
    check_product<q8_0, float>();
    check_product<q8_0, bf16>();
    check_product<q4_0, float>();
    check_product<q4_0, bf16>();
}
TEST_CASE("a scale that is no finite number makes its block's lanes none, and no others") {
    constexpr float inf = std::numeric_limits<float>::infinity();
    for (const float scale : {inf, -inf, std::numeric_limits<float>::quiet_NaN()}) {
        CAPTURE(scale);
        Values<q8_0> values(64);
        auto block = values.rows[5][1];
        block.scale = to_f16(scale);
        values.blocks[1].set(5, block);
        const auto p = probabilities<float>(2, 0, tokens);
        std::array<float, 128> y;
        simd::value_product(values.blocks.data(), 64, p.data(), tokens, 2, 0, tokens, y.data(), 64);
        for (std::size_t i = 0; i < 128; ++i) CHECK(std::isnan(y[i]) == (i % 64 >= 32));
        simd::value_product(values.blocks.data(), 64, p.data(), tokens, 2, 6, tokens, y.data(), 64);
        for (const float x : y) CHECK(std::isfinite(x));
    }
}
TEST_CASE("values that are all zero have sums of zero") {
    const std::vector<simd::ValueBlocks<q8_0, tokens>> blocks(2);
    const auto p = probabilities<float>(3, 0, tokens);
    std::array<float, 3 * 64> y;
    y.fill(-77.0f);
    simd::value_product(blocks.data(), 64, p.data(), tokens, 3, 0, tokens, y.data(), 64);
    for (const float x : y) CHECK(x == 0.0f);
}

}  // namespace
}  // namespace carat::test

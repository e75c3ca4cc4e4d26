#include "carat/simd/lane_blocks.hpp"

#include "support/random.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <memory>
#include <vector>

namespace carat::test {
namespace {

constexpr std::size_t width = simd::panel_width;

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
template <class Format>
double real(const std::vector<QuantBlock<Format>>& row, std::size_t i) {
    const auto& b = row[i / quant_block];
    return static_cast<double>(to_f32(b.scale)) * b.level(i % quant_block);
}
/// Exact in f32; of bf16 half a unit in the last place, eight bits.
template <class X>
bool is(X x, double expected) {
    const double error = std::abs(static_cast<double>(to_f32(x)) - expected);
    return error <= std::abs(expected) * (sizeof(X) == 2 ? 0x1p-8 : 0x1p-24);
}

template <class Format, class X>
void check_keys(std::size_t inner) {
    CAPTURE(inner);
    const std::size_t blocks = (inner + quant_block - 1) / quant_block;
    std::vector<simd::KeyBlocks<Format>> keys(blocks);
    std::vector<std::vector<QuantBlock<Format>>> rows;
    std::size_t wrong = 0;
    for (std::size_t lane = 0; lane < width; ++lane) {
        rows.push_back(blocks_of<Format>(inner, 10 * inner + lane));
        for (std::size_t b = 0; b < blocks; ++b) keys[b].set(lane, rows[lane][b]);
    }
    for (std::size_t lane = 0; lane < width; ++lane)
        for (std::size_t b = 0; b < blocks; ++b) {
            const auto out = keys[b].get(lane);
            wrong += out.scale == rows[lane][b].scale && out.q == rows[lane][b].q ? 0u : 1u;
        }
    Elements<X> out(inner * width + 5, 1);
    for (std::size_t i = 0; i < inner * width + 5; ++i) out[i] = from_f32<X>(-77.0f);
    simd::expand_keys(keys.data(), inner, out.data());
    for (std::size_t lane = 0; lane < width; ++lane)
        for (std::size_t i = 0; i < inner; ++i)
            wrong += is(out[simd::panel_index<X>(inner, lane, i)], real(rows[lane], i)) ? 0u : 1u;
    for (std::size_t i = 0; i < 5; ++i) wrong += to_f32(out[inner * width + i]) == -77.0f ? 0u : 1u;
    CHECK(wrong == 0);
}

template <class Format, class X>
void check_values(std::size_t lanes, std::size_t begin, std::size_t end) {
    CAPTURE(lanes);
    CAPTURE(begin);
    CAPTURE(end);
    constexpr std::size_t tokens = 48;
    using Blocks = simd::ValueBlocks<Format, tokens>;
    const std::size_t blocks = (lanes + quant_block - 1) / quant_block;
    std::vector<Blocks> values(blocks);
    std::vector<std::vector<QuantBlock<Format>>> rows;
    std::size_t wrong = 0;
    for (std::size_t t = 0; t < tokens; ++t) {
        rows.push_back(blocks_of<Format>(lanes, 100 * lanes + t));
        for (std::size_t b = 0; b < blocks; ++b) {
            values[b].set(t, rows[t][b]);
            const auto out = values[b].get(t);
            wrong += out.scale == rows[t][b].scale && out.q == rows[t][b].q ? 0u : 1u;
        }
    }
    Elements<X> out(lanes * tokens, 1);
    for (std::size_t i = 0; i < lanes * tokens; ++i) out[i] = from_f32<X>(-77.0f);
    simd::expand_values(values.data(), lanes, begin, end, out.data());
    for (std::size_t lane = 0; lane < lanes; ++lane)
        for (std::size_t t = 0; t < tokens; ++t) {
            const bool inside = begin <= t && t < end;
            wrong +=
                is(out[simd::panel_index<X>(tokens, lane, t)], inside ? real(rows[t], lane) : -77.0)
                    ? 0u
                    : 1u;
        }
    CHECK(wrong == 0);
}

template <class Format, class X>
void check_all() {
    for (const std::size_t inner : {2u, 6u, 16u, 18u, 24u, 32u, 34u, 64u, 80u, 256u})
        check_keys<Format, X>(inner);
    for (const std::size_t lanes : {16u, 32u, 48u, 64u, 80u})
        for (const std::size_t begin : {0u, 2u, 14u, 16u, 18u, 46u})
            for (const std::size_t end : std::array<std::size_t, 4>{begin, 16, 34, 48})
                if (begin <= end) check_values<Format, X>(lanes, begin, end);
}

TEST_CASE("a scale that is no number makes its key's operands none") {
    constexpr float inf = std::numeric_limits<float>::infinity();
    for (const float scale : {inf, -inf, std::numeric_limits<float>::quiet_NaN()}) {
        CAPTURE(scale);
        QuantBlock<q8_0> block{to_f16(scale), {}};
        block.q.fill(3);
        simd::KeyBlocks<q8_0> keys{};
        keys.set(5, block);
        std::vector<float> out(32 * simd::panel_width);
        simd::expand_keys(&keys, 32, out.data());
        for (std::size_t i = 0; i < 32; ++i) {
            const float x = out[simd::panel_index<float>(32, 5, i)];
            CHECK((std::isnan(scale) ? std::isnan(x) : x == scale));
            CHECK(out[simd::panel_index<float>(32, 4, i)] == 0.0f);
        }
    }
}
TEST_CASE("quantised keys and values become operands that a plain loop says they are: f32") {
    check_all<q8_0, float>();
    check_all<q4_0, float>();
}
TEST_CASE("quantised keys and values become operands that a plain loop says they are: bf16") {
    check_all<q8_0, bf16>();
    check_all<q4_0, bf16>();
}

}  // namespace
}  // namespace carat::test

#include "carat/simd/tiles.hpp"

#include "carat/simd/convert.hpp"
#include "carat/simd/lane_panels.hpp"
#include "carat/simd/panels.hpp"
#include "carat/simd/tile_product.hpp"
#include "support/random.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>
#include <vector>

namespace carat::test {
namespace {

static_assert(simd::native_dot_bf16 || !simd::has_tiles);  // for what tiles cannot take

/// The tiles of simd/tiles.hpp in plain C++, for machines that have none.
template <std::size_t bytes>
struct PlainTiles {
    static constexpr std::size_t side = simd::tile_side, quads = simd::tile_depth * bytes / 4;
    unsigned char tile[8][side][64] = {};

    std::size_t tokens;
    explicit PlainTiles(std::size_t tokens = side) : tokens(tokens) {}

    [[nodiscard]] std::size_t rows(int t) const {
        return t >= 6 ? quads : t < 2 || t == 4 ? tokens : side;
    }
    static constexpr std::size_t row_bytes(int t) { return t == 4 || t == 5 ? quads * 4 : 64; }

    template <int t>
    void zero() {
        std::memset(tile[t], 0, sizeof tile[t]);
    }
    template <int t>
    void load(const void* from, std::size_t stride) {
        for (std::size_t r = 0; r < rows(t); ++r)
            std::memcpy(tile[t][r], static_cast<const char*>(from) + r * stride, row_bytes(t));
    }
    template <int t>
    void store(void* to, std::size_t stride) {
        for (std::size_t r = 0; r < rows(t); ++r)
            std::memcpy(static_cast<char*>(to) + r * stride, tile[t][r], row_bytes(t));
    }
    template <int sum, int left, int right>
    void multiply() {
        using Sum = std::conditional_t<bytes == 2, float, std::int32_t>;
        using Value = std::conditional_t<bytes == 2, bf16, std::int8_t>;
        const auto value = [](const unsigned char* at) {
            Value v;
            std::memcpy(&v, at, sizeof v);
            if constexpr (bytes == 2)
                return to_f32(v);
            else
                return static_cast<Sum>(v);
        };
        for (std::size_t m = 0; m < rows(left); ++m)
            for (std::size_t n = 0; n < side; ++n) {
                Sum total;
                std::memcpy(&total, tile[sum][m] + n * 4, 4);
                for (std::size_t q = 0; q < quads; ++q)
                    for (std::size_t i = 0; i < 4; i += bytes)
                        total +=
                            value(tile[left][m] + q * 4 + i) * value(tile[right][q] + n * 4 + i);
                std::memcpy(tile[sum][m] + n * 4, &total, 4);
            }
    }
};

/// f.operator()<T>() with the tiles of the test, and with those of the machine where it has them.
template <std::size_t bytes, class F>
void with_tiles(F&& f) {
    f.template operator()<PlainTiles<bytes>>();
    if constexpr (simd::has_tiles) {
        if (simd::Tiles<bytes>::allowed())
            f.template operator()<simd::Tiles<bytes>>();
        else
            MESSAGE("the system does not let this process use its matrix tiles");
    }
}

void check_pairs(std::size_t wanted, std::size_t depth, std::size_t tokens, bool add) {
    constexpr std::size_t rows = 64;
    CAPTURE(wanted);
    CAPTURE(depth);
    CAPTURE(tokens);
    CAPTURE(add);
    const std::size_t x_stride = depth + 6, y_stride = wanted + 2;
    const auto w = Elements<bf16>::random(rows * depth, 1, 1);
    const auto x = Elements<bf16>::random(tokens * x_stride, 2, 3);
    std::vector<std::uint32_t> pairs(rows * depth / 2);
    for (std::size_t r = 0; r < rows; ++r)
        for (std::size_t k = 0; k < depth; k += 2)
            std::memcpy(&pairs[k / 2 * rows + r], &w[r * depth + k], 4);
    with_tiles<2>([&]<class T>() {
        std::vector<float> y(tokens * y_stride, -77.0f);
        simd::detail::tile_product<T, 64>(pairs.data(), wanted, depth, x.data(), x_stride, tokens,
                                          y.data(), y_stride, add);
        std::size_t wrong = 0;
        for (std::size_t t = 0; t < tokens; ++t) {
            for (std::size_t r = 0; r < wanted; ++r) {
                double sum = add ? -77.0 : 0.0, size = std::abs(sum);
                for (std::size_t k = 0; k < depth; ++k) {
                    const double term = static_cast<double>(to_f32(w[r * depth + k])) *
                                        static_cast<double>(to_f32(x[t * x_stride + k]));
                    sum += term;
                    size += std::abs(term);
                }
                const double error = std::abs(static_cast<double>(y[t * y_stride + r]) - sum);
                wrong += error <= size * 0x1p-24 * static_cast<double>(3 + depth / 8) ? 0u : 1u;
            }
            for (std::size_t r = wanted; r < y_stride; ++r)
                wrong += y[t * y_stride + r] == -77.0f ? 0u : 1u;
        }
        CHECK(wrong == 0);
    });
}

TEST_CASE("tiles of bf16 agree with a plain loop for any number of tokens and rows") {
    for (const bool add : {false, true})
        for (const std::size_t tokens : {1u, 15u, 16u, 17u, 32u, 33u, 70u}) {
            check_pairs(64, 96, tokens, add);
            check_pairs(37, 128, tokens, add);
            check_pairs(32, 32, tokens, add);
            check_pairs(1, 64, tokens, add);
        }
}

/// Queries with keys in lanes, and probabilities with values, of which only some keys count.
void check_lanes(std::size_t rows, std::size_t panels, std::size_t inner, std::size_t begin,
                 std::size_t end) {
    CAPTURE(rows);
    CAPTURE(panels);
    CAPTURE(begin);
    CAPTURE(end);
    const std::size_t lanes = panels * simd::panel_width, x_stride = inner + 2,
                      y_stride = lanes + 3;
    const auto x = Elements<bf16>::random(rows * x_stride, 1, 1);
    const auto w = Elements<bf16>::random(lanes * inner, 2);
    Elements<bf16> packed(lanes * inner, 2);
    const auto nan = from_f32<bf16>(std::numeric_limits<float>::quiet_NaN());
    for (std::size_t i = 0; i < inner; ++i) {
        const bool counts = i >= begin && i < end;
        for (std::size_t lane = 0; lane < lanes; ++lane)
            packed[simd::panel_index<bf16>(inner, lane, i)] = counts ? w[lane * inner + i] : nan;
        for (std::size_t r = 0; r < rows && !counts; ++r) x[r * x_stride + i] = nan;
    }
    with_tiles<2>([&]<class T>() {
        std::vector<float> y(rows * y_stride, -77.0f), one(lanes);
        simd::detail::lane_tile_product<T>(x.data(), x_stride, rows, packed.data(), inner, panels,
                                           begin, end, y.data(), y_stride);
        std::size_t wrong = 0;
        for (std::size_t r = 0; r < rows; ++r) {
            for (std::size_t lane = 0; lane < lanes; ++lane) {
                double sum = 0.0, size = 0.0;
                for (std::size_t i = begin; i < end; ++i) {
                    const double term = x.real(r * x_stride + i) * w.real(lane * inner + i);
                    sum += term;
                    size += std::abs(term);
                }
                const double error = std::abs(static_cast<double>(y[r * y_stride + lane]) - sum);
                wrong += error <= size * 0x1p-24 * static_cast<double>(inner + 1) ? 0u : 1u;
            }
            for (std::size_t lane = lanes; lane < y_stride; ++lane)
                wrong += y[r * y_stride + lane] == -77.0f ? 0u : 1u;
            simd::detail::lane_tile_product<T>(x.data() + r * x_stride, x_stride, 1, packed.data(),
                                               inner, panels, begin, end, one.data(), lanes);
            wrong += std::equal(one.begin(), one.end(), &y[r * y_stride]) ? 0u : 1u;
        }
        CHECK(wrong == 0);
    });
}

TEST_CASE("tiles of lane panels agree with a plain loop and do not see what does not count") {
    for (const std::size_t rows : {1u, 8u, 16u, 19u, 32u, 53u})
        for (const std::size_t panels : {1u, 2u, 5u}) check_lanes(rows, panels, 64, 0, 64);
    for (const std::size_t begin : {0u, 1u, 30u, 32u, 45u})
        for (const std::size_t end : {46u, 47u, 64u, 65u, 96u}) check_lanes(21, 3, 96, begin, end);
}

template <class Format>
void check_panel(std::size_t blocks, std::size_t rows, std::size_t tokens) {
    CAPTURE(blocks);
    CAPTURE(rows);
    CAPTURE(tokens);
    const std::size_t in = blocks * quant_block, y_stride = rows + 3;
    const std::size_t panels = (rows + panel_rows - 1) / panel_rows;
    const auto w = Elements<float>::random(panels * panel_rows * in, 1, 0);
    const auto floats = Elements<float>::random(tokens * in, 2, 0);
    std::vector<PanelBlock<Format>> panel(panels * blocks);
    for (std::size_t r = 0; r < panels * panel_rows; ++r)
        for (std::size_t b = 0; b < blocks; ++b)
            panel[r / panel_rows * blocks + b].set(
                r % panel_rows, QuantBlock<Format>::quantize(&w[r * in + b * quant_block]));
    std::vector<q8_activation> x(tokens * blocks);
    simd::convert(floats.data(), tokens * in, x.data());
    std::vector<float> expected(tokens * panels * panel_rows);
    for (std::size_t t = 0; t < tokens; ++t)
        for (std::size_t p = 0; p < panels; ++p)
            simd::detail::panel_tile<1, 1, simd::detail::panel_parts>(
                &panel[p * blocks], 0, blocks, &x[t * blocks], blocks,
                &expected[(t * panels + p) * panel_rows], 0, 0, panel_rows);
    with_tiles<1>([&]<class T>() {
        std::vector<float> y(tokens * y_stride, -77.0f);
        simd::detail::panel_tile_product<T>(panel.data(), blocks, x.data(), blocks, tokens,
                                            y.data(), y_stride, rows);
        std::size_t wrong = 0;
        for (std::size_t t = 0; t < tokens; ++t)
            for (std::size_t r = 0; r < y_stride; ++r) {
                const bool computed = t < tokens / simd::tile_side * simd::tile_side && r < rows;
                const float value = computed ? expected[t * panels * panel_rows + r] : -77.0f;
                wrong += y[t * y_stride + r] == value ? 0u : 1u;
            }
        CHECK(wrong == 0);
    });
}

TEST_CASE_TEMPLATE("tiles of panels give what their vectors give, bit for bit", Format, q8_0,
                   q4_0) {
    for (const std::size_t tokens : {15u, 16u, 31u, 48u})
        for (const std::size_t rows : {1u, 7u, 16u, 64u, 91u}) {
            check_panel<Format>(1, rows, tokens);
            check_panel<Format>(5, rows, tokens);
            check_panel<Format>(simd::detail::TileBlocks::most + 3, rows, tokens);
        }
}

}  // namespace
}  // namespace carat::test

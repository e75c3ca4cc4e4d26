/// \file
/// Products of quantised panels with activations: sixteen rows at a time, one lane a row.
///
/// Exact: levels widened to f32, times f32 activations, summed over a block in f32, times the
/// block's scale. Fast: activations as q8_activation, the block summed by the machine's integer dot
/// product (u8 weights with a bias, i8 activations, so that one instruction does it on every
/// target), then scaled in f32. Either way a row's sum depends on nothing but its own values and
/// the order of blocks.
#pragma once

#include "carat/simd/block_product.hpp"
#include "carat/simd/exact_panels.hpp"
#include "carat/simd/pair_tile.hpp"
#include "carat/simd/tile_product.hpp"
#include "carat/simd/unroll.hpp"
#include "carat/tensor/matrix.hpp"
#include "carat/tensor/quantized.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>

HWY_BEFORE_NAMESPACE();
namespace carat::inline CARAT_ABI::simd {
inline namespace HWY_NAMESPACE {
namespace detail {

/// Bytes that a few tokens ask for weights ahead: the farther the fewer places they come from. Zen
/// 5 reads q4_0 1.2 to 1.3 times as fast with three or four tokens then, q8_0 up to 1.1 times.
template <std::size_t panels, std::size_t columns>
inline constexpr std::size_t panel_ahead = columns > few_tokens      ? 0
                                           : panels < reading_places ? 4 * reading_ahead
                                                                     : reading_ahead;

/// In integers: `panels` panels, their first blocks `stride` blocks apart, with `columns` tokens,
/// `together` parts of each panel at a time. A panel's sums go to y + its number · y_panel, those
/// of its first `rows` rows.
template <std::size_t panels, std::size_t columns, std::size_t together, class Format>
HWY_INLINE void panel_tile(const PanelBlock<Format>* w, std::size_t stride, std::size_t blocks,
                           const q8_activation* x, std::size_t x_stride, float* y,
                           std::size_t y_panel, std::size_t y_stride, std::size_t rows) {
    using Product = BlockProduct<Format>;
    const PanelF32 d;
    constexpr std::size_t vectors = panels * together;
    constexpr std::size_t ahead = panel_ahead<panels, columns>;
    for (std::size_t first = 0; first < panel_parts; first += together) {
        hn::Vec<PanelF32> sums[vectors * columns];
        unroll<vectors * columns>([&](auto i)
                                      __attribute__((always_inline)) { sums[i] = hn::Zero(d); });
        for (std::size_t block = 0; block < blocks; ++block) {
            const auto weights = [&](auto v) __attribute__((always_inline))->const auto& {
                return w[v / together * stride + block];
            };
            const auto activation = [&](auto c) __attribute__((always_inline))
                                        ->const q8_activation& {
                return x[c * x_stride + block];
            };
            Product products[vectors * columns];
            unroll<columns>([&](auto c) __attribute__((always_inline)) {
                unroll<vectors>([&](auto v) __attribute__((always_inline)) {
                    products[v * columns + c].start(activation(c));
                });
            });
            unroll<block_steps<Format>>([&](auto step) __attribute__((always_inline)) {
                hn::Vec<PanelU8> bytes[vectors];
                unroll<vectors>([&](auto v) __attribute__((always_inline)) {
                    if constexpr (ahead > 0) prefetch(&weights(v).q[step][0][0], ahead);
                    bytes[v] = load_step(weights(v), step, first + v % together);
                });
                unroll<step_quads<Format>>([&](auto half) __attribute__((always_inline)) {
                    typename Product::Levels levels[vectors];
                    unroll<vectors>([&](auto v) __attribute__((always_inline)) {
                        levels[v] = Product::template levels<half>(bytes[v]);
                    });
                    unroll<columns>([&](auto c) __attribute__((always_inline)) {
                        const auto xs =
                            Product::spread(activation(c), step + half * block_steps<Format>);
                        unroll<vectors>([&](auto v) __attribute__((always_inline)) {
                            products[v * columns + c].add(levels[v], xs);
                        });
                    });
                });
            });
            unroll<vectors>([&](auto v) __attribute__((always_inline)) {
                if constexpr (ahead > 0) prefetch(weights(v).scale, ahead / sizeof(f16));
                const auto scale = load_scales(weights(v), first + v % together);
                unroll<columns>([&](auto c) __attribute__((always_inline)) {
                    auto& sum = sums[v * columns + c];
                    sum = hn::MulAdd(products[v * columns + c].total(activation(c)), scale, sum);
                });
            });
        }
        unroll<vectors>([&](auto v) __attribute__((always_inline)) {
            const std::size_t at = (first + v % together) * panel_lanes;
            const std::size_t n = std::min(panel_lanes, rows - std::min(rows, at));
            unroll<columns>([&](auto c) __attribute__((always_inline)) {
                hn::StoreN(sums[v * columns + c], d, y + v / together * y_panel + c * y_stride + at,
                           n);
            });
        });
    }
}

/// Tokens of a tile; and from how many on tiles are faster than groups of few_tokens, which take
/// more panels together.
inline constexpr std::size_t panel_tile_tokens = many_registers ? 8 : 4;
inline constexpr std::size_t panel_tiles_from = panel_parts == 1 ? 16 : panel_tile_tokens;

/// The panels of `rows` rows with `tokens` tokens, a multiple of panel_tile_tokens.
template <class Format>
HWY_NOINLINE void panel_tiles(const PanelBlock<Format>* w, std::size_t blocks,
                              const q8_activation* x, std::size_t tokens, float* y,
                              std::size_t y_stride, std::size_t rows) {
    for (std::size_t r = 0; r < rows; r += panel_rows, w += blocks)
        for (std::size_t c = 0; c < tokens; c += panel_tile_tokens)
            if constexpr (has_pair_tiles)
                pair_tile<panel_tile_tokens, parts_together>(w, blocks, x + c * blocks,
                                                             y + r + c * y_stride, y_stride,
                                                             std::min(panel_rows, rows - r));
            else
                panel_tile<1, panel_tile_tokens, parts_together>(
                    w, 0, blocks, x + c * blocks, blocks, y + r + c * y_stride, 0, y_stride,
                    std::min(panel_rows, rows - r));
}

/// The panels of `rows` rows with a few tokens: one alone, those of a call that verifies guesses,
/// and what is left beside whole tiles. Of no shape, so that it is compiled once a format.
template <std::size_t columns, class Format>
HWY_NOINLINE void panel_columns(const PanelBlock<Format>* w, std::size_t blocks,
                                const q8_activation* x, std::size_t x_stride, float* y,
                                std::size_t y_stride, std::size_t rows) {
    for_places<panel_places<columns>>(
        w, blocks, rows, y,
        [&](auto places, const PanelBlock<Format>* first, std::size_t stride, float* to,
            std::size_t y_panel, std::size_t n) __attribute__((always_inline)) {
            panel_tile<places, columns, columns == 1 ? panel_parts : parts_together>(
                first, stride, blocks, x, x_stride, to, y_panel, y_stride, n);
        });
}

}  // namespace detail

/// In integers: y[c · y_stride + r] = w[r] · x[c] for r < rows, the rows of panels of `blocks`
/// blocks each, and each of the tokens. Of no shape, as its parts.
template <class Format>
HWY_NOINLINE void integer_panels(const PanelBlock<Format>* w, std::size_t blocks, std::size_t rows,
                                 const q8_activation* x, std::size_t tokens, float* y,
                                 std::size_t y_stride) noexcept {
    using namespace detail;
    std::size_t done = 0;  // tokens
    if constexpr (has_tiles)
        if (tokens >= tile_side && Tiles<1>::allowed()) {
            panel_tile_product<Tiles<1>>(w, blocks, x, blocks, tokens, y, y_stride, rows);
            done = tokens / tile_side * tile_side;
        }
    const std::size_t left = tokens - done;
    const std::size_t tiled =
        left < panel_tiles_from ? done : done + left / panel_tile_tokens * panel_tile_tokens;
    // Groups of tokens take the same panels one after the other: from the second-level cache.
    const std::size_t fit = cached_weights / (blocks * sizeof(PanelBlock<Format>));
    const bool once = tiled == tokens || (tiled == done && left <= few_tokens);
    const std::size_t step = once ? rows : std::max<std::size_t>(4, fit) * panel_rows;
    for (std::size_t r = 0; r < rows; r += step) {
        const PanelBlock<Format>* panels = w + r / panel_rows * blocks;
        const std::size_t n = std::min(step, rows - r);
        if (tiled > done)
            panel_tiles(panels, blocks, x + done * blocks, tiled - done, y + done * y_stride + r,
                        y_stride, n);
        for (std::size_t c = tiled; c < tokens; c += few_tokens)
            with_constant<few_tokens>(std::min(few_tokens, tokens - c), [&](auto columns) {
                panel_columns<columns>(panels, blocks, x + c * blocks, blocks, y + c * y_stride + r,
                                       y_stride, n);
            });
    }
}

/// y[c · y_stride + r - begin] = w[r] · x[c] for begin <= r < end and each row of x. `begin` is a
/// multiple of panel_rows.
template <class Format, std::size_t out, std::size_t in>
inline void matmul(const PanelView<Format, out, in>& w, std::size_t begin, std::size_t end,
                   Rows<const float, in> x, float* y, std::size_t y_stride) noexcept {
    exact_panels(w.data()[begin / panel_rows].data(), in / quant_block, end - begin, x.data(), in,
                 x.rows(), y, y_stride);
}
template <class Format, std::size_t out, std::size_t in>
inline void matmul(const PanelView<Format, out, in>& w, std::size_t begin, std::size_t end,
                   ActivationRows<const q8_activation, in> x, float* y,
                   std::size_t y_stride) noexcept {
    integer_panels(w.data()[begin / panel_rows].data(), in / quant_block, end - begin, x.data(),
                   x.rows(), y, y_stride);
}

/// n values into blocks of 32: scale = max |x| / 127, levels to nearest. n is a multiple of 32. An
/// infinity or a NaN goes into the scale, beside levels of zero, so that a product has it too; a
/// block of values so small that 127 / max is no number becomes zero.
inline void convert(const float* x, std::size_t n, q8_activation* out) noexcept {
    const F32Tag d;
    const hn::RebindToSigned<F32Tag> di;
    const hn::Rebind<std::int8_t, F32Tag> d8;
    const std::size_t lanes = hn::Lanes(d);
    for (std::size_t block = 0; block < n / quant_block; ++block) {
        const float* v = x + block * quant_block;
        auto top = hn::Zero(di);  // as integers, in whose order a NaN is above all numbers
        for (std::size_t i = 0; i < quant_block; i += lanes)
            top = hn::Max(top, hn::BitCast(di, hn::Abs(hn::LoadN(d, v + i, quant_block - i))));
        const auto largest = std::bit_cast<float>(hn::ReduceMax(di, top));
        const float inverse = 127.0f / largest;
        q8_activation& o = out[block];
        o = {{}, largest / 127.0f, 0};
        if (!(inverse > 0.0f && inverse <= std::numeric_limits<float>::max())) continue;
        for (std::size_t i = 0; i < quant_block; i += lanes) {
            const std::size_t m = std::min(lanes, quant_block - i);
            const auto level = hn::NearestInt(hn::Mul(hn::LoadN(d, v + i, m), hn::Set(d, inverse)));
            hn::StoreN(hn::DemoteTo(d8, level), d8, &o.q[i], m);
            o.sum += hn::ReduceSum(di, level);
        }
    }
}

/// out[i] = w[row, i] · scale.
template <class Format, std::size_t out_rows, std::size_t in>
inline void scale_row(const PanelView<Format, out_rows, in>& w, std::size_t row, float scale,
                      float* out) noexcept {
    for (std::size_t i = 0; i < in; ++i) out[i] = w.at(row, i) * scale;
}

}  // namespace HWY_NAMESPACE
}  // namespace carat::inline CARAT_ABI::simd
HWY_AFTER_NAMESPACE();

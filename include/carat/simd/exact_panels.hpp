/// \file
/// Products of quantised panels with tokens in f32. Of many tokens every sum is what the token has
/// alone, bit for bit, but levels become numbers once for all.
///
/// A block's even and odd values have a sum each, in the order in which their bytes lie; both
/// together times the block's scale are added to the row's.
#pragma once

#include "carat/simd/block_product.hpp"
#include "carat/simd/unroll.hpp"
#include "carat/tensor/quantized.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

HWY_BEFORE_NAMESPACE();
namespace carat::inline CARAT_ABI::simd {
inline namespace HWY_NAMESPACE {
namespace detail {

/// Tokens of a tile: twelve sums, which sixteen registers hold beside the levels of a value and the
/// value.
inline constexpr std::size_t exact_panel_tokens = 12 / parts_together;
/// From so many tokens on it is faster than a tile that makes numbers of levels itself.
inline constexpr std::size_t exact_panels_from = 12;
/// Blocks whose levels lie in the first-level cache, as numbers: 16 KB.
inline constexpr std::size_t piece_blocks = 8;
using PanelLevels = float[piece_blocks * quant_block][panel_rows];
/// Tokens that stay in the second-level cache while the panels stream past them, with a panel's
/// sums.
inline constexpr std::size_t exact_panel_group = 48;
using PanelSums = float[exact_panel_group][panel_rows];
static_assert(exact_panel_group % exact_panel_tokens == 0);

/// Value i of a step, from 0 to 4 · step_quads - 1, as a number: with its bias turned it is a
/// signed integer, which is shifted to the lane's top and back.
template <class Format, std::size_t i>
HWY_INLINE hn::Vec<PanelF32> level(hn::Vec<PanelU8> step) {
    constexpr int width = 8 / step_quads<Format>, from = i % 4 * 8 + i / 4 * width;
    constexpr std::uint8_t signs = step_quads<Format> == 1 ? 0x80 : 0x88;
    const auto all = hn::BitCast(PanelI32(), hn::Xor(step, hn::Set(PanelU8(), signs)));
    const auto top = hn::ShiftLeft<32 - width - from>(all);
    return hn::ConvertTo(PanelF32(), hn::ShiftRight<32 - width>(top));
}

/// Place in a block of value i of a step.
template <class Format>
constexpr std::size_t value_of(std::size_t step, std::size_t i) {
    const std::size_t quad = step + i / 4 * block_steps<Format>;
    return 4 * quad + i % 4;
}

/// Every level of `blocks` blocks of a panel.
template <class Format>
HWY_INLINE void take_levels(const PanelBlock<Format>* w, std::size_t blocks, PanelLevels& out) {
    for (std::size_t b = 0; b < blocks; ++b)
        for (std::size_t part = 0; part < panel_parts; ++part)
            unroll<block_steps<Format>>([&](auto step) __attribute__((always_inline)) {
                const auto bytes = load_step(w[b], step, part);
                unroll<4 * step_quads<Format>>([&](auto i) __attribute__((always_inline)) {
                    float* to = out[b * quant_block + value_of<Format>(step, i)];
                    hn::Store(level<Format, i>(bytes), PanelF32(), to + part * panel_lanes);
                });
            });
}

/// sums[c] += the products of `blocks` blocks with token c, for the rows of parts_together parts.
template <class Format>
HWY_INLINE void exact_panel_tile(const PanelBlock<Format>* w, const PanelLevels& levels,
                                 std::size_t part, std::size_t blocks, const float* const* x,
                                 float (*sums)[panel_rows]) {
    const PanelF32 d;
    constexpr std::size_t tokens = exact_panel_tokens, count = parts_together * tokens;
    for (std::size_t b = 0; b < blocks; ++b) {
        const auto sum_of = [&](std::size_t odd, auto& all) __attribute__((always_inline)) {
            unroll<count>([&](auto i) __attribute__((always_inline)) {
                all[i] = in_register(hn::Zero(d));
            });
            const auto add = [&](std::size_t k) __attribute__((always_inline)) {
                hn::Vec<PanelF32> ws[parts_together];
                unroll<parts_together>([&](auto v) __attribute__((always_inline)) {
                    ws[v] = in_register(hn::Load(d, levels[k] + (part + v) * panel_lanes));
                });
                unroll<tokens>([&](auto c) __attribute__((always_inline)) {
                    const auto value = in_register(hn::Set(d, x[c][k]));
                    unroll<parts_together>([&](auto v) __attribute__((always_inline)) {
                        auto& sum = all[c * parts_together + v];
                        sum = hn::MulAdd(ws[v], value, sum);
                    });
                });
            };
            for (std::size_t step = 0; step < block_steps<Format>; ++step)
                for (std::size_t quad = 0; quad < step_quads<Format>; ++quad) {
                    const std::size_t i = b * quant_block + value_of<Format>(step, 4 * quad) + odd;
                    add(i);
                    add(i + 2);
                }
        };
        hn::Vec<PanelF32> even[count], odd[count];
        sum_of(0, even);
        sum_of(1, odd);
        unroll<parts_together>([&](auto v) __attribute__((always_inline)) {
            const auto scale = load_scales(w[b], part + v);
            unroll<tokens>([&](auto c) __attribute__((always_inline)) {
                const std::size_t i = c * parts_together + v;
                float* to = sums[c] + (part + v) * panel_lanes;
                hn::Store(hn::MulAdd(hn::Add(even[i], odd[i]), scale, hn::Load(d, to)), d, to);
            });
        });
    }
}

/// `panels` panels, their first blocks `stride` blocks apart, with `columns` tokens: a level is
/// multiplied as soon as it is a number. A panel's sums go to y + its number · y_panel, those of
/// its first `rows` rows.
template <std::size_t panels, std::size_t columns, class Format>
HWY_INLINE void exact_panel_columns(const PanelBlock<Format>* w, std::size_t stride,
                                    std::size_t blocks, const float* x, std::size_t x_stride,
                                    float* y, std::size_t y_panel, std::size_t y_stride,
                                    std::size_t rows) {
    const PanelF32 d;
    constexpr std::size_t count = panels * columns;
    alignas(64) float sums[count][panel_rows] = {};
    for (std::size_t block = 0; block < blocks; ++block, ++w, x += quant_block)
        for (std::size_t part = 0; part < panel_parts; ++part) {
            hn::Vec<PanelF32> halves[count][2];
            unroll<count>([&](auto i) __attribute__((always_inline)) {
                halves[i][0] = halves[i][1] = hn::Zero(d);
            });
            for (std::size_t step = 0; step < block_steps<Format>; ++step) {
                hn::Vec<PanelU8> bytes[panels];
                unroll<panels>([&](auto p) __attribute__((always_inline)) {
                    bytes[p] = in_register(load_step(w[p * stride], step, part));
                });
                unroll<4 * step_quads<Format>>([&](auto i) __attribute__((always_inline)) {
                    hn::Vec<PanelF32> weights[panels];
                    unroll<panels>([&](auto p) __attribute__((always_inline)) {
                        weights[p] = in_register(level<Format, i>(bytes[p]));
                    });
                    unroll<columns>([&](auto c) __attribute__((always_inline)) {
                        const auto value =
                            in_register(hn::Set(d, x[c * x_stride + value_of<Format>(step, i)]));
                        unroll<panels>([&](auto p) __attribute__((always_inline)) {
                            auto& sum = halves[p * columns + c][i % 2];
                            sum = in_register(hn::MulAdd(weights[p], value, sum));
                        });
                    });
                });
            }
            unroll<panels>([&](auto p) __attribute__((always_inline)) {
                const auto scale = load_scales(w[p * stride], part);
                unroll<columns>([&](auto c) __attribute__((always_inline)) {
                    constexpr std::size_t i = p * columns + c;
                    float* sum = sums[i] + part * panel_lanes;
                    const auto block_sum = hn::Add(halves[i][0], halves[i][1]);
                    hn::Store(hn::MulAdd(block_sum, scale, hn::Load(d, sum)), d, sum);
                });
            });
        }
    for (std::size_t p = 0; p < panels; ++p)
        for (std::size_t c = 0; c < columns; ++c)
            std::copy_n(sums[p * columns + c], rows, y + p * y_panel + c * y_stride);
}

/// As exact_panels, for many tokens.
template <class Format>
HWY_NOINLINE void exact_panel_groups(const PanelBlock<Format>* w, std::size_t blocks,
                                     std::size_t rows, const float* x, std::size_t x_stride,
                                     std::size_t tokens, float* y, std::size_t y_stride) {
    alignas(64) PanelLevels levels;
    for (std::size_t from = 0; from < tokens; from += exact_panel_group) {
        const std::size_t group = std::min(exact_panel_group, tokens - from);
        const PanelBlock<Format>* panel = w;
        for (std::size_t r = 0; r < rows; r += panel_rows, panel += blocks) {
            alignas(64) PanelSums sums = {};
            for (std::size_t b = 0; b < blocks; b += piece_blocks) {
                const std::size_t n = std::min(piece_blocks, blocks - b);
                take_levels(panel + b, n, levels);
                for (std::size_t c = 0; c < group; c += exact_panel_tokens) {
                    // All of a tile's places are computed: the last repeat the last token.
                    const float* xs[exact_panel_tokens];
                    for (std::size_t i = 0; i < exact_panel_tokens; ++i)
                        xs[i] =
                            x + (from + std::min(c + i, group - 1)) * x_stride + b * quant_block;
                    for (std::size_t part = 0; part < panel_parts; part += parts_together)
                        exact_panel_tile(panel + b, levels, part, n, xs, sums + c);
                }
            }
            for (std::size_t c = 0; c < group; ++c)
                std::copy_n(sums[c], std::min(panel_rows, rows - r), y + (from + c) * y_stride + r);
        }
    }
}

}  // namespace detail

/// y[c · y_stride + r] = w[r] · x[c] for r < rows, the rows of panels of `blocks` blocks each, and
/// each of the tokens.
template <class Format>
inline void exact_panels(const PanelBlock<Format>* w, std::size_t blocks, std::size_t rows,
                         const float* x, std::size_t x_stride, std::size_t tokens, float* y,
                         std::size_t y_stride) noexcept {
    using namespace detail;
    if (tokens >= exact_panels_from)
        return exact_panel_groups(w, blocks, rows, x, x_stride, tokens, y, y_stride);
    const auto take = [&](auto columns, std::size_t c, auto places, const PanelBlock<Format>* first,
                          std::size_t stride, float* to, std::size_t y_panel, std::size_t n) {
        exact_panel_columns<places, columns>(first, stride, blocks, x + c * x_stride, x_stride,
                                             to + c * y_stride, y_panel, y_stride, n);
    };
    if (tokens <= few_tokens) {
        with_constant<few_tokens>(tokens, [&](auto columns) {
            for_places<panel_places<columns>>(w, blocks, rows, y,
                                              [&](auto... at) { take(columns, 0, at...); });
        });
        return;
    }
    for_places<1>(w, blocks, rows, y, [&](auto... at) {
        for (std::size_t c = 0; c < tokens; c += few_tokens)
            with_constant<few_tokens>(std::min(few_tokens, tokens - c),
                                      [&](auto columns) { take(columns, c, at...); });
    });
}

}  // namespace HWY_NAMESPACE
}  // namespace carat::inline CARAT_ABI::simd
HWY_AFTER_NAMESPACE();

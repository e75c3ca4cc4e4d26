/// \file
/// Products of quantised panels with many tokens in f32: the sums that one token alone has, bit for
/// bit, but levels become numbers once for all tokens.
#pragma once

#include "carat/simd/block_product.hpp"
#include "carat/simd/unroll.hpp"
#include "carat/tensor/quantized.hpp"

#include <algorithm>
#include <cstddef>

HWY_BEFORE_NAMESPACE();
namespace carat::inline CARAT_ABI::simd {
inline namespace HWY_NAMESPACE {
namespace detail {

/// Parts of a panel that are multiplied together, and the tokens of a tile: twelve sums, which
/// sixteen registers hold beside the levels of a value and the value.
inline constexpr std::size_t exact_parts = std::min<std::size_t>(2, panel_parts);
inline constexpr std::size_t exact_panel_tokens = 12 / exact_parts;
/// From so many tokens on it is faster than a tile that makes numbers of levels itself.
inline constexpr std::size_t exact_panels_from = 13;
/// Blocks whose levels lie in the first-level cache, as numbers: 16 KB.
inline constexpr std::size_t piece_blocks = 8;
using PanelLevels = float[piece_blocks * quant_block][panel_rows];
/// Tokens that stay in the second-level cache while the panels stream past them, with a panel's
/// sums.
inline constexpr std::size_t exact_panel_group = 48;
using PanelSums = float[exact_panel_group][panel_rows];
static_assert(exact_panel_group % exact_panel_tokens == 0);

/// Every level of `blocks` blocks of a panel.
template <class Format>
HWY_INLINE void take_levels(const PanelBlock<Format>* w, std::size_t blocks, PanelLevels& out) {
    using Product = BlockProduct<Format, float>;
    for (std::size_t b = 0; b < blocks; ++b)
        for (std::size_t part = 0; part < panel_parts; ++part)
            unroll<block_steps<Format>>([&](auto step) __attribute__((always_inline)) {
                const auto bytes = load_step(w[b], step, part);
                unroll<step_quads<Format>>([&](auto half) __attribute__((always_inline)) {
                    const auto levels = Product::template levels<half>(bytes);
                    auto* to = &out[b * quant_block + 4 * (step + half * block_steps<Format>)];
                    for (std::size_t i = 0; i < 4; ++i)
                        hn::Store(levels.values[i], PanelF32(), to[i] + part * panel_lanes);
                });
            });
}

/// sums[c] += the products of `blocks` blocks with token c, for the rows of exact_parts parts.
template <class Format>
HWY_INLINE void exact_panel_tile(const PanelBlock<Format>* w, const PanelLevels& levels,
                                 std::size_t part, std::size_t blocks, const float* const* x,
                                 float (*sums)[panel_rows]) {
    const PanelF32 d;
    constexpr std::size_t tokens = exact_panel_tokens, count = exact_parts * tokens;
    for (std::size_t b = 0; b < blocks; ++b) {
        // A token alone has a sum of the even and one of the odd values of a block, of quads in the
        // order of their bytes.
        const auto sum_of = [&](std::size_t odd, auto& all) __attribute__((always_inline)) {
            unroll<count>([&](auto i) __attribute__((always_inline)) {
                all[i] = in_register(hn::Zero(d));
            });
            const auto add = [&](std::size_t k) __attribute__((always_inline)) {
                hn::Vec<PanelF32> ws[exact_parts];
                unroll<exact_parts>([&](auto v) __attribute__((always_inline)) {
                    ws[v] = in_register(hn::Load(d, levels[k] + (part + v) * panel_lanes));
                });
                unroll<tokens>([&](auto c) __attribute__((always_inline)) {
                    const auto value = in_register(hn::Set(d, x[c][k]));
                    unroll<exact_parts>([&](auto v) __attribute__((always_inline)) {
                        auto& sum = all[c * exact_parts + v];
                        sum = hn::MulAdd(ws[v], value, sum);
                    });
                });
            };
            for (std::size_t step = 0; step < block_steps<Format>; ++step)
                for (std::size_t half = 0; half < step_quads<Format>; ++half) {
                    const std::size_t quad = step + half * block_steps<Format>;
                    add(b * quant_block + 4 * quad + odd);
                    add(b * quant_block + 4 * quad + odd + 2);
                }
        };
        hn::Vec<PanelF32> even[count], odd[count];
        sum_of(0, even);
        sum_of(1, odd);
        unroll<exact_parts>([&](auto v) __attribute__((always_inline)) {
            const auto scale = load_scales(w[b], part + v);
            unroll<tokens>([&](auto c) __attribute__((always_inline)) {
                const std::size_t i = c * exact_parts + v;
                float* to = sums[c] + (part + v) * panel_lanes;
                hn::Store(hn::MulAdd(hn::Add(even[i], odd[i]), scale, hn::Load(d, to)), d, to);
            });
        });
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
                    for (std::size_t part = 0; part < panel_parts; part += exact_parts)
                        exact_panel_tile(panel + b, levels, part, n, xs, sums + c);
                }
            }
            for (std::size_t c = 0; c < group; ++c)
                std::copy_n(sums[c], std::min(panel_rows, rows - r), y + (from + c) * y_stride + r);
        }
    }
}

}  // namespace HWY_NAMESPACE
}  // namespace carat::inline CARAT_ABI::simd
HWY_AFTER_NAMESPACE();

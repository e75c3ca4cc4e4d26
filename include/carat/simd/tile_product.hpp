/// \file
/// Products by matrix tiles: sixteen tokens with packed rows of bf16, or with a quantised panel.
#pragma once

#include "carat/simd/block_product.hpp"
#include "carat/simd/tiles.hpp"
#include "carat/simd/unroll.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>

HWY_BEFORE_NAMESPACE();
namespace carat::inline CARAT_ABI::simd {
inline namespace HWY_NAMESPACE {
namespace detail {

/// Rows of weights in pairs, as tiles take them: [depth / 2, 16, 2] for each sixteen rows. Strides
/// in pairs: of a step, and of the next sixteen rows.
struct TilePairs {
    const std::uint32_t* data;
    std::size_t step, side;
};

/// Sums of lefts · 16 tokens with rights · 16 rows: zeros, or what lies at y.
template <std::size_t lefts, std::size_t rights, class T>
HWY_INLINE void tile_begin(T& tiles, const float* y, std::size_t y_stride, bool add) {
    tiles.template zero<0>();
    if constexpr (rights == 2) tiles.template zero<1>();
    if constexpr (lefts == 2) tiles.template zero<2>();
    if constexpr (lefts == 2 && rights == 2) tiles.template zero<3>();
    if (!add) return;
    const std::size_t bytes = y_stride * sizeof(float);
    const float* low = y + tile_side * y_stride;
    tiles.template load<0>(y, bytes);
    if constexpr (rights == 2) tiles.template load<1>(y + tile_side, bytes);
    if constexpr (lefts == 2) tiles.template load<2>(low, bytes);
    if constexpr (lefts == 2 && rights == 2) tiles.template load<3>(low + tile_side, bytes);
}
/// Adds the products over `depth` values, a multiple of tile_depth.
template <std::size_t lefts, std::size_t rights, class T>
HWY_INLINE void tile_add(T& tiles, const TilePairs& w, const bf16* x, std::size_t x_stride,
                         std::size_t depth) {
    const std::size_t w_bytes = w.step * sizeof(std::uint32_t), x_bytes = x_stride * sizeof(bf16);
    const bf16* low = x + tile_side * x_stride;
    for (std::size_t k = 0; k < depth; k += tile_depth) {
        const std::uint32_t* right = w.data + k / 2 * w.step;
        tiles.template load<6>(right, w_bytes);
        tiles.template load<4>(x + k, x_bytes);
        if constexpr (rights == 2) tiles.template load<7>(right + w.side, w_bytes);
        tiles.template multiply<0, 4, 6>();
        if constexpr (lefts == 2) tiles.template load<5>(low + k, x_bytes);
        if constexpr (rights == 2) tiles.template multiply<1, 4, 7>();
        if constexpr (lefts == 2) tiles.template multiply<2, 5, 6>();
        if constexpr (lefts == 2 && rights == 2) tiles.template multiply<3, 5, 7>();
    }
}
template <std::size_t lefts, std::size_t rights, class T>
HWY_INLINE void tile_end(T& tiles, float* y, std::size_t y_stride) {
    const std::size_t bytes = y_stride * sizeof(float);
    float* low = y + tile_side * y_stride;
    tiles.template store<0>(y, bytes);
    if constexpr (rights == 2) tiles.template store<1>(y + tile_side, bytes);
    if constexpr (lefts == 2) tiles.template store<2>(low, bytes);
    if constexpr (lefts == 2 && rights == 2) tiles.template store<3>(low + tile_side, bytes);
}

/// f(tiles, lefts, first) for groups of 16 · lefts tokens, lefts 2 or 1; the last may have fewer.
template <class T, class F>
HWY_INLINE void for_tile_groups(std::size_t tokens, const F& f) {
    constexpr Size<1> one;
    constexpr Size<2> two;
    const std::size_t whole = tokens / tile_side * tile_side;
    if (whole > 0) {
        T tiles;
        std::size_t c = 0;
        for (; c + 2 * tile_side <= whole; c += 2 * tile_side) f(tiles, two, c);
        if (c < whole) f(tiles, one, c);
    }
    if (whole < tokens) {
        T tiles(tokens - whole);
        f(tiles, one, whole);
    }
}

/// y[c, r] (+)= w[r] · x[c] for `rows` rows of `packed`, a multiple of 32, which lie in pairs as
/// [depth / 2, packed, 2]. `depth` is a multiple of tile_depth.
template <class T, std::size_t packed>
void tile_product(const std::uint32_t* w, std::size_t rows, std::size_t depth, const bf16* x,
                  std::size_t x_stride, std::size_t tokens, float* y, std::size_t y_stride,
                  bool add) {
    for_tile_groups<T>(tokens, [&](T& tiles, auto lefts, std::size_t c) {
        for (std::size_t r = 0; r < rows; r += 2 * tile_side) {
            const auto product = [&](float* out, std::size_t stride) {
                tile_begin<lefts, 2>(tiles, out, stride, add);
                tile_add<lefts, 2>(tiles, {w + r, packed, tile_side}, x + c * x_stride, x_stride,
                                   depth);
                tile_end<lefts, 2>(tiles, out, stride);
            };
            float* out = y + c * y_stride + r;
            const std::size_t wanted = std::min(2 * tile_side, rows - r);
            if (wanted == 2 * tile_side) {
                product(out, y_stride);
                continue;
            }
            // The last rows of a matrix: through a place of their own.
            const std::size_t n = std::min(lefts * tile_side, tokens - c);
            alignas(64) float copy[2 * tile_side][2 * tile_side] = {};
            for (std::size_t t = 0; t < n && add; ++t)
                std::copy_n(out + t * y_stride, wanted, copy[t]);
            product(copy[0], 2 * tile_side);
            for (std::size_t t = 0; t < n; ++t) std::copy_n(copy[t], wanted, out + t * y_stride);
        }
    });
}

/// panel_product() of bf16: y[r, lane] = Σ_i x[r, i] · w[lane, i] over begin <= i < end. `inner` is
/// a multiple of tile_depth.
template <class T>
void lane_tile_product(const bf16* x, std::size_t x_stride, std::size_t rows, const bf16* w,
                       std::size_t inner, std::size_t panels, std::size_t begin, std::size_t end,
                       float* y, std::size_t y_stride) {
    const auto* pairs = reinterpret_cast<const std::uint32_t*>(w);
    const std::size_t side = inner / 2 * tile_side;
    const std::size_t first = (begin + tile_depth - 1) / tile_depth * tile_depth;
    const std::size_t last = end / tile_depth * tile_depth;
    for_tile_groups<T>(rows, [&](T& tiles, auto lefts, std::size_t r) {
        const bf16* xr = x + r * x_stride;
        const std::size_t n = std::min(lefts * tile_side, rows - r);
        const auto some = [&](auto rights, std::size_t p) __attribute__((always_inline)) {
            // A step of which only [from, to) counts: what else lies there may be anything.
            const auto edge = [&](std::size_t from, std::size_t to) {
                alignas(64) bf16 x_copy[2 * tile_side][tile_depth] = {};
                alignas(64) std::uint32_t w_copy[2][tile_depth / 2][tile_side] = {};
                const std::size_t k = from / tile_depth * tile_depth;
                for (std::size_t t = 0; t < n; ++t)
                    std::copy(xr + t * x_stride + from, xr + t * x_stride + to,
                              x_copy[t] + (from - k));
                for (std::size_t right = 0; right < rights; ++right)
                    for (std::size_t i = from / 2; i < (to + 1) / 2; ++i) {
                        const std::uint32_t used =
                            (2 * i < from ? 0u : 0xffffu) | (2 * i + 1 < to ? 0xffff0000u : 0u);
                        for (std::size_t lane = 0; lane < tile_side; ++lane) {
                            std::uint32_t& pair = w_copy[right][i - k / 2][lane];
                            const std::size_t at = (p + right) * side + i * tile_side + lane;
                            __builtin_memcpy(&pair, w + 2 * at, sizeof pair);
                            pair &= used;
                        }
                    }
                tile_add<lefts, rights>(tiles,
                                        {w_copy[0][0], tile_side, tile_depth / 2 * tile_side},
                                        x_copy[0], tile_depth, tile_depth);
            };
            float* out = y + r * y_stride + p * tile_side;
            tile_begin<lefts, rights>(tiles, out, y_stride, false);
            if (begin < std::min(first, end)) edge(begin, std::min(first, end));
            if (first < last)
                tile_add<lefts, rights>(tiles,
                                        {pairs + p * side + first / 2 * tile_side, tile_side, side},
                                        xr + first, x_stride, last - first);
            if (std::max(first, last) < end && first <= last) edge(last, end);
            tile_end<lefts, rights>(tiles, out, y_stride);
        };
        std::size_t p = 0;
        for (; p + 2 <= panels; p += 2) some(Size<2>(), p);
        if (p < panels) some(Size<1>(), p);
    });
}

/// Blocks of a panel as tiles take them: levels without bias, scales in f32.
struct TileBlocks {
    static constexpr std::size_t most = 32;
    alignas(64) std::int8_t levels[most][quant_block / 4][panel_rows * 4];
    alignas(64) float scales[most][panel_rows];

    template <class Format>
    void set(const PanelBlock<Format>* w, std::size_t blocks) {
        const PanelU8 d;
        const auto bias = hn::Set(d, std::uint8_t{PanelBlock<Format>::bias});
        for (std::size_t b = 0; b < blocks; ++b)
            for (std::size_t part = 0; part < panel_parts; ++part) {
                const std::size_t lane = part * panel_lanes;
                unroll<block_steps<Format>>([&](auto step) __attribute__((always_inline)) {
                    const auto bytes = load_step(w[b], step, part);
                    unroll<step_quads<Format>>([&](auto half) __attribute__((always_inline)) {
                        const auto level = hn::Sub(biased<Format, half>(bytes), bias);
                        hn::Store(hn::BitCast(PanelI8(), level), PanelI8(),
                                  &levels[b][step + half * block_steps<Format>][lane * 4]);
                    });
                });
                hn::Store(load_scales(w[b], part), PanelF32(), &scales[b][lane]);
            }
    }
};

/// y[c, r] (+)= w[r] · x[c] for sixteen tokens and the first `rows` rows of a panel: every block as
/// BlockProduct has it, bit for bit.
template <class T>
HWY_INLINE void panel_tile_group(T& tiles, const TileBlocks& w, std::size_t blocks,
                                 const q8_activation* x, std::size_t x_stride, float* y,
                                 std::size_t y_stride, std::size_t rows, bool add) {
    const PanelF32 d;
    for (std::size_t at = 0; at < rows; at += panel_lanes) {
        const std::size_t n = std::min(panel_lanes, rows - at);
        hn::Vec<PanelF32> sums[tile_side];
        unroll<tile_side>([&](auto t) __attribute__((always_inline)) {
            sums[t] = add ? hn::LoadN(d, y + t * y_stride + at, n) : hn::Zero(d);
        });
        for (std::size_t b = 0; b < blocks; ++b) {
            alignas(64) std::int32_t products[tile_side][panel_rows];
            tiles.template zero<0>();
            tiles.template load<4>(x[b].q.data(), x_stride * sizeof(q8_activation));
            tiles.template load<6>(w.levels[b], sizeof w.levels[b][0]);
            tiles.template multiply<0, 4, 6>();
            tiles.template store<0>(products, sizeof products[0]);
            const auto scale = hn::Load(d, &w.scales[b][at]);
            unroll<tile_side>([&](auto t) __attribute__((always_inline)) {
                const auto total =
                    scaled(hn::Load(PanelI32(), &products[t][at]), x[t * x_stride + b]);
                sums[t] = hn::MulAdd(total, scale, sums[t]);
            });
        }
        unroll<tile_side>([&](auto t) __attribute__((always_inline)) {
            hn::StoreN(sums[t], d, y + t * y_stride + at, n);
        });
    }
}

/// The first `rows` rows of panels of `blocks` blocks with as many tokens as are whole tiles. Four
/// panels' blocks stay in the second-level cache, and a tile's tokens in the first for all four.
template <class T, class Format>
void panel_tile_product(const PanelBlock<Format>* w, std::size_t blocks, const q8_activation* x,
                        std::size_t x_stride, std::size_t tokens, float* y, std::size_t y_stride,
                        std::size_t rows) {
    constexpr std::size_t together = 4;
    T tiles;
    TileBlocks some[together];
    for (std::size_t r = 0; r < rows; r += together * panel_rows)
        for (std::size_t b = 0; b < blocks; b += TileBlocks::most) {
            const std::size_t n = std::min(TileBlocks::most, blocks - b);
            const std::size_t end = std::min(rows, r + together * panel_rows);
            for (std::size_t p = r; p < end; p += panel_rows)
                some[(p - r) / panel_rows].set(w + p / panel_rows * blocks + b, n);
            for (std::size_t c = 0; c + tile_side <= tokens; c += tile_side)
                for (std::size_t p = r; p < end; p += panel_rows)
                    panel_tile_group(tiles, some[(p - r) / panel_rows], n, x + c * x_stride + b,
                                     x_stride, y + c * y_stride + p, y_stride,
                                     std::min(panel_rows, rows - p), b > 0);
        }
}

}  // namespace detail
}  // namespace HWY_NAMESPACE
}  // namespace carat::inline CARAT_ABI::simd
HWY_AFTER_NAMESPACE();

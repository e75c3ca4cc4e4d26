/// \file
/// Products of many tokens in bf16: weights of any format are turned into packed rows a cache-sized
/// block at a time, and a register tile multiplies them with all tokens.
///
/// Packed rows lie so that a lane is a row, and nothing is added across lanes. Where the machine
/// has a fast bf16 dot product, a vector holds two consecutive values of each of its rows, beside a
/// broadcast pair of a token. Elsewhere both are widened once, to f32: weights for all tokens, a
/// tile's tokens for all rows of a block.
#pragma once

#include "carat/simd/convert.hpp"
#include "carat/simd/load.hpp"
#include "carat/simd/tile_product.hpp"
#include "carat/simd/unroll.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

HWY_BEFORE_NAMESPACE();
namespace carat::inline CARAT_ABI::simd {
inline namespace HWY_NAMESPACE {

namespace detail {

using Bf16Tag = hn::Repartition<hwy::bfloat16_t, F32Tag>;
using PairTag = hn::RebindToUnsigned<F32Tag>;  ///< a lane holds a pair of bf16
/// What is multiplied.
using PackedTag = std::conditional_t<packs_pairs, Bf16Tag, F32Tag>;

inline constexpr std::size_t f32_lanes = HWY_MAX_LANES_D(F32Tag);
/// Tile: with 32 registers 24 sums, four vectors of weights and a broadcast, ten loads for 24
/// products, where two of each are done a cycle; with 16 registers 12 sums and two vectors.
inline constexpr std::size_t tile_vectors = many_registers ? 4 : 2;
inline constexpr std::size_t tile_tokens = 6;
inline constexpr std::size_t tile_rows = tile_vectors * f32_lanes;
/// Values that a lane takes in a step.
inline constexpr std::size_t step_values = packs_pairs ? 2 : 1;
/// Rows of a block, and steps of each: 64 KB of packed weights, in the second-level cache, while
/// sums go through memory once in so many products.
inline constexpr std::size_t packed_rows = 64, packed_steps = 256;
inline constexpr std::size_t packed_depth = packed_steps * step_values;
static_assert(packed_rows % tile_rows == 0 && (!has_tiles || packed_rows == tile_rows));
/// Tokens that a block is packed for: their values and sums lie in the second-level cache, 460 of
/// 512 KB with it. 2520 tokens at once took 2 to 21 % longer on Zen 3. Pairs were not measured.
inline constexpr std::size_t token_block = packs_pairs ? SIZE_MAX : 86 * tile_tokens;

/// A block of packed rows, on the stack of the thread that multiplies with it.
struct PackedBlock {
    using Tile = std::uint32_t[packed_steps][tile_rows];
    alignas(64) Tile tiles[packed_rows / tile_rows];

    /// Sets pair p of the rows from `row` on, as many as a vector has lanes.
    HWY_INLINE void set(std::size_t p, std::size_t row, hn::Vec<PairTag> pairs) {
        const PairTag d;
        Tile& tile = tiles[row / tile_rows];
        row %= tile_rows;
        if constexpr (packs_pairs) {
            hn::Store(pairs, d, &tile[p][row]);
        } else {
            hn::Store(hn::ShiftLeft<16>(pairs), d, &tile[2 * p][row]);
            hn::Store(hn::And(pairs, hn::Set(d, 0xffff0000u)), d, &tile[2 * p + 1][row]);
        }
    }
};

/// A tile's tokens, as packed rows are multiplied with them: as they lie,
struct PairTokens {
    const bf16* rows[tile_tokens];

    HWY_INLINE void take(const bf16* const* x, std::size_t) { std::copy_n(x, tile_tokens, rows); }
    /// Step s of token c in all lanes.
    HWY_INLINE hn::Vec<PackedTag> spread(std::size_t c, std::size_t s) const {
        std::uint32_t pair;
        std::memcpy(&pair, rows[c] + 2 * s, sizeof pair);
        return hn::BitCast(PackedTag(), hn::Set(PairTag(), pair));
    }
};
/// or widened.
struct WideTokens {
    // Not a power of two apart: a tile did 31 to 43 instead of 50 G multiply-adds/s so on Zen 3.
    alignas(64) float values[tile_tokens][packed_steps + 16];

    HWY_INLINE void take(const bf16* const* x, std::size_t depth) {
        for (std::size_t c = 0; c < tile_tokens; ++c) scale_row(x[c], depth, 1.0f, values[c]);
    }
    HWY_INLINE F32Vec spread(std::size_t c, std::size_t s) const {
        return hn::Set(F32Tag(), values[c][s]);
    }
};
using TileTokens = std::conditional_t<packs_pairs, PairTokens, WideTokens>;

HWY_INLINE F32Vec add_product(hn::Vec<Bf16Tag> w, hn::Vec<Bf16Tag> x, F32Vec sum) {
    auto unused = hn::Zero(F32Tag());  // the instruction adds a lane's pair itself
    return hn::ReorderWidenMulAccumulate(F32Tag(), w, x, sum, unused);
}
HWY_INLINE F32Vec add_product(F32Vec w, F32Vec x, F32Vec sum) { return hn::MulAdd(w, x, sum); }

/// y[c][0 … tile_rows) (+)= w · x[c] for the tokens of a tile. Sums start from y where `add`. Asks
/// for the values of `next`, the tokens of the tile behind it, as it goes: all at once, or none,
/// takes Zen 5 longer (1.03 and 1.01 to 1.02 times, the vision tower).
HWY_INLINE void packed_tile(const PackedBlock::Tile& w, const TileTokens& x, std::size_t steps,
                            const bf16* const* next, float* const* y, bool add) {
    const F32Tag d;
    F32Vec sums[tile_tokens * tile_vectors];
    unroll<tile_tokens>([&](auto c) __attribute__((always_inline)) {
        unroll<tile_vectors>([&](auto v) __attribute__((always_inline)) {
            sums[c * tile_vectors + v] = add ? hn::LoadU(d, y[c] + v * f32_lanes) : hn::Zero(d);
        });
    });
    const auto step = [&](std::size_t s) __attribute__((always_inline)) {
        hn::Vec<PackedTag> ws[tile_vectors];
        unroll<tile_vectors>([&](auto v) __attribute__((always_inline)) {
            ws[v] = hn::BitCast(PackedTag(), hn::Load(PairTag(), &w[s][v * f32_lanes]));
        });
        unroll<tile_tokens>([&](auto c) __attribute__((always_inline)) {
            const auto value = x.spread(c, s);
            unroll<tile_vectors>([&](auto v) __attribute__((always_inline)) {
                auto& sum = sums[c * tile_vectors + v];
                sum = add_product(ws[v], value, sum);
            });
        });
    };
    constexpr std::size_t line = cache_line / sizeof(bf16) / step_values;
    for (std::size_t s = 0; s < steps;) {
        unroll<tile_tokens>([&](auto c) __attribute__((always_inline)) {
            prefetch(next[c], s * step_values);
        });
        for (const std::size_t end = std::min(steps, s + line); s < end; ++s) step(s);
    }
    unroll<tile_tokens>([&](auto c) __attribute__((always_inline)) {
        unroll<tile_vectors>([&](auto v) __attribute__((always_inline)) {
            hn::StoreU(sums[c * tile_vectors + v], d, y[c] + v * f32_lanes);
        });
    });
}

/// One block of packed rows with every token. `rows` of packed_rows are wanted, `depth` is even.
[[gnu::noinline]] inline void packed_product(const PackedBlock& w, std::size_t rows,
                                             std::size_t depth, const bf16* x, std::size_t x_stride,
                                             std::size_t tokens, float* y, std::size_t y_stride,
                                             bool add) {
    for (std::size_t first = 0; first < tokens; first += tile_tokens) {
        // All of a tile's places are computed: the last tile repeats its last token.
        const std::size_t n = std::min(tile_tokens, tokens - first);
        const auto token = [&](std::size_t c) { return first + std::min(c, n - 1); };
        const bf16 *xs[tile_tokens], *next[tile_tokens];
        for (std::size_t c = 0; c < tile_tokens; ++c) {
            xs[c] = x + token(c) * x_stride;
            next[c] = x + std::min(first + tile_tokens + c, tokens - 1) * x_stride;
        }
        TileTokens taken;
        taken.take(xs, depth);
        for (std::size_t r = 0; r < rows; r += tile_rows) {
            const auto& tile = w.tiles[r / tile_rows];
            float* ys[tile_tokens];
            for (std::size_t c = 0; c < tile_tokens; ++c) ys[c] = y + token(c) * y_stride + r;
            const std::size_t wanted = std::min(tile_rows, rows - r);
            if (wanted == tile_rows) {
                packed_tile(tile, taken, depth / step_values, next, ys, add);
                continue;
            }
            // The last rows of a matrix: through a place of their own.
            float copy[tile_tokens][tile_rows] = {};
            float* copies[tile_tokens];
            for (std::size_t c = 0; c < tile_tokens; ++c) {
                copies[c] = copy[c];
                if (add) std::copy_n(ys[c], wanted, copy[c]);
            }
            packed_tile(tile, taken, depth / step_values, next, copies, add);
            for (std::size_t c = 0; c < n; ++c) std::copy_n(copy[c], wanted, ys[c]);
        }
    }
}

/// Packs `rows` rows of bf16. Four pairs of each of a vector's rows are brought together block by
/// block of 128 bits and transposed within the blocks.
[[gnu::noinline]] inline void pack_rows(const bf16* w, std::size_t w_stride, std::size_t rows,
                                        std::size_t depth, PackedBlock& out) {
    const PairTag d;
    const hn::Repartition<std::uint64_t, PairTag> d64;
    const hn::BlockDFromD<PairTag> block;
    const auto row = [&](std::size_t r) { return w + std::min(r, rows - 1) * w_stride; };
    const auto pair = [](const bf16* p) {
        std::uint32_t v;
        std::memcpy(&v, p, sizeof v);
        return v;
    };
    const std::size_t pairs = depth / 2, whole = pairs / 4 * 4;
    const std::size_t whole_tiles = (rows + tile_rows - 1) / tile_rows * tile_rows;
    for (std::size_t v = 0; v < whole_tiles; v += f32_lanes) {
        const bf16* from[f32_lanes];
        for (std::size_t r = 0; r < f32_lanes; ++r) from[r] = row(v + r);
        for (std::size_t p = 0; p < whole; p += 4) {
            hn::Vec<PairTag> t[4];
            unroll<4>([&](auto i) __attribute__((always_inline)) {
                const auto quad = [&](std::size_t b) __attribute__((always_inline)) {
                    return hn::LoadU(
                        block, reinterpret_cast<const std::uint32_t*>(from[4 * b + i] + 2 * p));
                };
                t[i] = hn::ResizeBitCast(d, quad(0));
                if constexpr (f32_lanes > 4) t[i] = hn::InsertBlock<1>(t[i], quad(1));
                if constexpr (f32_lanes > 8) {
                    t[i] = hn::InsertBlock<2>(t[i], quad(2));
                    t[i] = hn::InsertBlock<3>(t[i], quad(3));
                }
            });
            const auto a = hn::BitCast(d64, hn::InterleaveLower(d, t[0], t[1]));
            const auto b = hn::BitCast(d64, hn::InterleaveLower(d, t[2], t[3]));
            const auto e = hn::BitCast(d64, hn::InterleaveUpper(d, t[0], t[1]));
            const auto f = hn::BitCast(d64, hn::InterleaveUpper(d, t[2], t[3]));
            out.set(p, v, hn::BitCast(d, hn::InterleaveLower(d64, a, b)));
            out.set(p + 1, v, hn::BitCast(d, hn::InterleaveUpper(d64, a, b)));
            out.set(p + 2, v, hn::BitCast(d, hn::InterleaveLower(d64, e, f)));
            out.set(p + 3, v, hn::BitCast(d, hn::InterleaveUpper(d64, e, f)));
        }
        for (std::size_t p = whole; p < pairs; ++p) {
            std::uint32_t rest[f32_lanes];
            for (std::size_t r = 0; r < f32_lanes; ++r) rest[r] = pair(from[r] + 2 * p);
            out.set(p, v, hn::LoadU(d, rest));
        }
    }
}

}  // namespace detail

/// y[c · y_stride + r - begin] = w[r] · x[c] for begin <= r < end and each token c, by packed
/// blocks that pack(first_row, rows, first_value, depth, block) fills. `in` is even.
template <class Pack>
inline void packed_matmul(std::size_t begin, std::size_t end, std::size_t in, const bf16* x,
                          std::size_t tokens, float* y, std::size_t y_stride, const Pack& pack) {
    using namespace detail;
    PackedBlock block;
    const auto multiply = [&](auto&& product) {
        for (std::size_t r = begin; r < end; r += packed_rows) {
            const std::size_t rows = std::min(packed_rows, end - r);
            for (std::size_t k = 0; k < in; k += packed_depth) {
                const std::size_t depth = std::min(packed_depth, in - k);
                pack(r, rows, k, depth, block);
                product(rows, depth, x + k, y + (r - begin), k > 0);
            }
        }
    };
    if constexpr (has_tiles)
        if (in % tile_depth == 0 && Tiles<sizeof(bf16)>::allowed()) {
            multiply([&](std::size_t rows, std::size_t depth, const bf16* xk, float* yr, bool add) {
                tile_product<Tiles<sizeof(bf16)>, packed_rows>(block.tiles[0][0], rows, depth, xk,
                                                               in, tokens, yr, y_stride, add);
            });
            return;
        }
    // Parts of about one size, of whole tiles but for the last.
    const std::size_t parts = tokens / token_block + 1;
    const std::size_t part = (tokens / parts / tile_tokens + 1) * tile_tokens;
    for (std::size_t t = 0; t < tokens; t += part) {
        const std::size_t n = std::min(part, tokens - t);
        multiply([&](std::size_t rows, std::size_t depth, const bf16* xk, float* yr, bool add) {
            packed_product(block, rows, depth, xk + t * in, in, n, yr + t * y_stride, y_stride,
                           add);
        });
    }
}

}  // namespace HWY_NAMESPACE
}  // namespace carat::inline CARAT_ABI::simd
HWY_AFTER_NAMESPACE();

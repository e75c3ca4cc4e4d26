/// \file
/// Products of many tokens in bf16: weights of any format are turned into packed rows a cache-sized
/// block at a time, and a register tile multiplies them with all tokens.
///
/// Packed rows [depth / 2, packed_rows, 2] lie so that one vector holds two consecutive values of
/// each of its rows, which is what the bf16 dot product takes beside a broadcast pair of a token:
/// a lane is a row, and nothing is added across lanes.
#pragma once

#include "carat/simd/load.hpp"
#include "carat/simd/unroll.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

HWY_BEFORE_NAMESPACE();
namespace carat::inline CARAT_ABI::simd {
inline namespace HWY_NAMESPACE {

/// Whether bf16 products are worth packing for: elsewhere f32 and 8-bit integers are faster.
inline constexpr bool packs_bf16 = native_dot_bf16;

namespace detail {

using Bf16Tag = hn::Repartition<hwy::bfloat16_t, F32Tag>;
using PairTag = hn::RebindToUnsigned<F32Tag>;  ///< a lane holds a pair of bf16

inline constexpr std::size_t f32_lanes = HWY_MAX_LANES_D(F32Tag);
/// Tile: 24 sums, four vectors of weights and a broadcast fill the registers of AVX-512 and NEON;
/// ten loads feed 24 dot products, where two of each are done a cycle.
inline constexpr std::size_t tile_vectors = 4, tile_tokens = 6;
inline constexpr std::size_t packed_rows = tile_vectors * f32_lanes;
/// Values of each row in a block: 64 KB of packed weights, in the second-level cache with AVX-512
/// (in the first with 128 bits), while sums go through memory once in 512 products.
inline constexpr std::size_t packed_depth = 512;

/// A block of packed rows, on the stack of the thread that multiplies with it.
struct PackedBlock {
    alignas(64) std::uint32_t pairs[packed_depth / 2][packed_rows];
};

/// y[c][0 … packed_rows) (+)= w · x[c] for the tokens of a tile. All of a tile's places are
/// computed: a caller with fewer tokens repeats one. Sums start from y where `add`.
HWY_INLINE void packed_tile(const PackedBlock& w, const bf16* const* x, std::size_t depth,
                            float* const* y, bool add) {
    const F32Tag d;
    const PairTag pairs;
    const Bf16Tag d16;
    F32Vec sums[tile_tokens * tile_vectors];
    unroll<tile_tokens>([&](auto c) __attribute__((always_inline)) {
        unroll<tile_vectors>([&](auto v) __attribute__((always_inline)) {
            sums[c * tile_vectors + v] = add ? hn::LoadU(d, y[c] + v * f32_lanes) : hn::Zero(d);
        });
    });
    const bf16* xs[tile_tokens];
    unroll<tile_tokens>([&](auto c) __attribute__((always_inline)) { xs[c] = x[c]; });
    for (std::size_t p = 0; p < depth / 2; ++p) {
        hn::Vec<Bf16Tag> ws[tile_vectors];
        unroll<tile_vectors>([&](auto v) __attribute__((always_inline)) {
            ws[v] = hn::BitCast(d16, hn::Load(pairs, &w.pairs[p][v * f32_lanes]));
        });
        unroll<tile_tokens>([&](auto c) __attribute__((always_inline)) {
            std::uint32_t pair;
            std::memcpy(&pair, xs[c] + 2 * p, sizeof pair);
            const auto both = hn::BitCast(d16, hn::Set(pairs, pair));
            unroll<tile_vectors>([&](auto v) __attribute__((always_inline)) {
                auto& sum = sums[c * tile_vectors + v];
                auto unused = hn::Zero(d);
                sum = hn::ReorderWidenMulAccumulate(d, ws[v], both, sum, unused);
                if constexpr (!packs_bf16) sum = hn::Add(sum, unused);  // the odd products
            });
        });
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
        const std::size_t n = std::min(tile_tokens, tokens - first);
        const bf16* xs[tile_tokens];
        float* ys[tile_tokens];
        for (std::size_t c = 0; c < tile_tokens; ++c) {
            const std::size_t token = first + std::min(c, n - 1);
            xs[c] = x + token * x_stride;
            ys[c] = y + token * y_stride;
        }
        if (rows == packed_rows) {
            packed_tile(w, xs, depth, ys, add);
            continue;
        }
        // The last rows of a matrix: through a place of their own.
        float copy[tile_tokens][packed_rows] = {};
        float* copies[tile_tokens];
        for (std::size_t c = 0; c < tile_tokens; ++c) {
            copies[c] = copy[c];
            if (add) std::copy_n(ys[c], rows, copy[c]);
        }
        packed_tile(w, xs, depth, copies, add);
        for (std::size_t c = 0; c < n; ++c) std::copy_n(copy[c], rows, ys[c]);
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
    for (std::size_t v = 0; v < packed_rows; v += f32_lanes) {
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
            hn::Store(hn::BitCast(d, hn::InterleaveLower(d64, a, b)), d, &out.pairs[p][v]);
            hn::Store(hn::BitCast(d, hn::InterleaveUpper(d64, a, b)), d, &out.pairs[p + 1][v]);
            hn::Store(hn::BitCast(d, hn::InterleaveLower(d64, e, f)), d, &out.pairs[p + 2][v]);
            hn::Store(hn::BitCast(d, hn::InterleaveUpper(d64, e, f)), d, &out.pairs[p + 3][v]);
        }
        for (std::size_t p = whole; p < pairs; ++p)
            for (std::size_t r = 0; r < f32_lanes; ++r) out.pairs[p][v + r] = pair(from[r] + 2 * p);
    }
}

}  // namespace detail

/// y[c · y_stride + r - begin] = w[r] · x[c] for begin <= r < end and each token c, by packed
/// blocks that pack(first_row, rows, first_value, depth, block) fills. `in` is even.
template <class Pack>
inline void packed_matmul(std::size_t begin, std::size_t end, std::size_t in, const bf16* x,
                          std::size_t tokens, float* y, std::size_t y_stride, const Pack& pack) {
    detail::PackedBlock block;
    for (std::size_t r = begin; r < end; r += detail::packed_rows) {
        const std::size_t rows = std::min(detail::packed_rows, end - r);
        for (std::size_t k = 0; k < in; k += detail::packed_depth) {
            const std::size_t depth = std::min(detail::packed_depth, in - k);
            pack(r, rows, k, depth, block);
            detail::packed_product(block, rows, depth, x + k, in, tokens, y + (r - begin), y_stride,
                                   k > 0);
        }
    }
}

}  // namespace HWY_NAMESPACE
}  // namespace carat::inline CARAT_ABI::simd
HWY_AFTER_NAMESPACE();

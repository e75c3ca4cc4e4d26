/// \file
/// Products of many tokens in f32: the sums of dot(), bit for bit, at the rate of the machine's
/// multiply-adds.
///
/// As in dot() a vector sums the products of two rows, a lane those at its place of each step, so
/// that there is nothing to pack.
/// What makes the rate is that operands lie in the first-level cache: a tile's tokens piece by
/// piece, and the sums of a group of rows while the pieces pass.
#pragma once

#include "carat/simd/load.hpp"
#include "carat/simd/unroll.hpp"

#include <algorithm>
#include <cstddef>

HWY_BEFORE_NAMESPACE();
namespace carat::inline CARAT_ABI::simd {
inline namespace HWY_NAMESPACE {
namespace detail {

/// Tile: with 32 registers 24 sums, four weights and a token, with 16 registers 12, two and one.
inline constexpr std::size_t exact_rows = many_registers ? 4 : 2, exact_tokens = 6;
/// For the last tokens, where less of it is computed in vain: 2, 3, 4, 7 or 8 of them.
inline constexpr std::size_t exact_few = 4;
/// A piece of a tile's tokens, 12 KB. Its rows are not a power of two apart, as in WideTokens.
inline constexpr std::size_t exact_depth = 512;
using ExactTokens = float[exact_tokens][exact_depth + 16];
/// The sums of a tile, each of as many lanes as a vector has.
using ExactSums = float[exact_rows * exact_tokens][HWY_MAX_LANES_D(F32Tag)];
/// Rows of a group: their sums take 12 KB.
inline constexpr std::size_t exact_group = exact_rows * (12288 / sizeof(ExactSums));
static_assert(exact_depth % HWY_MAX_LANES_D(F32Tag) == 0);

/// Adds the products of a piece of depth values.
template <std::size_t tokens, class W>
HWY_INLINE void exact_tile(const W* const* w, const ExactTokens& x, std::size_t depth, bool first,
                           ExactSums& all) {
    const F32Tag d;
    F32Vec sums[exact_rows * tokens];
    unroll<exact_rows * tokens>([&](auto i) __attribute__((always_inline)) {
        sums[i] = first ? hn::Zero(d) : hn::Load(d, all[i]);
    });
    std::size_t k = 0;
    const auto add = [&](auto... part) __attribute__((always_inline)) {
        F32Vec ws[exact_rows];
        unroll<exact_rows>([&](auto r) __attribute__((always_inline)) {
            ws[r] = in_register(load_f32(w[r] + k, part...));
        });
        unroll<tokens>([&](auto c) __attribute__((always_inline)) {
            const F32Vec xc = in_register(load_f32(x[c] + k, part...));
            unroll<exact_rows>([&](auto r) __attribute__((always_inline)) {
                auto& sum = sums[c * exact_rows + r];
                sum = hn::MulAdd(ws[r], xc, sum);
            });
        });
    };
    for (; k + hn::Lanes(d) <= depth; k += hn::Lanes(d)) add();
    if (k < depth) add(depth - k);
    unroll<exact_rows * tokens>([&](auto i) __attribute__((always_inline)) {
        hn::Store(sums[i], d, all[i]);
    });
}

}  // namespace detail

/// y[c, r] = dot(w[r], x[c], k), bit for bit, for r < rows and c < tokens. Strides are in elements;
/// y must not overlap w or x.
///   w [rows, k], x [tokens, k], y [tokens, rows]
template <class W>
inline void exact_product(const W* w, std::size_t w_stride, std::size_t rows, const float* x,
                          std::size_t x_stride, std::size_t tokens, std::size_t k, float* y,
                          std::size_t y_stride) noexcept {
    using namespace detail;
    alignas(64) ExactTokens taken;
    alignas(64) ExactSums sums[exact_group / exact_rows];
    for (std::size_t r = 0; r < rows; r += exact_group) {
        const std::size_t group = std::min(exact_group, rows - r);
        for (std::size_t c = 0, width = 0; c < tokens; c += width) {
            const std::size_t left = tokens - c;
            const bool few = left <= exact_few || (left > exact_tokens && left <= 2 * exact_few);
            width = few ? exact_few : exact_tokens;
            // All of a tile's places are computed: the last repeat the last token, or row.
            const std::size_t n = std::min(width, left);
            for (std::size_t at = 0; at < k || at == 0; at += exact_depth) {
                const std::size_t depth = std::min(exact_depth, k - at);
                for (std::size_t i = 0; i < width; ++i)
                    std::copy_n(x + (c + std::min(i, n - 1)) * x_stride + at, depth, taken[i]);
                for (std::size_t i = 0; i < group; i += exact_rows) {
                    const W* ws[exact_rows];
                    for (std::size_t j = 0; j < exact_rows; ++j)
                        ws[j] = w + (r + std::min(i + j, group - 1)) * w_stride + at;
                    if (few)
                        exact_tile<exact_few>(ws, taken, depth, at == 0, sums[i / exact_rows]);
                    else
                        exact_tile<exact_tokens>(ws, taken, depth, at == 0, sums[i / exact_rows]);
                }
            }
            for (std::size_t i = 0; i < n; ++i)
                for (std::size_t j = 0; j < group; ++j) {
                    const float* sum = sums[j / exact_rows][i * exact_rows + j % exact_rows];
                    y[(c + i) * y_stride + r + j] =
                        hn::ReduceSum(F32Tag(), hn::Load(F32Tag(), sum));
                }
        }
    }
}

}  // namespace HWY_NAMESPACE
}  // namespace carat::inline CARAT_ABI::simd
HWY_AFTER_NAMESPACE();

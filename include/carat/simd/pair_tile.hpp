/// \file
/// A tile of a quantised panel where one instruction takes two rows with two tokens, eight values
/// of each: NEON's products of matrices of bytes (i8mm, which machines have that have bf16's).
#pragma once

#include "carat/simd/block_product.hpp"
#include "carat/simd/unroll.hpp"

#include <algorithm>
#include <cstddef>
#include <type_traits>

#if (HWY_TARGET & HWY_ALL_NEON) && defined(__ARM_FEATURE_MATMUL_INT8) && \
    defined(__ARM_FEATURE_BF16_VECTOR_ARITHMETIC)
HWY_BEFORE_NAMESPACE();
namespace carat::inline CARAT_ABI::simd {
inline namespace HWY_NAMESPACE {
namespace detail {

inline constexpr bool has_pair_tiles = true;

/// A part of a panel, four rows, with two tokens: sums over a block, not yet times any scale.
template <class Format>
struct PairProduct {
    hn::Vec<PanelI32> low, high;  // of the first two rows and of the others, each of both tokens

    HWY_INLINE void start() { low = high = hn::Zero(PanelI32()); }
    /// Two quads of each row, and of two tokens: a's eight values, then b's.
    HWY_INLINE void add(hn::Vec<PanelI8> low_rows, hn::Vec<PanelI8> high_rows,
                        hn::Vec<PanelI8> both) {
        low.raw = vmmlaq_s32(low.raw, low_rows.raw, both.raw);
        high.raw = vmmlaq_s32(high.raw, high_rows.raw, both.raw);
    }
    /// Token [odd]'s four rows, as BlockProduct's total.
    template <bool odd>
    HWY_INLINE hn::Vec<PanelF32> total(const q8_activation& x) const {
        const PanelI32 d;
        const auto sum = odd ? hn::ConcatOdd(d, high, low) : hn::ConcatEven(d, high, low);
        if constexpr (PanelBlock<Format>::bias == 8)
            return scaled(hn::Add(sum, hn::Set(d, -8 * x.sum)), x);
        else
            return scaled(sum, x);
    }
};

/// In integers: a panel's `rows` rows with an even number of tokens, `together` parts at a time.
template <std::size_t tokens, std::size_t together, class Format>
HWY_INLINE void pair_tile(const PanelBlock<Format>* w, std::size_t blocks, const q8_activation* x,
                          float* y, std::size_t y_stride, std::size_t rows) {
    static_assert(tokens % 2 == 0 && block_steps<Format> % 2 == 0);
    const PanelF32 d;
    for (std::size_t first = 0; first < panel_parts; first += together) {
        hn::Vec<PanelF32> sums[together * tokens];
        unroll<together * tokens>([&](auto i)
                                      __attribute__((always_inline)) { sums[i] = hn::Zero(d); });
        for (std::size_t block = 0; block < blocks; ++block, ++w) {
            const auto activation = [&](std::size_t c) __attribute__((always_inline))
                                        ->const q8_activation& {
                return x[c * blocks + block];
            };
            PairProduct<Format> products[together * tokens / 2];
            for (auto& product : products) product.start();
            unroll<block_steps<Format> / 2>([&](auto two) __attribute__((always_inline)) {
                hn::Vec<PanelU8> bytes[2][together];
                unroll<together>([&](auto v) __attribute__((always_inline)) {
                    bytes[0][v] = load_step(*w, 2 * two, first + v);
                    bytes[1][v] = load_step(*w, 2 * two + 1, first + v);
                });
                unroll<step_quads<Format>>([&](auto half) __attribute__((always_inline)) {
                    using Product = BlockProduct<Format>;
                    hn::Vec<PanelI8> low[together], high[together];
                    unroll<together>([&](auto v) __attribute__((always_inline)) {
                        const PanelU32 quads;
                        const auto a =
                            hn::BitCast(quads, Product::template levels<half>(bytes[0][v]));
                        const auto b =
                            hn::BitCast(quads, Product::template levels<half>(bytes[1][v]));
                        low[v] = hn::BitCast(PanelI8(), hn::InterleaveLower(quads, a, b));
                        high[v] = hn::BitCast(PanelI8(), hn::InterleaveUpper(quads, a, b));
                    });
                    constexpr std::size_t at = 4 * (2 * two + half * block_steps<Format>);
                    unroll<tokens / 2>([&](auto pair) __attribute__((always_inline)) {
                        const hn::Vec<PanelI8> both(
                            vcombine_s8(vld1_s8(&activation(2 * pair).q[at]),
                                        vld1_s8(&activation(2 * pair + 1).q[at])));
                        unroll<together>([&](auto v) __attribute__((always_inline)) {
                            products[v * tokens / 2 + pair].add(low[v], high[v], both);
                        });
                    });
                });
            });
            unroll<together>([&](auto v) __attribute__((always_inline)) {
                const auto scale = load_scales(*w, first + v);
                unroll<tokens>([&](auto c) __attribute__((always_inline)) {
                    const auto total =
                        products[v * tokens / 2 + c / 2].template total<c % 2 == 1>(activation(c));
                    sums[v * tokens + c] = hn::MulAdd(total, scale, sums[v * tokens + c]);
                });
            });
        }
        w -= blocks;
        unroll<together>([&](auto v) __attribute__((always_inline)) {
            const std::size_t at = (first + v) * panel_lanes;
            const std::size_t n = std::min(panel_lanes, rows - std::min(rows, at));
            unroll<tokens>([&](auto c) __attribute__((always_inline)) {
                hn::StoreN(sums[v * tokens + c], d, y + c * y_stride + at, n);
            });
        });
    }
}

}  // namespace detail
}  // namespace HWY_NAMESPACE
}  // namespace carat::inline CARAT_ABI::simd
HWY_AFTER_NAMESPACE();
#else
namespace carat::inline CARAT_ABI::simd {
inline namespace HWY_NAMESPACE {
namespace detail {
inline constexpr bool has_pair_tiles = false;
}
}  // namespace HWY_NAMESPACE
}  // namespace carat::inline CARAT_ABI::simd
#endif

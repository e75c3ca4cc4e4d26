/// \file
/// Products of quantised panels with activations: sixteen rows at a time, one lane a row.
///
/// Exact: levels widened to f32, times f32 activations, summed over a block in f32, times the
/// block's scale. Fast: activations as q8_activation, the block summed by the machine's integer dot
/// product (u8 weights with a bias, i8 activations, so that one instruction does it on every
/// target), then scaled in f32. Either way a row's sum depends on nothing but its own values and
/// the order of blocks.
#pragma once

#include "carat/simd/load.hpp"
#include "carat/simd/unroll.hpp"
#include "carat/tensor/matrix.hpp"
#include "carat/tensor/quantized.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <type_traits>

HWY_BEFORE_NAMESPACE();
namespace carat::inline CARAT_ABI::simd {
inline namespace HWY_NAMESPACE {
namespace detail {

/// At most sixteen lanes: a panel is one vector of sums with AVX-512, two with AVX2, four with 128
/// bits.
using PanelF32 = hn::CappedTag<float, panel_rows>;
using PanelI32 = hn::RebindToSigned<PanelF32>;
using PanelU32 = hn::RebindToUnsigned<PanelF32>;
using PanelU8 = hn::Repartition<std::uint8_t, PanelF32>;
using PanelI8 = hn::RebindToSigned<PanelU8>;
inline constexpr std::size_t panel_lanes = hn::MaxLanes(PanelF32());
inline constexpr std::size_t panel_parts = panel_rows / panel_lanes;

/// Four values of each of the part's rows, as they lie.
HWY_INLINE hn::Vec<PanelU8> load_quad(const PanelBlock<q8_0>& b, std::size_t quad,
                                      std::size_t part) {
    return hn::LoadU(PanelU8(), b.q[quad][part * panel_lanes]);
}
HWY_INLINE hn::Vec<PanelU8> load_quad(const PanelBlock<q4_0>& b, std::size_t quad,
                                      std::size_t part) {
    const PanelU8 d;
    const PanelU32 d32;
    const auto both = hn::LoadU(d, b.q[quad % 4][part * panel_lanes]);
    const auto nibble = quad < 4 ? both : hn::BitCast(d, hn::ShiftRight<4>(hn::BitCast(d32, both)));
    return hn::And(nibble, hn::Set(d, std::uint8_t{15}));
}
template <class Format>
HWY_INLINE hn::Vec<PanelF32> load_scales(const PanelBlock<Format>& b, std::size_t part) {
    const hn::Rebind<hwy::float16_t, PanelF32> d16;
    const hn::RebindToUnsigned<decltype(d16)> bits;
    return hn::PromoteTo(PanelF32(),
                         hn::BitCast(d16, hn::LoadU(bits, &b.scale[part * panel_lanes].bits)));
}

/// sum + the four products of each lane; the weights are levels + bias. first_sum() is what such
/// sums start from, so that they become those of levels.
#if (HWY_TARGET & HWY_ALL_NEON) && defined(__ARM_FEATURE_DOTPROD)
inline constexpr bool levels_of_eight_bits = true;  // signed bytes on both sides
template <int bias>
HWY_INLINE hn::Vec<PanelI32> add_quads(hn::Vec<PanelU8> weights, hn::Vec<PanelI8> x,
                                       hn::Vec<PanelI32> sum) {
    if constexpr (bias == 128) weights = hn::Xor(weights, hn::Set(PanelU8(), std::uint8_t{128}));
    return hn::Vec<PanelI32>(vdotq_s32(sum.raw, hn::BitCast(PanelI8(), weights).raw, x.raw));
}
#elif HWY_ARCH_X86 && HWY_TARGET > HWY_AVX3_DL
inline constexpr bool levels_of_eight_bits = true;
template <int bias>
HWY_INLINE hn::Vec<PanelI32> add_quads(hn::Vec<PanelU8> weights, hn::Vec<PanelI8> x,
                                       hn::Vec<PanelI32> sum) {
    const hn::Repartition<std::int16_t, PanelF32> d16;
    // Pairs are added in 16 bits: two products of nibbles fit, and of bytes two of magnitudes, at
    // most 128 · 127 each. The level's sign goes to the activation; where it is 0, so is the
    // product.
    if constexpr (bias == 128) {
        const PanelI8 d8;
        const auto level = hn::BitCast(d8, hn::Xor(weights, hn::Set(PanelU8(), std::uint8_t{128})));
        weights = hn::BitCast(PanelU8(), hn::Abs(level));
        x = hn::IfNegativeThenNegOrUndefIfZero(level, x);
    }
    const auto pairs = hn::SatWidenMulPairwiseAdd(d16, weights, x);
    return hn::Add(sum, hn::WidenMulPairwiseAdd(PanelI32(), pairs, hn::Set(d16, 1)));
}
#else
inline constexpr bool levels_of_eight_bits = false;
template <int bias>
HWY_INLINE hn::Vec<PanelI32> add_quads(hn::Vec<PanelU8> weights, hn::Vec<PanelI8> x,
                                       hn::Vec<PanelI32> sum) {
    return hn::SumOfMulQuadAccumulate(PanelI32(), weights, x, sum);
}
#endif
template <int bias>
HWY_INLINE std::int32_t first_sum(const q8_activation& x) {
    return levels_of_eight_bits && bias == 128 ? 0 : -bias * x.sum;
}

/// A block of one part of a panel with one token, not yet times the weights' scale: four values a
/// row at a time. By integer dot products:
template <class Format, class X>
struct BlockProduct {
    using Operand = hn::Vec<PanelI8>;
    hn::Vec<PanelI32> sum;

    static HWY_INLINE Operand spread(const q8_activation& x, std::size_t quad) {
        std::int32_t four;
        __builtin_memcpy(&four, &x.q[quad * 4], 4);
        return hn::BitCast(PanelI8(), hn::Set(PanelI32(), four));
    }
    HWY_INLINE void start(const q8_activation& x) {
        sum = hn::Set(PanelI32(), first_sum<PanelBlock<Format>::bias>(x));
    }
    HWY_INLINE void add(hn::Vec<PanelU8> weights, Operand x) {
        sum = add_quads<PanelBlock<Format>::bias>(weights, x, sum);
    }
    HWY_INLINE hn::Vec<PanelF32> total(const q8_activation& x) const {
        return hn::Mul(hn::ConvertTo(PanelF32(), sum), hn::Set(PanelF32(), x.scale));
    }
};

/// The same in f32: x points to the block's 32 values.
template <class Format>
struct BlockProduct<Format, float> {
    struct Operand {
        hn::Vec<PanelF32> values[4];
    };
    hn::Vec<PanelF32> even, odd;

    static HWY_INLINE Operand spread(const float& x, std::size_t quad) {
        const float* four = &x + quad * 4;
        const PanelF32 d;
        return {
            {hn::Set(d, four[0]), hn::Set(d, four[1]), hn::Set(d, four[2]), hn::Set(d, four[3])}};
    }
    HWY_INLINE void start(const float&) { even = odd = hn::Zero(PanelF32()); }
    HWY_INLINE void add(hn::Vec<PanelU8> weights, const Operand& x) {
        const PanelI32 di;
        const PanelU32 du;
        const auto four = hn::BitCast(du, weights);
        const auto byte = hn::Set(du, 255u);
        const auto bias = hn::Set(di, PanelBlock<Format>::bias);
        const auto level = [&](auto bits) __attribute__((always_inline)) {
            return hn::ConvertTo(PanelF32(), hn::Sub(hn::BitCast(di, bits), bias));
        };
        even = hn::MulAdd(level(hn::And(four, byte)), x.values[0], even);
        odd = hn::MulAdd(level(hn::And(hn::ShiftRight<8>(four), byte)), x.values[1], odd);
        even = hn::MulAdd(level(hn::And(hn::ShiftRight<16>(four), byte)), x.values[2], even);
        odd = hn::MulAdd(level(hn::ShiftRight<24>(four)), x.values[3], odd);
    }
    HWY_INLINE hn::Vec<PanelF32> total(const float&) const { return hn::Add(even, odd); }
};

/// `panels` panels, their first blocks `stride` blocks apart, with `columns` tokens. A panel's sums
/// go to y + its number · y_panel, those of its first `rows` rows.
template <std::size_t panels, std::size_t columns, class Format, class X>
HWY_INLINE void panel_tile(const PanelBlock<Format>* w, std::size_t stride, std::size_t blocks,
                           const X* x, std::size_t x_stride, float* y, std::size_t y_panel,
                           std::size_t y_stride, std::size_t rows) {
    const PanelF32 d;
    // All parts of a token alone: a panel comes from memory once, and its sums fit the registers.
    constexpr std::size_t together = columns == 1 ? panel_parts : 1, vectors = panels * together;
    for (std::size_t first = 0; first < panel_parts; first += together) {
        hn::Vec<PanelF32> sums[vectors * columns];
        unroll<vectors * columns>([&](auto i)
                                      __attribute__((always_inline)) { sums[i] = hn::Zero(d); });
        for (std::size_t block = 0; block < blocks; ++block) {
            const auto weights = [&](auto v) __attribute__((always_inline))->const auto& {
                return w[v / together * stride + block];
            };
            const auto activation = [&](auto c) __attribute__((always_inline))->const X& {
                return x[c * x_stride + block * (quant_block / values_in<X>)];
            };
            BlockProduct<Format, X> products[vectors * columns];
            unroll<columns>([&](auto c) __attribute__((always_inline)) {
                unroll<vectors>([&](auto v) __attribute__((always_inline)) {
                    products[v * columns + c].start(activation(c));
                });
            });
            unroll<quant_block / 4>([&](auto quad) __attribute__((always_inline)) {
                hn::Vec<PanelU8> levels[vectors];
                unroll<vectors>([&](auto v) __attribute__((always_inline)) {
                    levels[v] = load_quad(weights(v), quad, first + v % together);
                });
                unroll<columns>([&](auto c) __attribute__((always_inline)) {
                    const auto xs = BlockProduct<Format, X>::spread(activation(c), quad);
                    unroll<vectors>([&](auto v) __attribute__((always_inline)) {
                        products[v * columns + c].add(levels[v], xs);
                    });
                });
            });
            unroll<vectors>([&](auto v) __attribute__((always_inline)) {
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

}  // namespace detail

/// y[c · y_stride + r - begin] = w[r] · x[c] for begin <= r < end and each row of x. `begin` is a
/// multiple of panel_rows.
template <class Format, std::size_t out, std::size_t in, class X>
inline void matmul(const PanelView<Format, out, in>& w, std::size_t begin, std::size_t end,
                   ActivationRows<const X, in> x, float* y, std::size_t y_stride) noexcept {
    constexpr std::size_t width = in / values_in<X>, blocks = in / quant_block;
    // As registers allow: tokens of a tile, and places that a token alone reads at once.
    constexpr bool many_registers = HWY_TARGET <= HWY_AVX3;
    constexpr std::size_t tile = many_registers ? 8 : 4, places = many_registers ? 4 : 2;
    const std::size_t tiled = x.rows() / tile * tile;
    const auto* first = w.data()[begin / panel_rows].data();
    std::size_t panel = 0;
    // A token alone waits for memory. Several places at once keep more of it under way: the
    // machine's prefetchers run ahead of each, and begin anew with each page.
    if (x.rows() == 1) {
        const std::size_t each = (end - begin) / panel_rows / places;
        for (; panel < each; ++panel)
            detail::panel_tile<places, 1>(first + panel * blocks, each * blocks, blocks, x.data(),
                                          width, y + panel * panel_rows, each * panel_rows, 0,
                                          panel_rows);
        panel = each * places;
    }
    for (std::size_t r = begin + panel * panel_rows; r < end; r += panel_rows, ++panel) {
        const auto* wp = first + panel * blocks;
        const std::size_t rows = std::min(panel_rows, end - r);
        float* yr = y + (r - begin);
        for (std::size_t c = 0; c < tiled; c += tile)
            detail::panel_tile<1, tile>(wp, 0, blocks, x.data() + c * width, width,
                                        yr + c * y_stride, 0, y_stride, rows);
        for (std::size_t c = tiled; c < x.rows(); ++c)
            detail::panel_tile<1, 1>(wp, 0, blocks, x.data() + c * width, width, yr + c * y_stride,
                                     0, y_stride, rows);
    }
}

/// n values into blocks of 32: scale = max |x| / 127, levels to nearest. n is a multiple of 32.
inline void convert(const float* x, std::size_t n, q8_activation* out) noexcept {
    const F32Tag d;
    const hn::RebindToSigned<F32Tag> di;
    const hn::Rebind<std::int8_t, F32Tag> d8;
    const std::size_t lanes = hn::Lanes(d);
    for (std::size_t block = 0; block < n / quant_block; ++block) {
        const float* v = x + block * quant_block;
        auto top = hn::Zero(d);
        for (std::size_t i = 0; i < quant_block; i += lanes)
            top = hn::Max(top, hn::Abs(hn::LoadN(d, v + i, quant_block - i)));
        const float largest = hn::ReduceMax(d, top);
        const float inverse = largest > 0.0f ? 127.0f / largest : 0.0f;
        q8_activation& o = out[block];
        o.scale = largest / 127.0f;
        o.sum = 0;
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

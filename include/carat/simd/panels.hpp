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
template <std::size_t in>
HWY_INLINE hn::Vec<PanelU8> load_quad(const Panel<q8_0, in>& p, std::size_t block, std::size_t quad,
                                      std::size_t part) {
    return hn::LoadU(PanelU8(), p.q[block * 8 + quad][part * panel_lanes]);
}
template <std::size_t in>
HWY_INLINE hn::Vec<PanelU8> load_quad(const Panel<q4_0, in>& p, std::size_t block, std::size_t quad,
                                      std::size_t part) {
    const PanelU8 d;
    const PanelU32 d32;
    const auto both = hn::LoadU(d, p.q[block][quad % 4][part * panel_lanes]);
    const auto nibble = quad < 4 ? both : hn::BitCast(d, hn::ShiftRight<4>(hn::BitCast(d32, both)));
    return hn::And(nibble, hn::Set(d, std::uint8_t{15}));
}
template <class P>
HWY_INLINE hn::Vec<PanelF32> load_scales(const P& p, std::size_t block, std::size_t part) {
    const hn::Rebind<hwy::float16_t, PanelF32> d16;
    const hn::RebindToUnsigned<decltype(d16)> bits;
    return hn::PromoteTo(
        PanelF32(), hn::BitCast(d16, hn::LoadU(bits, &p.scale[block][part * panel_lanes].bits)));
}

/// sum + the four products of each lane; the weights are levels + bias. first_sum() is what such
/// sums start from, so that they become those of levels.
#if (HWY_TARGET & HWY_ALL_NEON) && defined(__ARM_FEATURE_DOTPROD)
template <int bias>
HWY_INLINE hn::Vec<PanelI32> add_quads(hn::Vec<PanelU8> weights, hn::Vec<PanelI8> x,
                                       hn::Vec<PanelI32> sum) {
    // The instruction takes signed bytes on both sides: levels, where they have a sign bit.
    if constexpr (bias == 128) weights = hn::Xor(weights, hn::Set(PanelU8(), std::uint8_t{128}));
    return hn::Vec<PanelI32>(vdotq_s32(sum.raw, hn::BitCast(PanelI8(), weights).raw, x.raw));
}
template <int bias>
HWY_INLINE std::int32_t first_sum(const q8_activation& x) {
    return bias == 128 ? 0 : -bias * x.sum;
}
#else
template <int bias>
HWY_INLINE hn::Vec<PanelI32> add_quads(hn::Vec<PanelU8> weights, hn::Vec<PanelI8> x,
                                       hn::Vec<PanelI32> sum) {
    return hn::SumOfMulQuadAccumulate(PanelI32(), weights, x, sum);
}
template <int bias>
HWY_INLINE std::int32_t first_sum(const q8_activation& x) {
    return -bias * x.sum;
}
#endif

/// One block of one part of a panel with one token, not yet times the weights' scale. By integer
/// dot products:
template <class P>
HWY_INLINE hn::Vec<PanelF32> block_product(const P& p, std::size_t block, std::size_t part,
                                           const q8_activation& x) {
    const PanelI32 d;
    auto sum = hn::Set(d, first_sum<P::bias>(x));
    unroll<8>([&](auto quad) __attribute__((always_inline)) {
        std::int32_t four;
        __builtin_memcpy(&four, &x.q[quad * 4], 4);
        sum = add_quads<P::bias>(load_quad(p, block, quad, part),
                                 hn::BitCast(PanelI8(), hn::Set(d, four)), sum);
    });
    return hn::Mul(hn::ConvertTo(PanelF32(), sum), hn::Set(PanelF32(), x.scale));
}

/// The same in f32: x points to the block's 32 values.
template <class P>
HWY_INLINE hn::Vec<PanelF32> block_product(const P& p, std::size_t block, std::size_t part,
                                           const float& x) {
    const PanelF32 df;
    const PanelI32 di;
    const PanelU32 du;
    const auto bias = hn::Set(di, P::bias);
    const float* values = &x;
    auto even = hn::Zero(df), odd = hn::Zero(df);
    unroll<8>([&](auto quad) __attribute__((always_inline)) {
        const auto four = hn::BitCast(du, load_quad(p, block, quad, part));
        const auto level = [&](auto bits) __attribute__((always_inline)) {
            return hn::ConvertTo(df, hn::Sub(hn::BitCast(di, bits), bias));
        };
        const auto byte = hn::Set(du, 255u);
        even = hn::MulAdd(level(hn::And(four, byte)), hn::Set(df, values[quad * 4]), even);
        odd = hn::MulAdd(level(hn::And(hn::ShiftRight<8>(four), byte)),
                         hn::Set(df, values[quad * 4 + 1]), odd);
        even = hn::MulAdd(level(hn::And(hn::ShiftRight<16>(four), byte)),
                          hn::Set(df, values[quad * 4 + 2]), even);
        odd = hn::MulAdd(level(hn::ShiftRight<24>(four)), hn::Set(df, values[quad * 4 + 3]), odd);
    });
    return hn::Add(even, odd);
}

/// Blocks of a row of panels P.
template <class P>
inline constexpr std::size_t blocks_of = std::extent_v<decltype(P::scale)>;

/// How far ahead of a single token's products the weights are asked for, in bytes; more was not
/// faster where it was measured. The machine's own prefetchers stop at the end of a page, and a
/// thread reads one stream.
inline constexpr std::size_t panel_prefetch = 16384;

/// Asks for what will be read soon: with each block its share of a panel's bytes, scales included,
/// so that no line is left out, across the ends of panels.
template <class P>
HWY_INLINE void prefetch_share(const P& p, std::size_t block) {
    constexpr std::size_t share = sizeof(P) / blocks_of<P>;
    const auto* ahead = reinterpret_cast<const std::uint8_t*>(&p) + panel_prefetch + block * share;
    unroll<(share + 63) / 64>([&](auto line) __attribute__((always_inline)) {
        __builtin_prefetch(ahead + line * 64);
    });
}

template <std::size_t columns, class P, class X>
HWY_INLINE void panel_tile(const P& p, const X* x, std::size_t x_stride, float* y,
                           std::size_t y_stride, std::size_t rows) {
    const PanelF32 d;
    for (std::size_t part = 0; part < panel_parts; ++part) {
        if (part * panel_lanes >= rows) break;
        hn::Vec<PanelF32> sums[columns];
        unroll<columns>([&](auto c) __attribute__((always_inline)) { sums[c] = hn::Zero(d); });
        for (std::size_t block = 0; block < blocks_of<P>; ++block) {
            if constexpr (columns == 1)
                if (part == 0) prefetch_share(p, block);
            const auto scale = load_scales(p, block, part);
            unroll<columns>([&](auto c) __attribute__((always_inline)) {
                const X& block_x = x[c * x_stride + block * (quant_block / values_in<X>)];
                sums[c] = hn::MulAdd(block_product(p, block, part, block_x), scale, sums[c]);
            });
        }
        const std::size_t n = std::min(panel_lanes, rows - part * panel_lanes);
        unroll<columns>([&](auto c) __attribute__((always_inline)) {
            hn::StoreN(sums[c], d, y + c * y_stride + part * panel_lanes, n);
        });
    }
}

}  // namespace detail

/// y[c · y_stride + r - begin] = w[r] · x[c] for begin <= r < end and each row of x. `begin` is a
/// multiple of panel_rows.
template <class Format, std::size_t out, std::size_t in, class X>
inline void matmul(const PanelView<Format, out, in>& w, std::size_t begin, std::size_t end,
                   ActivationRows<const X, in> x, float* y, std::size_t y_stride) noexcept {
    constexpr std::size_t width = in / values_in<X>;
    constexpr std::size_t tile =
        HWY_TARGET <= HWY_AVX3 ? 8 : 4;  // sums of so many tokens fit the registers
    for (std::size_t r = begin; r < end; r += panel_rows) {
        const std::size_t rows = std::min(panel_rows, end - r);
        float* yr = y + (r - begin);
        std::size_t c = 0;
        for (; c + tile <= x.rows(); c += tile)
            detail::panel_tile<tile>(w.data()[r / panel_rows], x.data() + c * width, width,
                                     yr + c * y_stride, y_stride, rows);
        for (; c < x.rows(); ++c)
            detail::panel_tile<1>(w.data()[r / panel_rows], x.data() + c * width, width,
                                  yr + c * y_stride, y_stride, rows);
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

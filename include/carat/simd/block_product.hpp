/// \file
/// A block of a quantised panel with the same block of a token: the innermost step of a product.
///
/// A part of a panel is as many of its sixteen rows as a vector has lanes. A block is gone through
/// in quads, four values of each row, which every token multiplies with its own four: so that
/// `levels` is what tokens share, and `spread` what rows share.
#pragma once

#include "carat/simd/load.hpp"
#include "carat/simd/unroll.hpp"
#include "carat/tensor/quantized.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>

HWY_BEFORE_NAMESPACE();
namespace carat::inline CARAT_ABI::simd {
inline namespace HWY_NAMESPACE {
namespace detail {

/// At most sixteen lanes: a panel is one vector of sums with AVX-512, two with AVX2, four with 128
/// bits.
using PanelF32 = hn::CappedTag<float, panel_rows>;
using PanelI32 = hn::RebindToSigned<PanelF32>;
using PanelU32 = hn::RebindToUnsigned<PanelF32>;
using PanelI16 = hn::Repartition<std::int16_t, PanelF32>;
using PanelU8 = hn::Repartition<std::uint8_t, PanelF32>;
using PanelI8 = hn::RebindToSigned<PanelU8>;
inline constexpr std::size_t panel_lanes = hn::MaxLanes(PanelF32());
inline constexpr std::size_t panel_parts = panel_rows / panel_lanes;
/// Parts of a panel that a tile of tokens takes together, as registers allow.
inline constexpr std::size_t parts_together = std::min<std::size_t>(2, panel_parts);
/// Tokens that are taken together where there are few.
inline constexpr std::size_t few_tokens = 4;
/// Panels that a few tokens take together, as registers allow. They wait for memory, and several
/// places at once keep more of it under way: the machine's prefetchers run ahead of each, and begin
/// anew with each page.
inline constexpr std::size_t most_places = many_registers ? (panel_parts == 1 ? 8 : 4) : 2;
template <std::size_t columns>
inline constexpr std::size_t panel_places = std::clamp<std::size_t>(most_places / columns, 1,
                                                                    reading_places);

/// tile(places, w, stride, y, y_panel, rows) over the panels of `rows` rows, of `blocks` blocks
/// each: `places` of them, their first blocks `stride` blocks apart and their sums y_panel; what is
/// left is taken in fewer places. `rows` are those of a panel that are there.
template <std::size_t places, class Format, class Tile>
HWY_INLINE void for_places(const PanelBlock<Format>* w, std::size_t blocks, std::size_t rows,
                           float* y, const Tile& tile) {
    const Size<places> count;
    if constexpr (places == 1) {
        for (std::size_t r = 0; r < rows; r += panel_rows, w += blocks)
            tile(count, w, std::size_t{0}, y + r, std::size_t{0}, std::min(panel_rows, rows - r));
    } else {
        const std::size_t each = rows / panel_rows / places;
        for (std::size_t panel = 0; panel < each; ++panel)
            tile(count, w + panel * blocks, each * blocks, y + panel * panel_rows,
                 each * panel_rows, panel_rows);
        const std::size_t done = each * places;
        for_places<places / 2>(w + done * blocks, blocks, rows - done * panel_rows,
                               y + done * panel_rows, tile);
    }
}

/// Vectors of bytes of a part of a block: each holds a quad of the block, or, of q4_0, one of its
/// first half in the low nibbles and one of its second in the high ones.
template <class Format>
inline constexpr std::size_t block_steps = std::size(decltype(PanelBlock<Format>::q){});
template <class Format>
inline constexpr std::size_t step_quads = quant_block / 4 / block_steps<Format>;

template <class Format>
HWY_INLINE hn::Vec<PanelU8> load_step(const PanelBlock<Format>& b, std::size_t step,
                                      std::size_t part) {
    return hn::LoadU(PanelU8(), b.q[step][part * panel_lanes]);
}
template <bool high>
HWY_INLINE hn::Vec<PanelU8> nibbles(hn::Vec<PanelU8> v) {
    const PanelU8 d;
    if constexpr (high) v = hn::BitCast(d, hn::ShiftRight<4>(hn::BitCast(PanelU32(), v)));
    return hn::And(v, hn::Set(d, std::uint8_t{15}));
}
/// Quad [half] of a step: levels plus the format's bias.
template <class Format, std::size_t half>
HWY_INLINE hn::Vec<PanelU8> biased(hn::Vec<PanelU8> step) {
    if constexpr (step_quads<Format> == 1)
        return step;
    else
        return nibbles<half == 1>(step);
}

/// A token's four values, in all lanes.
HWY_INLINE hn::Vec<PanelI8> spread_quad(const q8_activation& x, std::size_t quad) {
    std::int32_t four;
    __builtin_memcpy(&four, &x.q[quad * 4], 4);
    return hn::BitCast(PanelI8(), hn::Set(PanelI32(), four));
}
HWY_INLINE hn::Vec<PanelF32> scaled(hn::Vec<PanelI32> sum, const q8_activation& x) {
    return hn::Mul(hn::ConvertTo(PanelF32(), sum), hn::Set(PanelF32(), x.scale));
}

/// In integers, with a token's rounded values: a part's sums over a block, not yet times the
/// weights' scales. `levels`, `spread`, then `start`, `add` for every quad, and `total`.
template <class Format>
struct BlockProduct;

#if HWY_ARCH_X86 && HWY_TARGET > HWY_AVX3_DL && !defined(__AVXVNNI__)
// In integers without a dot product instruction: pairs of products, the first factor unsigned,
// summed with 16 bits.

/// Of four bits: two levels with their bias times activations are 3810 at most, 30480 over the
/// quads of a block, so that sums of sixteen bits hold a block and are widened once.
template <class Format>
requires(PanelBlock<Format>::bias == 8) struct BlockProduct<Format> {
    static_assert(quant_block / 2 * 15 * 127 <= 32767);
    using Levels = hn::Vec<PanelU8>;
    using Operand = hn::Vec<PanelI8>;
    hn::Vec<PanelI16> sum;

    template <std::size_t half>
    static HWY_INLINE Levels levels(hn::Vec<PanelU8> step) {
        return biased<Format, half>(step);
    }
    static HWY_INLINE Operand spread(const q8_activation& x, std::size_t quad) {
        return spread_quad(x, quad);
    }
    HWY_INLINE void start(const q8_activation&) { sum = hn::Zero(PanelI16()); }
    HWY_INLINE void add(Levels w, Operand x) {
        sum = hn::Add(sum, hn::SatWidenMulPairwiseAdd(PanelI16(), w, x));
        // Or g++ takes all products of a block first, and has no registers for them.
        sum = in_register(sum);
    }
    HWY_INLINE hn::Vec<PanelF32> total(const q8_activation& x) const {
        const PanelI32 d;
        const auto wide = hn::WidenMulPairwiseAdd(d, sum, hn::Set(PanelI16(), 1));
        return scaled(hn::Sub(wide, hn::Set(d, PanelBlock<Format>::bias * x.sum)), x);
    }
};

/// Of eight bits: a level's sign goes to the activation, so that two products are 32512 at most,
/// which sixteen bits hold once.
template <class Format>
requires(PanelBlock<Format>::bias == 128) struct BlockProduct<Format> {
    static_assert(2 * 128 * 127 <= 32767);
    struct Levels {
        hn::Vec<PanelI8> level;
        hn::Vec<PanelU8> magnitude;
    };
    using Operand = hn::Vec<PanelI8>;
    hn::Vec<PanelI32> sum;

    template <std::size_t half>
    static HWY_INLINE Levels levels(hn::Vec<PanelU8> step) {
        const PanelU8 d;
        const auto level = hn::BitCast(PanelI8(), hn::Xor(step, hn::Set(d, std::uint8_t{128})));
        return {level, hn::BitCast(d, hn::Abs(level))};
    }
    static HWY_INLINE Operand spread(const q8_activation& x, std::size_t quad) {
        return spread_quad(x, quad);
    }
    HWY_INLINE void start(const q8_activation&) { sum = hn::Zero(PanelI32()); }
    HWY_INLINE void add(const Levels& w, Operand x) {
        const PanelI16 d;
        const auto signed_x = hn::IfNegativeThenNegOrUndefIfZero(w.level, x);
        const auto pairs = hn::SatWidenMulPairwiseAdd(d, w.magnitude, signed_x);
        sum = hn::Add(sum, hn::WidenMulPairwiseAdd(PanelI32(), pairs, hn::Set(d, 1)));
        // Or g++ takes all products of a block first, and has no registers for them.
        sum = in_register(sum);
    }
    HWY_INLINE hn::Vec<PanelF32> total(const q8_activation& x) const { return scaled(sum, x); }
};
#else
/// In integers by dot products: of unsigned levels with a bias, which the sums start without, or of
/// signed bytes on both sides where the machine's instruction takes them so.
template <class Format>
struct BlockProduct {
    static constexpr int bias = PanelBlock<Format>::bias;
#if (HWY_TARGET & HWY_ALL_NEON) && defined(__ARM_FEATURE_DOTPROD)
    static constexpr bool takes_signed = true;
#else
    static constexpr bool takes_signed = false;
#endif
    using Levels = hn::Vec<PanelU8>;
    using Operand = hn::Vec<PanelI8>;
    hn::Vec<PanelI32> sum;

    template <std::size_t half>
    static HWY_INLINE Levels levels(hn::Vec<PanelU8> step) {
        const auto levels = biased<Format, half>(step);
        if constexpr (takes_signed && bias == 128)
            return hn::Xor(levels, hn::Set(PanelU8(), std::uint8_t{128}));
        else
            return levels;
    }
    static HWY_INLINE Operand spread(const q8_activation& x, std::size_t quad) {
        return spread_quad(x, quad);
    }
    HWY_INLINE void start(const q8_activation& x) {
        sum = hn::Set(PanelI32(), takes_signed && bias == 128 ? 0 : -bias * x.sum);
    }
    HWY_INLINE void add(Levels w, Operand x) {
#if (HWY_TARGET & HWY_ALL_NEON) && defined(__ARM_FEATURE_DOTPROD)
        sum = hn::Vec<PanelI32>(vdotq_s32(sum.raw, hn::BitCast(PanelI8(), w).raw, x.raw));
#elif HWY_TARGET == HWY_AVX2 && defined(__AVXVNNI__)
        // AVX2's dot product of a client processor, of which Highway does not know.
        sum = hn::Vec<PanelI32>{_mm256_dpbusd_avx_epi32(sum.raw, w.raw, x.raw)};
#else
        sum = hn::SumOfMulQuadAccumulate(PanelI32(), w, x, sum);
#endif
    }
    HWY_INLINE hn::Vec<PanelF32> total(const q8_activation& x) const { return scaled(sum, x); }
};
#endif

template <class Format>
HWY_INLINE hn::Vec<PanelF32> load_scales(const PanelBlock<Format>& b, std::size_t part) {
    const hn::Rebind<hwy::float16_t, PanelF32> d16;
    const hn::RebindToUnsigned<decltype(d16)> bits;
    return widened(hn::PromoteTo(
        PanelF32(), hn::BitCast(d16, hn::LoadU(bits, &b.scale[part * panel_lanes].bits))));
}

}  // namespace detail
}  // namespace HWY_NAMESPACE
}  // namespace carat::inline CARAT_ABI::simd
HWY_AFTER_NAMESPACE();

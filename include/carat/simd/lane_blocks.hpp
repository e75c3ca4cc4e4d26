/// \file
/// Quantised keys and values: blocks of 32 values of a token, side by side with those of other
/// tokens, and how they become the panels that simd/lane_panels.hpp multiplies.
///
/// A block is what tensor/quantized.hpp says: levels and their scale. Tokens differ in what a byte
/// lies next to: of keys, which have a lane each, to the same byte of the fifteen other keys; of
/// values, which are inner elements, to the other bytes of its block. So either way sixteen bytes
/// are those of sixteen lanes.
#pragma once

#include "carat/simd/lane_panels.hpp"
#include "carat/tensor/quantized.hpp"

#include <cstddef>
#include <cstdint>
#include <iterator>

HWY_BEFORE_NAMESPACE();
namespace carat::inline CARAT_ABI::simd {
inline namespace HWY_NAMESPACE {

/// The same block of sixteen keys.
template <class Format>
struct KeyBlocks {
    using Block = QuantBlock<Format>;
    static constexpr std::size_t bytes = std::size(decltype(Block::q){});

    typename decltype(Block::q)::value_type q[bytes][panel_width];
    f16 scale[panel_width];

    void set(std::size_t lane, const Block& b) noexcept {
        for (std::size_t j = 0; j < bytes; ++j) q[j][lane] = b.q[j];
        scale[lane] = b.scale;
    }
    [[nodiscard]] Block get(std::size_t lane) const noexcept {
        Block b{scale[lane], {}};
        for (std::size_t j = 0; j < bytes; ++j) b.q[j] = q[j][lane];
        return b;
    }
};

/// The same block of `tokens` values, a multiple of sixteen.
template <class Format, std::size_t tokens>
struct ValueBlocks {
    using Block = QuantBlock<Format>;
    static constexpr std::size_t bytes = KeyBlocks<Format>::bytes;
    static_assert(tokens % panel_width == 0);

    decltype(Block::q) q[tokens];
    f16 scale[tokens];

    void set(std::size_t token, const Block& b) noexcept {
        q[token] = b.q;
        scale[token] = b.scale;
    }
    [[nodiscard]] Block get(std::size_t token) const noexcept { return {scale[token], q[token]}; }
};

namespace detail {

/// Levels of stored bytes as f32, a lane each: of q4_0 those of the low or of the high nibbles.
template <bool high>
HWY_INLINE LaneVec levels(const std::int8_t* q) {
    static_assert(!high, "carat: a byte of q8_0 holds one level");
    const hn::RebindToSigned<LaneTag> whole;
    const hn::Rebind<std::int8_t, LaneTag> narrow;
    return hn::ConvertTo(LaneTag(), hn::PromoteTo(whole, hn::LoadU(narrow, q)));
}
template <bool high>
HWY_INLINE LaneVec levels(const std::uint8_t* q) {
    const hn::RebindToSigned<LaneTag> whole;
    const hn::Rebind<std::uint8_t, LaneTag> narrow;
    const auto both_levels = hn::PromoteTo(whole, hn::LoadU(narrow, q));
    const auto level =
        high ? hn::ShiftRight<4>(both_levels) : hn::And(both_levels, hn::Set(whole, 15));
    return hn::ConvertTo(LaneTag(), hn::Sub(level, hn::Set(whole, 8)));
}

/// Two inner elements of a vector of lanes into panels, at the first one's place.
HWY_INLINE void store_pair(LaneVec first, LaneVec second, float* to) {
    hn::StoreU(first, LaneTag(), to);
    hn::StoreU(second, LaneTag(), to + panel_width);
}
HWY_INLINE void store_pair(LaneVec first, LaneVec second, bf16* to) {
    const LaneBits d;  // to nearest; halves, which are rare among products with a scale, upwards
    const auto half = hn::Set(d, 0x8000u);
    const auto low = hn::ShiftRight<16>(hn::Add(hn::BitCast(d, first), half));
    const auto high =
        hn::And(hn::Add(hn::BitCast(d, second), half), hn::Set(d, std::uint32_t{second_of_pair}));
    hn::StoreU(hn::Or(low, high), d, reinterpret_cast<std::uint32_t*>(to));
}
/// Where a part of the lanes lies behind their first, in elements of a panel.
template <class X>
inline constexpr std::size_t part_step = lane_step* panel_pair<X>;

HWY_INLINE LaneVec scales(const f16* from) {
    const hn::Rebind<hwy::float16_t, LaneTag> narrow;
    const hn::RebindToUnsigned<decltype(narrow)> bits;
    return widened(hn::PromoteTo(LaneTag(), hn::BitCast(narrow, hn::LoadU(bits, &from->bits))));
}

}  // namespace detail

/// The keys of one panel: `blocks` of them hold `inner` values, an even number, and become
/// [inner / pair, 16, pair] operands.
template <class Format, class X>
HWY_INLINE void expand_keys(const KeyBlocks<Format>* blocks, std::size_t inner, X* to) noexcept {
    using Blocks = KeyBlocks<Format>;
    for (std::size_t first = 0; first < inner; first += quant_block, ++blocks)
        unroll<detail::lane_parts>([&](auto part) __attribute__((always_inline)) {
            constexpr std::size_t lane = part * detail::lane_step;
            const auto scale = detail::scales(blocks->scale + lane);
            X* place = to + first * panel_width + part * detail::part_step<X>;
            const auto half = [&]<bool high>(std::size_t begin) __attribute__((always_inline)) {
                const std::size_t rest = inner - first - begin;
                const std::size_t n = rest < Blocks::bytes ? rest : Blocks::bytes;
                for (std::size_t j = 0; j < n; j += 2)
                    detail::store_pair(
                        hn::Mul(detail::levels<high>(blocks->q[j] + lane), scale),
                        hn::Mul(detail::levels<high>(blocks->q[j + 1] + lane), scale),
                        place + (begin + j) * panel_width);
            };
            half.template operator()<false>(0);
            if constexpr (Blocks::bytes < quant_block)
                if (inner - first > Blocks::bytes) half.template operator()<true>(Blocks::bytes);
        });
}

/// The values [begin, end) of `tokens`, both even: blocks for `lanes` lanes, a multiple of sixteen,
/// become panels [lanes / 16, tokens / pair, 16, pair] of which the other inner elements stay.
template <class Format, std::size_t tokens, class X>
HWY_INLINE void expand_values(const ValueBlocks<Format, tokens>* blocks, std::size_t lanes,
                              std::size_t begin, std::size_t end, X* to) noexcept {
    constexpr bool nibbles = ValueBlocks<Format, tokens>::bytes < quant_block;
    float scale[tokens];
    for (std::size_t first = 0; first < lanes; first += quant_block, ++blocks) {
        for (std::size_t i = begin / panel_width * panel_width; i < end; i += detail::lane_step)
            hn::StoreU(detail::scales(blocks->scale + i), detail::LaneTag(), scale + i);
        const auto panel = [&]<bool second>(std::size_t lane) __attribute__((always_inline)) {
            constexpr bool high = second && nibbles;
            constexpr std::size_t at = second && !nibbles ? panel_width : 0;
            X* place = to + lane * tokens;
            for (std::size_t i = begin; i < end; i += 2)
                unroll<detail::lane_parts>([&](auto part) __attribute__((always_inline)) {
                    constexpr std::size_t byte = at + part * detail::lane_step;
                    const auto value = [&](std::size_t k) __attribute__((always_inline)) {
                        return hn::Mul(detail::levels<high>(blocks->q[k].data() + byte),
                                       hn::Set(detail::LaneTag(), scale[k]));
                    };
                    detail::store_pair(value(i), value(i + 1),
                                       place + i * panel_width + part * detail::part_step<X>);
                });
        };
        panel.template operator()<false>(first);
        if (first + panel_width < lanes) panel.template operator()<true>(first + panel_width);
    }
}

}  // namespace HWY_NAMESPACE
}  // namespace carat::inline CARAT_ABI::simd
HWY_AFTER_NAMESPACE();

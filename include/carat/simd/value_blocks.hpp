/// \file
/// Quantised values of attention: blocks of 32 values of a token, side by side with those of other
/// tokens, and their products with probabilities.
///
/// A block is what tensor/quantized.hpp says: levels and their scale. Tokens are what is summed
/// over: two of them lie together, byte beside byte, as simd/lane_panels.hpp has pairs of bf16.
/// (Of keys a token is a lane, as a row of weights is: they lie in the panels of weights.)
#pragma once

#include "carat/simd/lane_panels.hpp"
#include "carat/simd/load.hpp"
#include "carat/simd/unroll.hpp"
#include "carat/tensor/quantized.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>

HWY_BEFORE_NAMESPACE();
namespace carat::inline CARAT_ABI::simd {
inline namespace HWY_NAMESPACE {

/// The same block of `tokens` values, a multiple of sixteen.
template <class Format, std::size_t tokens>
struct ValueBlocks {
    using Block = QuantBlock<Format>;
    static constexpr std::size_t bytes = std::size(decltype(Block::q){});
    static_assert(tokens % panel_width == 0);

    typename decltype(Block::q)::value_type q[tokens / 2][bytes][2];
    f16 scale[tokens];

    void set(std::size_t token, const Block& b) noexcept {
        for (std::size_t j = 0; j < bytes; ++j) q[token / 2][j][token % 2] = b.q[j];
        scale[token] = b.scale;
    }
    [[nodiscard]] Block get(std::size_t token) const noexcept {
        Block b{scale[token], {}};
        for (std::size_t j = 0; j < bytes; ++j) b.q[j] = q[token / 2][j][token % 2];
        return b;
    }
};

namespace detail {

using LaneInts = hn::RebindToSigned<LaneTag>;
using LanePairs = hn::Repartition<std::int16_t, LaneTag>;
/// Vectors of lanes of a block.
inline constexpr std::size_t block_parts = quant_block / lane_step;

template <bool high>
HWY_INLINE hn::Vec<LanePairs> pair_levels(const std::int8_t* q) {
    static_assert(!high, "carat: a byte of q8_0 holds one level");
    return hn::PromoteTo(LanePairs(), hn::LoadU(hn::Rebind<std::int8_t, LanePairs>(), q));
}
template <bool high>
HWY_INLINE hn::Vec<LanePairs> pair_levels(const std::uint8_t* q) {
    const LanePairs d;
    const auto both = hn::PromoteTo(d, hn::LoadU(hn::Rebind<std::uint8_t, LanePairs>(), q));
    return hn::Sub(high ? hn::ShiftRight<4>(both) : hn::And(both, hn::Set(d, 15)), hn::Set(d, 8));
}
/// The levels of a pair of tokens in vector `part` of a block's lanes.
template <std::size_t part, class Format, std::size_t tokens>
HWY_INLINE hn::Vec<LanePairs> value_levels(const ValueBlocks<Format, tokens>& block,
                                           std::size_t pair) {
    constexpr std::size_t lane = part * lane_step, bytes = ValueBlocks<Format, tokens>::bytes;
    return pair_levels<(lane >= bytes)>(block.q[pair][lane % bytes]);
}

HWY_INLINE LaneVec first_levels(hn::Vec<LanePairs> pairs) {
    const auto both = hn::BitCast(LaneInts(), pairs);
    return hn::ConvertTo(LaneTag(), hn::ShiftRight<16>(hn::ShiftLeft<16>(both)));
}
HWY_INLINE LaneVec second_levels(hn::Vec<LanePairs> pairs) {
    return hn::ConvertTo(LaneTag(), hn::ShiftRight<16>(hn::BitCast(LaneInts(), pairs)));
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

/// The scales of the tokens [begin, end), and zeros for the others of the panels around them.
template <class Format, std::size_t tokens>
HWY_INLINE void value_scales(const ValueBlocks<Format, tokens>& block, std::size_t begin,
                             std::size_t end, float* to) {
    const std::size_t from = begin / panel_width * panel_width;
    const std::size_t behind = (end + panel_width - 1) / panel_width * panel_width;
    for (std::size_t i = from; i < behind; i += lane_step)
        hn::StoreU(load_f32(block.scale + i), LaneTag(), to + i);
    std::fill(to + from, to + begin, 0.0f);
    std::fill(to + end, to + behind, 0.0f);
}

HWY_INLINE hn::Vec<LaneInts> add_pairs(hn::Vec<LanePairs> a, hn::Vec<LanePairs> b,
                                       hn::Vec<LaneInts> sum) {
#if HWY_ARCH_X86
    auto unused = hn::Zero(LaneInts());  // the instruction adds a lane's pair itself
    return hn::ReorderWidenMulAccumulate(LaneInts(), a, b, sum, unused);
#else
    return hn::Add(sum, hn::WidenMulPairwiseAdd(LaneInts(), a, b));
#endif
}

/// The first n pairs of neighbours, zeros behind them: n is what a panel or a vector holds.
struct LaneNeighbours {
    LaneVec first, second;
};
HWY_INLINE LaneNeighbours load_neighbours(const bf16* p, std::size_t n) {
    const LaneBits d;
    const auto* from = reinterpret_cast<const std::uint32_t*>(p);
    const auto two = 2 * lane_step <= panel_width ? hn::LoadU(d, from) : hn::LoadN(d, from, n);
    return {hn::BitCast(LaneTag(), hn::ShiftLeft<16>(two)),
            hn::BitCast(LaneTag(), hn::And(two, hn::Set(d, std::uint32_t{second_of_pair})))};
}
HWY_INLINE LaneNeighbours load_neighbours(const float* p, std::size_t n) {
    const LaneTag d;
    LaneVec a = hn::LoadU(d, p), b = hn::Zero(d);
    if (2 * n > lane_step) b = hn::LoadU(d, p + lane_step);
    return {hn::ConcatEven(d, b, a), hn::ConcatOdd(d, b, a)};
}

/// The shares of tokens in a block's sums: probabilities times the values' scales, as whole numbers
/// of steps, of which the largest share of a row has 32767. So they depend on nothing but the row's
/// own probabilities. They lie in pairs, the first token's in the low bytes.
template <std::size_t tokens>
class ValueShares {
    static_assert(tokens <= 512, "carat: sums of 32 bits hold no more products of 32767 and 128");

  public:
    /// Pairs, and what a whole vector may have beyond the last.
    static constexpr std::size_t room = tokens / 2 + panel_width / 2;

    template <class Format>
    HWY_INLINE void take(const ValueBlocks<Format, tokens>& block, std::size_t begin,
                         std::size_t end) {
        float scale[tokens];
        value_scales(block, begin, end, scale);
        for_pairs(
            begin, end, [&](std::size_t i, std::size_t n) __attribute__((always_inline)) {
                const auto two = load_neighbours(scale + 2 * i, n);
                hn::StoreU(two.first, LaneTag(), first_ + i);
                hn::StoreU(two.second, LaneTag(), second_ + i);
            });
    }
    /// The shares of a row p [tokens]; returns its step, which is no number if a share is none.
    template <class P>
    HWY_INLINE float round(const P* p, std::size_t begin, std::size_t end,
                           std::uint32_t* shares) const {
        constexpr float steps = 32767.0f;
        const LaneTag d;
        const LaneInts di;
        const LaneBits bits;
        float first[room], second[room];
        auto top = hn::Zero(di);  // as integers, in whose order a NaN is above all numbers
        for_pairs(
            begin, end, [&](std::size_t i, std::size_t n) __attribute__((always_inline)) {
                const auto two = load_neighbours(p + 2 * i, n);
                const auto a = hn::Mul(two.first, hn::LoadU(d, first_ + i));
                const auto b = hn::Mul(two.second, hn::LoadU(d, second_ + i));
                top =
                    hn::Max(top, hn::Max(hn::BitCast(di, hn::Abs(a)), hn::BitCast(di, hn::Abs(b))));
                hn::StoreU(a, d, first + i);
                hn::StoreU(b, d, second + i);
            });
        const auto largest = std::bit_cast<float>(hn::ReduceMax(di, top));
        float inverse = steps / largest;
        if (!(inverse > 0.0f && inverse <= std::numeric_limits<float>::max())) inverse = 0.0f;
        // Added to a number it leaves the nearest integer in the low bits.
        const auto whole = hn::Set(d, 0x1.8p23f), factor = hn::Set(d, inverse);
        for_pairs(
            begin, end, [&](std::size_t i, std::size_t) __attribute__((always_inline)) {
                const auto low = hn::MulAdd(hn::LoadU(d, first + i), factor, whole);
                const auto high = hn::MulAdd(hn::LoadU(d, second + i), factor, whole);
                hn::StoreU(hn::Or(hn::And(hn::BitCast(bits, low), hn::Set(bits, 0xffffu)),
                                  hn::ShiftLeft<16>(hn::BitCast(bits, high))),
                           bits, shares + i);
            });
        return largest / steps;
    }

  private:
    /// f(pair, n) for the pairs of the panels around the tokens [begin, end), a vector at a time.
    template <class F>
    static HWY_INLINE void for_pairs(std::size_t begin, std::size_t end, const F& f) {
        constexpr std::size_t pairs = panel_width / 2;
        const std::size_t to = (end + panel_width - 1) / panel_width * pairs;
        for (std::size_t i = begin / panel_width * pairs; i < to; i += lane_step)
            f(i, std::min(lane_step, to - i));
    }

    float first_[room], second_[room];  ///< scales of the tokens of pairs
};

/// `rows` rows of shares with `count` vectors of a block's lanes from `part` on, over the pairs
/// [begin, end), times each row's step. `ahead` asks for the block behind this one.
template <std::size_t rows, std::size_t part, std::size_t count, bool ahead, class Format,
          std::size_t tokens>
HWY_INLINE void value_tile(const ValueBlocks<Format, tokens>& block,
                           const std::uint32_t (*shares)[ValueShares<tokens>::room],
                           std::size_t begin, std::size_t end, const float* steps, float* y,
                           std::size_t y_stride) {
    hn::Vec<LaneInts> sums[rows * count];
    unroll<rows * count>([&](auto i)
                             __attribute__((always_inline)) { sums[i] = hn::Zero(LaneInts()); });
    for (std::size_t pair = begin; pair < end; ++pair) {
        if constexpr (ahead) {
            prefetch(&block.q[pair][0][0], sizeof(block));
            if (pair % (cache_line / sizeof(f16) / 2) == 0)
                prefetch(block.scale + 2 * pair, sizeof(block) / sizeof(f16));
        }
        hn::Vec<LanePairs> levels[count];
        unroll<count>([&](auto v) __attribute__((always_inline)) {
            levels[v] = in_register(value_levels<part + v>(block, pair));
        });
        unroll<rows>([&](auto r) __attribute__((always_inline)) {
            const auto share = hn::BitCast(LanePairs(), hn::Set(LaneBits(), shares[r][pair]));
            unroll<count>([&](auto v) __attribute__((always_inline)) {
                // Or g++ moves all sums from register to register, and some to memory and back.
                sums[r * count + v] = in_register(add_pairs(levels[v], share, sums[r * count + v]));
            });
        });
    }
    unroll<rows>([&](auto r) __attribute__((always_inline)) {
        const auto step = hn::Set(LaneTag(), steps[r]);
        unroll<count>([&](auto v) __attribute__((always_inline)) {
            hn::StoreU(hn::Mul(hn::ConvertTo(LaneTag(), sums[r * count + v]), step), LaneTag(),
                       y + r * y_stride + (part + v) * lane_step);
        });
    });
}

}  // namespace detail

/// The values [begin, end) of `tokens`, both even: blocks for `lanes` lanes, a multiple of sixteen,
/// become panels [lanes / 16, tokens / pair, 16, pair] of which the other inner elements stay.
template <class Format, std::size_t tokens, class X>
HWY_INLINE void expand_values(const ValueBlocks<Format, tokens>* blocks, std::size_t lanes,
                              std::size_t begin, std::size_t end, X* to) noexcept {
    float scale[tokens];
    for (std::size_t first = 0; first < lanes; first += quant_block, ++blocks) {
        detail::value_scales(*blocks, begin, end, scale);
        unroll<detail::block_parts>([&](auto part) __attribute__((always_inline)) {
            constexpr std::size_t panel = part / detail::lane_parts * panel_width;
            if (first + panel >= lanes) return;
            X* place = to + (first + panel) * tokens +
                       part % detail::lane_parts * detail::lane_step * panel_pair<X>;
            for (std::size_t i = begin; i < end; i += 2) {
                const auto levels = detail::value_levels<part>(*blocks, i / 2);
                const auto value = [&](detail::LaneVec level, std::size_t token)
                    __attribute__((always_inline)) {
                    return hn::Mul(level, hn::Set(detail::LaneTag(), scale[token]));
                };
                detail::store_pair(value(detail::first_levels(levels), i),
                                   value(detail::second_levels(levels), i + 1),
                                   place + i * panel_width);
            }
        });
    }
}

/// Whether products of quantised values in integers are faster than those of what they expand to.
inline constexpr bool integer_values = HWY_ARCH_X86 && !has_tiles;

/// y[r, lane] = Σ_t p[r, t] · value[t, lane] over begin <= t < end, in integers of 16 bits: p times
/// a value's scale is rounded to a 32767th of the largest such product of its row and block.
///   p [rows, tokens], 0 for the other tokens of the panels around [begin, end); y [rows, lanes],
///   lanes a multiple of sixteen; strides in elements
/// A scale that is no finite number makes its lanes NaN.
template <class Format, std::size_t tokens, class P>
inline void value_product(const ValueBlocks<Format, tokens>* blocks, std::size_t lanes, const P* p,
                          std::size_t p_stride, std::size_t rows, std::size_t begin,
                          std::size_t end, float* y, std::size_t y_stride) noexcept {
    using namespace detail;
    // As many sums as registers hold beside a step's levels and a row's share.
    constexpr std::size_t vectors = std::max<std::size_t>(lane_parts, 2);
    constexpr std::size_t registers = many_registers ? 32 : 16;
    constexpr std::size_t tall =
        std::clamp<std::size_t>((registers - vectors - 1) / vectors / 2 * 2, 2, 8);
    ValueShares<tokens> scales;
    std::uint32_t shares[tall][ValueShares<tokens>::room];
    float steps[tall];
    for (std::size_t first = 0; first < lanes; first += quant_block, ++blocks) {
        scales.take(*blocks, begin, end);
        std::size_t r = 0;
        const auto pass = [&](auto height, auto together, auto ahead)
            __attribute__((always_inline)) {
            for (std::size_t row = 0; row < height; ++row)
                steps[row] = scales.round(p + (r + row) * p_stride, begin, end, shares[row]);
            unroll<block_parts / together>([&](auto i) __attribute__((always_inline)) {
                constexpr std::size_t part = i * together;
                if (first + part * lane_step < lanes)
                    value_tile<height, part, together, ahead && part == 0>(
                        *blocks, shares, begin / 2, (end + 1) / 2, steps, y + r * y_stride + first,
                        y_stride);
            });
            r += height;
        };
        const auto all = [&](auto together) __attribute__((always_inline)) {
            // The first rows ask for what comes next: for the others it is there.
            if (rows >= tall) pass(Size<tall>(), together, std::true_type());
            while (r + tall <= rows) pass(Size<tall>(), together, std::false_type());
            while (r + 2 <= rows) pass(Size<2>(), together, std::true_type());
            while (r < rows) pass(Size<1>(), together, std::true_type());
        };
        if (first + quant_block <= lanes)
            all(Size<vectors>());
        else
            all(Size<lane_parts>());
    }
}

}  // namespace HWY_NAMESPACE
}  // namespace carat::inline CARAT_ABI::simd
HWY_AFTER_NAMESPACE();

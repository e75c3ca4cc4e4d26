/// \file
/// Products of rows with panels of sixteen lanes: both products of attention.
///
/// A panel `[lanes / 16, inner / pair, 16, pair]` holds what a vector multiplies at once side by
/// side, so that sums stay in their lanes. Keys lie in panels with a key to a lane and a head's
/// dimensions inside; values with a dimension to a lane and the keys inside. Then
///
///     scores = queries · key panels,   mixed = probabilities · value panels
///
/// are one operation. Of bf16, two inner elements lie together, as the dot product instruction
/// takes them. Every sum runs over the inner elements in order (with matrix tiles 32 at a time,
/// even and odd ones apart), by itself: it depends neither on how many rows are computed together
/// nor on zeros among them.
#pragma once

#include "carat/simd/convert.hpp"
#include "carat/simd/load.hpp"
#include "carat/simd/tile_product.hpp"
#include "carat/simd/unroll.hpp"

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>

HWY_BEFORE_NAMESPACE();
namespace carat::inline CARAT_ABI::simd {
inline namespace HWY_NAMESPACE {

/// Lanes of a panel: those of f32 in the widest vectors; narrower ones take it in parts.
inline constexpr std::size_t panel_width = 16;
/// Inner elements that lie together.
template <class X>
inline constexpr std::size_t panel_pair = sizeof(X) == 2 ? 2 : 1;

/// What rounded products are made of: bf16 where the target multiplies it fast, f32 elsewhere.
using FastOperand = std::conditional_t<packs_pairs, bf16, float>;

/// Place of element (lane, i) in panels of `inner` elements.
template <class X>
constexpr std::size_t panel_index(std::size_t inner, std::size_t lane, std::size_t i) {
    constexpr std::size_t pair = panel_pair<X>;
    return ((lane / panel_width * (inner / pair) + i / pair) * panel_width + lane % panel_width) *
               pair +
           i % pair;
}
/// Writes or reads one lane of all inner elements: a key.
template <class X>
inline void set_lane(X* panels, std::size_t inner, std::size_t lane, const X* row) noexcept {
    for (std::size_t i = 0; i < inner; ++i) panels[panel_index<X>(inner, lane, i)] = row[i];
}
template <class X>
inline void get_lane(const X* panels, std::size_t inner, std::size_t lane, X* row) noexcept {
    for (std::size_t i = 0; i < inner; ++i) row[i] = panels[panel_index<X>(inner, lane, i)];
}
/// Writes or reads one inner element of the first `lanes` lanes: a value.
template <class X>
inline void set_inner(X* panels, std::size_t inner, std::size_t i, const X* row,
                      std::size_t lanes) noexcept {
    for (std::size_t lane = 0; lane < lanes; ++lane)
        panels[panel_index<X>(inner, lane, i)] = row[lane];
}
template <class X>
inline void get_inner(const X* panels, std::size_t inner, std::size_t i, X* row,
                      std::size_t lanes) noexcept {
    for (std::size_t lane = 0; lane < lanes; ++lane)
        row[lane] = panels[panel_index<X>(inner, lane, i)];
}

namespace detail {

using LaneTag = hn::CappedTag<float, panel_width>;
using LaneBits = hn::RebindToUnsigned<LaneTag>;
using LaneVec = hn::Vec<LaneTag>;
inline constexpr std::size_t lane_step = hn::MaxLanes(LaneTag());
inline constexpr std::size_t lane_parts = panel_width / lane_step;
inline constexpr std::uint32_t both = 0xffffffffu, first_of_pair = 0xffffu,
                               second_of_pair = 0xffff0000u;

/// A step over inner elements of panels of W: one f32, or a pair of bf16 of which `used` says which
/// counts. `held` vectors of a step are held for all rows.
template <class X, class W>
struct LaneProducts;

template <>
struct LaneProducts<float, float> {
    static constexpr std::size_t held = 1;
    static HWY_INLINE LaneVec load(const float* p, std::uint32_t) {
        return in_register(hn::LoadU(LaneTag(), p));
    }
    static HWY_INLINE LaneVec spread(const float* x) { return hn::Set(LaneTag(), *x); }
    static HWY_INLINE LaneVec add(LaneVec a, LaneVec b, LaneVec sum) {
        return hn::MulAdd(a, b, sum);
    }
};
/// Widened while they are multiplied, in the order of panels that were widened before.
template <>
struct LaneProducts<float, bf16> {
    static constexpr std::size_t held = 2;
    struct Two {
        LaneVec even, odd;
    };
    static HWY_INLINE Two load(const bf16* p, std::uint32_t used) {
        const LaneTag d;
        const LaneBits bits;
        auto two = hn::LoadU(bits, reinterpret_cast<const std::uint32_t*>(p));
        if (used != both) two = hn::And(two, hn::Set(bits, used));
        return {hn::BitCast(d, hn::ShiftLeft<16>(two)),
                hn::BitCast(d, hn::And(two, hn::Set(bits, second_of_pair)))};
    }
    static HWY_INLINE Two spread(const float* x) {
        return {hn::Set(LaneTag(), x[0]), hn::Set(LaneTag(), x[1])};
    }
    static HWY_INLINE LaneVec add(const Two& a, const Two& b, LaneVec sum) {
        return hn::MulAdd(a.odd, b.odd, hn::MulAdd(a.even, b.even, sum));
    }
};
template <std::same_as<bf16> X>
requires native_dot_bf16 struct LaneProducts<X, X> {
    static constexpr std::size_t held = 1;
    using Tag = hn::Repartition<hwy::bfloat16_t, LaneTag>;
    using Vec = hn::Vec<Tag>;
    static HWY_INLINE Vec load(const bf16* p, std::uint32_t used) {
        const LaneBits d;
        const auto bits = hn::LoadU(d, reinterpret_cast<const std::uint32_t*>(p));
        return hn::BitCast(Tag(), used == both ? bits : hn::And(bits, hn::Set(d, used)));
    }
    static HWY_INLINE Vec spread(const bf16* x) {
        std::uint32_t two;
        __builtin_memcpy(&two, x, sizeof two);
        return hn::BitCast(Tag(), hn::Set(LaneBits(), two));
    }
    static HWY_INLINE LaneVec add(Vec a, Vec b, LaneVec sum) {
        auto unused = hn::Zero(LaneTag());  // the instruction adds a lane's pair itself
        return hn::ReorderWidenMulAccumulate(LaneTag(), a, b, sum, unused);
    }
};

/// `rows` rows with `panels` panels over the inner elements [begin, end). Elements outside are not
/// read as numbers: what lies there may be anything. `ahead` asks for the panels behind these,
/// which come next: where a token alone waits for its keys and values, the machine's prefetchers,
/// which begin anew with each page, bring 13 of the 31 GB/s that a core of Zen 5 reads, and with
/// it 22 to 28.
template <class X, class W, std::size_t rows, std::size_t panels, bool ahead>
HWY_INLINE void lane_tile(const X* HWY_RESTRICT x, std::size_t x_stride, const W* HWY_RESTRICT w,
                          std::size_t inner, std::size_t begin, std::size_t end,
                          float* HWY_RESTRICT y, std::size_t y_stride) {
    using P = LaneProducts<X, W>;
    constexpr std::size_t pair = panel_pair<W>, vectors = panels * lane_parts;
    const std::size_t panel_stride = inner * panel_width;
    LaneVec sums[rows * vectors];
    unroll<rows * vectors>([&](auto i)
                               __attribute__((always_inline)) { sums[i] = hn::Zero(LaneTag()); });
    const auto step = [&](std::size_t i, std::uint32_t used) __attribute__((always_inline)) {
        decltype(P::spread(x)) ws[vectors];
        unroll<vectors>([&](auto v) __attribute__((always_inline)) {
            const W* from = w + v / lane_parts * panel_stride +
                            (i * panel_width + v % lane_parts * lane_step) * pair;
            if constexpr (ahead && v % lane_parts * lane_step * pair * sizeof(W) % cache_line == 0)
                prefetch(from, panels * panel_stride);
            ws[v] = P::load(from, used);
        });
        unroll<rows>([&](auto r) __attribute__((always_inline)) {
            const auto xr = P::spread(x + r * x_stride + i * pair);
            unroll<vectors>([&](auto v) __attribute__((always_inline)) {
                sums[r * vectors + v] = P::add(ws[v], xr, sums[r * vectors + v]);
            });
        });
    };
    std::size_t i = begin / pair;
    if (begin % pair != 0 && begin < end) step(i++, second_of_pair);
    for (; i < end / pair; ++i) step(i, both);
    if (end % pair != 0 && begin < end && i * pair < end) step(i, first_of_pair);
    unroll<rows>([&](auto r) __attribute__((always_inline)) {
        unroll<vectors>([&](auto v) __attribute__((always_inline)) {
            hn::StoreU(sums[r * vectors + v], LaneTag(), y + r * y_stride + v * lane_step);
        });
    });
}

/// All panels for `height` rows, `wide` of them at a time.
template <class X, class W, std::size_t height, std::size_t wide, bool ahead>
HWY_INLINE void lane_rows(const X* x, std::size_t x_stride, const W* w, std::size_t inner,
                          std::size_t panels, std::size_t begin, std::size_t end, float* y,
                          std::size_t y_stride) {
    std::size_t p = 0;
    for (; p + wide <= panels; p += wide)
        lane_tile<X, W, height, wide, ahead>(x, x_stride, w + p * inner * panel_width, inner, begin,
                                             end, y + p * panel_width, y_stride);
    if constexpr (wide > 1)
        for (; p < panels; ++p)
            lane_tile<X, W, height, 1, ahead>(x, x_stride, w + p * inner * panel_width, inner,
                                              begin, end, y + p * panel_width, y_stride);
}

}  // namespace detail

/// y[r, lane] = Σ_i x[r, i] · w[lane, i] over begin <= i < end.
///   x [rows, inner], w `panels` panels of `inner` elements, y [rows, 16 · panels]; strides in
///   elements. Beside panels of bf16, x is read in whole pairs.
template <class X, class W>
inline void panel_product(const X* x, std::size_t x_stride, std::size_t rows, const W* w,
                          std::size_t inner, std::size_t panels, std::size_t begin, std::size_t end,
                          float* y, std::size_t y_stride) noexcept {
    if constexpr (has_tiles && std::is_same_v<X, bf16>)
        if (inner % tile_depth == 0 && Tiles<sizeof(bf16)>::allowed())
            return detail::lane_tile_product<Tiles<sizeof(bf16)>>(x, x_stride, rows, w, inner,
                                                                  panels, begin, end, y, y_stride);
    // As many sums as registers hold beside the weights of a step and a row's value, and sixteen at
    // most, which hide the latency of an instruction.
    constexpr std::size_t wide = detail::lane_parts == 1 ? 2 : 1;
    constexpr std::size_t vectors = wide * detail::lane_parts, registers = many_registers ? 32 : 16;
    constexpr std::size_t held = detail::LaneProducts<X, W>::held;
    constexpr std::size_t tall =
        std::clamp<std::size_t>((registers - held - held * vectors) / vectors / 2 * 2, 2, 8);
    // A few panels at a time, which stay in the first-level cache while all rows pass.
    const std::size_t some = rows > tall ? wide : panels;
    for (std::size_t p = 0; p < panels; p += some) {
        const std::size_t n = some < panels - p ? some : panels - p;
        const W* wp = w + p * inner * panel_width;
        float* yp = y + p * panel_width;
        std::size_t r = 0;
        const auto pass = [&](auto height, auto together, auto ahead)
            __attribute__((always_inline)) {
            detail::lane_rows<X, W, height, together, ahead>(
                x + r * x_stride, x_stride, wp, inner, n, begin, end, yp + r * y_stride, y_stride);
            r += height;
        };
        // The first rows ask for what comes next: for the others it is there.
        if (rows >= tall) pass(Size<tall>(), Size<wide>(), std::true_type());
        while (r + tall <= rows) pass(Size<tall>(), Size<wide>(), std::false_type());
        while (r + 2 <= rows) pass(Size<2>(), Size<2 * wide>(), std::true_type());
        while (r < rows) pass(Size<1>(), Size<2 * wide>(), std::true_type());
    }
}

/// n whole panels' elements of one type as those of another, place for place in meaning.
inline void convert_panels(const bf16* from, std::size_t n, float* to) noexcept {
    const detail::LaneTag d;
    const detail::LaneBits bits;
    for (std::size_t i = 0; i < n; i += 2 * panel_width)  // sixteen pairs
        unroll<detail::lane_parts>([&](auto part) __attribute__((always_inline)) {
            constexpr std::size_t at = part * detail::lane_step;
            const auto two = hn::LoadU(bits, reinterpret_cast<const std::uint32_t*>(from + i) + at);
            hn::StoreU(hn::BitCast(d, hn::ShiftLeft<16>(two)), d, to + i + at);
            hn::StoreU(hn::BitCast(d, hn::And(two, hn::Set(bits, detail::second_of_pair))), d,
                       to + i + panel_width + at);
        });
}
inline void convert_panels(const float* from, std::size_t n, bf16* to) noexcept {
    for (std::size_t i = 0; i < n; i += 2 * panel_width) {
        bf16 rounded[2 * panel_width];
        convert(from + i, 2 * panel_width, rounded);
        for (std::size_t lane = 0; lane < panel_width; ++lane) {
            to[i + 2 * lane] = rounded[lane];
            to[i + 2 * lane + 1] = rounded[panel_width + lane];
        }
    }
}

}  // namespace HWY_NAMESPACE
}  // namespace carat::inline CARAT_ABI::simd
HWY_AFTER_NAMESPACE();

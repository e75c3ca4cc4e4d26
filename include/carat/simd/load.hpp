/// \file
/// Loading stored elements as f32 lanes, whatever they are stored as.
#pragma once

#include "carat/simd/target.hpp"
#include "carat/simd/tiles.hpp"
#include "carat/tensor/element.hpp"

#include <hwy/cache_control.h>

#include <cstddef>
#include <cstdint>

HWY_BEFORE_NAMESPACE();
namespace carat::inline CARAT_ABI::simd {
inline namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using F32Tag = hn::ScalableTag<float>;
using F32Vec = hn::Vec<F32Tag>;

namespace detail {

/// f16 that Highway has widened. Below AVX2 and in WebAssembly it does so by hand, and takes the
/// exponent of infinity and NaN for one more power of two: the numbers from 2^16 on, which no f16
/// has.
HWY_INLINE F32Vec widened(F32Vec v) {
#if (HWY_ARCH_X86 && HWY_TARGET > HWY_AVX2) || HWY_ARCH_WASM
    const F32Tag d;
    const hn::RebindToUnsigned<F32Tag> du;
    const auto beyond = hn::Ge(hn::Abs(v), hn::Set(d, 65536.0f));
    return hn::Or(v, hn::IfThenElseZero(beyond, hn::BitCast(d, hn::Set(du, 0x7f800000u))));
#else
    return v;
#endif
}

}  // namespace detail

/// A vector that waits in a register for all who use it. g++ would have each of them read it from
/// memory again: on Zen 3 an operand in memory halves the rate of multiply-adds.
template <class V>
HWY_INLINE V in_register(V v) {
#if HWY_ARCH_X86 && HWY_COMPILER_GCC_ACTUAL
    asm("" : "+v"(v.raw));
#endif
    return v;
}

/// Bytes that memory gives at once.
inline constexpr std::size_t cache_line = 64;
/// Asks for the memory n elements behind p, which need not be there: nothing is read.
template <class T>
HWY_INLINE void prefetch(const T* p, std::size_t n) {
    hwy::Prefetch(reinterpret_cast<const T*>(reinterpret_cast<std::uintptr_t>(p) + n * sizeof(T)));
}
/// A product of a token alone waits for its weights: it reads from so many places at once, streams
/// that the machine's prefetchers follow. Zen 5 reads 1.07 to 1.14 times as fast from four as from
/// eight, Sapphire Rapids 1.05 to 1.1 times as fast from eight as from four.
inline constexpr std::size_t reading_places = has_tiles ? 8 : 4;
/// And asks for them so many bytes ahead: Zen 5 reads rows of elements 1.08 to 1.1 times as fast
/// then, panels of q4_0 up to 1.05 times and of q8_0 as before. With AVX2 some products lose;
/// elsewhere it was not measured.
inline constexpr std::size_t reading_ahead =
    HWY_ARCH_X86 && many_registers && !has_tiles ? 1024 : 0;

/// Lanes(F32Tag()) elements from p as f32.
HWY_INLINE F32Vec load_f32(const float* p) { return hn::LoadU(F32Tag(), p); }
HWY_INLINE F32Vec load_f32(const bf16* p) {
    const hn::Rebind<hwy::bfloat16_t, F32Tag> d16;
    const hn::RebindToUnsigned<decltype(d16)> bits;
    return hn::PromoteTo(F32Tag(), hn::BitCast(d16, hn::LoadU(bits, &p->bits)));
}
HWY_INLINE F32Vec load_f32(const f16* p) {
    const hn::Rebind<hwy::float16_t, F32Tag> d16;
    const hn::RebindToUnsigned<decltype(d16)> bits;
    return detail::widened(hn::PromoteTo(F32Tag(), hn::BitCast(d16, hn::LoadU(bits, &p->bits))));
}

/// The first n elements from p, n less than a whole vector; zeros behind them. Reads nothing past p
/// + n.
HWY_INLINE F32Vec load_f32(const float* p, std::size_t n) { return hn::LoadN(F32Tag(), p, n); }
HWY_INLINE F32Vec load_f32(const bf16* p, std::size_t n) {
    const hn::Rebind<hwy::bfloat16_t, F32Tag> d16;
    const hn::RebindToUnsigned<decltype(d16)> bits;
    return hn::PromoteTo(F32Tag(), hn::BitCast(d16, hn::LoadN(bits, &p->bits, n)));
}
HWY_INLINE F32Vec load_f32(const f16* p, std::size_t n) {
    const hn::Rebind<hwy::float16_t, F32Tag> d16;
    const hn::RebindToUnsigned<decltype(d16)> bits;
    return detail::widened(hn::PromoteTo(F32Tag(), hn::BitCast(d16, hn::LoadN(bits, &p->bits, n))));
}

}  // namespace HWY_NAMESPACE
}  // namespace carat::inline CARAT_ABI::simd
HWY_AFTER_NAMESPACE();

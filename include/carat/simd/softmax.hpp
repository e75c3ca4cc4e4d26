/// \file
/// Softmax of a row: at once, or in parts that are merged.
#pragma once

#include "carat/simd/batch.hpp"
#include "carat/simd/load.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

HWY_BEFORE_NAMESPACE();
namespace carat::inline CARAT_ABI::simd {
inline namespace HWY_NAMESPACE {

/// The largest element; -infinity for an empty row, NaN where one is.
inline float max_of(const float* x, std::size_t n) noexcept {
    constexpr float lowest = -std::numeric_limits<float>::infinity();
    constexpr std::size_t some = 4;  // at once, or each waits for the one before
    std::array<Batch, some> largest;
    largest.fill(Batch(lowest));
    auto numbers = largest[0] == largest[0];  // machines' maximum may lose a NaN
    const auto take = [&](Batch& most, Batch v) {
        numbers = numbers & (v == v);
        most = xsimd::max(most, v);
    };
    std::size_t i = 0;
    for (; i + some * Batch::size <= n; i += some * Batch::size)
        for (std::size_t j = 0; j < some; ++j)
            take(largest[j], Batch::load_unaligned(x + i + j * Batch::size));
    for_each_batch(
        n - i, [&](std::size_t j, std::size_t m) { take(largest[0], load(x + i + j, m, lowest)); });
    const Batch top =
        xsimd::max(xsimd::max(largest[0], largest[1]), xsimd::max(largest[2], largest[3]));
    return xsimd::all(numbers) ? max_of(top) : std::numeric_limits<float>::quiet_NaN();
}

/// out[i] = exp(x[i] - top); returns their sum. Elements of -infinity get 0. out may be x.
inline float exp_below(const float* x, std::size_t n, float top, float* out) noexcept {
    constexpr float lowest = -std::numeric_limits<float>::infinity();
    const Batch shift(top);
    Batch sum(0.0f);
    for_each_batch(n, [&](std::size_t i, std::size_t m) {
        const Batch e = xsimd::exp(load(x + i, m, lowest) - shift);
        store(out + i, m, e);
        sum += e;
    });
    return sum_of(sum);
}

namespace detail {

/// The larger of the two, NaN where v is: some machines' Max() drops it, x86 returns the second.
HWY_INLINE F32Vec at_least(float lowest, F32Vec v) {
    const auto low = hn::Set(F32Tag(), lowest);
#if HWY_ARCH_X86
    return hn::Max(low, v);
#else
    return hn::IfThenElse(hn::Lt(v, low), low, v);
#endif
}

}  // namespace detail

/// The same rounded, to within 1.1e-4 of each before that; the sum is of what was not. It is 2^n
/// 2^f, where n is the nearest integer, which becomes an exponent by a shift, and 2^f a polynomial
/// of three terms beside 1: rounding moves a value by up to 3.9e-3.
inline float exp_below(const float* x, std::size_t n, float top, bf16* out) noexcept {
    const F32Tag d;
    const hn::RebindToUnsigned<F32Tag> du;
    const hn::Repartition<hwy::bfloat16_t, F32Tag> whole16;
    const hn::Rebind<hwy::bfloat16_t, F32Tag> half16;
    const hn::RebindToUnsigned<decltype(whole16)> whole_bits;
    const hn::RebindToUnsigned<decltype(half16)> half_bits;
    // Added to a number it leaves the nearest integer, plus the bias of an exponent, in the low
    // bits.
    const auto shift = hn::Set(d, 0x1.8p23f + 127.0f);
    const auto exps = [&](F32Vec v) __attribute__((always_inline)) {
        const auto power = detail::at_least(
            -127.0f, hn::Mul(hn::Sub(v, hn::Set(d, top)), hn::Set(d, 0x1.715476p0f)));
        const auto shifted = hn::Add(power, shift);
        const auto f = hn::Sub(power, hn::Sub(shifted, shift));
        auto e = hn::MulAdd(f, hn::Set(d, 0x1.c2a218p-5f), hn::Set(d, 0x1.f00c4cp-3f));
        e = hn::MulAdd(f, e, hn::Set(d, 0x1.62f5fap-1f));
        e = hn::MulAdd(f, e, hn::Set(d, 1.0f));
        return hn::Mul(e, hn::BitCast(d, hn::ShiftLeft<23>(hn::BitCast(du, shifted))));
    };
    auto sum = hn::Zero(d);
    const std::size_t lanes = hn::Lanes(d);
    std::size_t i = 0;
    for (; i + 2 * lanes <= n; i += 2 * lanes) {
        const auto a = exps(hn::LoadU(d, x + i)), b = exps(hn::LoadU(d, x + i + lanes));
        // One after the other: zeros around a row's numbers leave its sum as it is.
        sum = hn::Add(hn::Add(sum, a), b);
        hn::StoreU(hn::BitCast(whole_bits, hn::OrderedDemote2To(whole16, a, b)), whole_bits,
                   &out[i].bits);
    }
    const auto lowest = hn::Set(d, -std::numeric_limits<float>::infinity());
    for (; i < n; i += lanes) {
        const std::size_t some = std::min(lanes, n - i);
        const auto e = exps(hn::LoadNOr(lowest, d, x + i, some));
        sum = hn::Add(sum, e);
        hn::StoreN(hn::BitCast(half_bits, hn::DemoteTo(half16, e)), half_bits, &out[i].bits, some);
    }
    return hn::ReduceSum(d, sum);
}

/// x[i] = exp(x[i] - max) / Σ exp. Elements of -infinity get 0; a row of nothing else becomes all
/// zeros.
inline void softmax(float* x, std::size_t n) noexcept {
    const float top = max_of(x, n);
    if (top == -std::numeric_limits<float>::infinity()) {
        for (std::size_t i = 0; i < n; ++i) x[i] = 0.0f;
        return;
    }
    const Batch scale(1.0f / exp_below(x, n, top, x));
    for_each_batch(n,
                   [&](std::size_t i, std::size_t m) { store(x + i, m, load(x + i, m) * scale); });
}

/// What a part of a softmax leaves: its largest score and the sum of exp(score - top) over it.
struct SoftmaxPart {
    float top = -std::numeric_limits<float>::infinity(), sum = 0.0f;
};

/// Parts of one softmax, merged in order: mixed = mixed · exp(a - max) + other · exp(b - max).
/// `mixed` is not read while `total` holds nothing. A part that saw nothing changes nothing.
inline void merge(SoftmaxPart& total, float* mixed, SoftmaxPart part, const float* other,
                  std::size_t n) noexcept {
    constexpr float lowest = -std::numeric_limits<float>::infinity();
    if (part.top == lowest) return;
    if (total.top == lowest) {
        total = part;
        for_each_batch(
            n, [&](std::size_t i, std::size_t m) { store(mixed + i, m, load(other + i, m)); });
        return;
    }
    const float top = std::fmax(total.top, part.top);
    const float a = std::exp(total.top - top), b = std::exp(part.top - top);
    // Products of floats are exact in a double: the same sum however the compiler fuses.
    total = {top, static_cast<float>(double{total.sum} * double{a} + double{part.sum} * double{b})};
    const Batch va(a), vb(b);
    for_each_batch(n, [&](std::size_t i, std::size_t m) {
        store(mixed + i, m, mul_add(load(mixed + i, m), va, load(other + i, m) * vb));
    });
}
/// out = mixed / sum; zeros where nothing was seen.
inline void finish(SoftmaxPart total, const float* mixed, std::size_t n, float* out) noexcept {
    const bool none = total.top == -std::numeric_limits<float>::infinity();
    const Batch scale(none ? 0.0f : 1.0f / total.sum);
    for_each_batch(n, [&](std::size_t i, std::size_t m) {
        store(out + i, m, none ? Batch(0.0f) : load(mixed + i, m) * scale);
    });
}

}  // namespace HWY_NAMESPACE
}  // namespace carat::inline CARAT_ABI::simd
HWY_AFTER_NAMESPACE();

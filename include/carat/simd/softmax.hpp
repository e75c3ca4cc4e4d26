/// \file
/// Softmax of a row: at once, or in parts that are merged.
#pragma once

#include "carat/simd/batch.hpp"
#include "carat/simd/load.hpp"

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
/// The same to within 3e-6 of each, rounded; the sum is of what was not. It is 2^n 2^f, where n is
/// the nearest integer, which becomes an exponent by a shift, and 2^f a polynomial: a third less
/// work than an exponential that looks for what no difference to the largest can be.
inline float exp_below(const float* x, std::size_t n, float top, bf16* out) noexcept {
    const F32Tag d;
    const hn::RebindToUnsigned<F32Tag> du;
    const hn::Rebind<hwy::bfloat16_t, F32Tag> b16;
    const hn::Rebind<std::uint16_t, F32Tag> d16;
    // Added to a number it leaves the nearest integer, plus the bias of an exponent, in the low
    // bits.
    const auto shift = hn::Set(d, 0x1.8p23f + 127.0f);
    auto sum = hn::Zero(d);
    const auto exps = [&](F32Vec v) __attribute__((always_inline)) {
        auto power = hn::Mul(hn::Sub(v, hn::Set(d, top)), hn::Set(d, 0x1.715476p0f));
        // Below every f32: an exponent of zero. Not by Max(), which drops a NaN on some machines.
        power = hn::IfThenElse(hn::Lt(power, hn::Set(d, -127.0f)), hn::Set(d, -127.0f), power);
        const auto shifted = hn::Add(power, shift);
        const auto f = hn::Sub(power, hn::Sub(shifted, shift));
        auto e = hn::MulAdd(f, hn::Set(d, 0x1.3a02ccp-7f), hn::Set(d, 0x1.c9fc46p-5f));
        e = hn::MulAdd(f, e, hn::Set(d, 0x1.ec0378p-3f));
        e = hn::MulAdd(f, e, hn::Set(d, 0x1.62e12cp-1f));
        e = hn::MulAdd(f, e, hn::Set(d, 1.0f));
        e = hn::Mul(e, hn::BitCast(d, hn::ShiftLeft<23>(hn::BitCast(du, shifted))));
        sum = hn::Add(sum, e);
        return hn::BitCast(d16, hn::DemoteTo(b16, e));
    };
    const std::size_t lanes = hn::Lanes(d);
    std::size_t i = 0;
    for (; i + lanes <= n; i += lanes) hn::StoreU(exps(hn::LoadU(d, x + i)), d16, &out[i].bits);
    if (i < n) {
        const auto lowest = hn::Set(d, -std::numeric_limits<float>::infinity());
        hn::StoreN(exps(hn::LoadNOr(lowest, d, x + i, n - i)), d16, &out[i].bits, n - i);
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

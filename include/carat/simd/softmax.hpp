/// \file
/// Softmax of a row: at once, or in parts that are merged.
#pragma once

#include "carat/simd/batch.hpp"

#include <cmath>
#include <cstddef>
#include <limits>

namespace carat::inline CARAT_ABI::simd {
inline namespace HWY_NAMESPACE {

/// The largest element; -infinity for an empty row, NaN where one is.
inline float max_of(const float* x, std::size_t n) noexcept {
    constexpr float lowest = -std::numeric_limits<float>::infinity();
    Batch largest(lowest);
    auto numbers = largest == largest;  // machines' maximum may lose a NaN
    for_each_batch(n, [&](std::size_t i, std::size_t m) {
        const Batch v = load(x + i, m, lowest);
        numbers = numbers & (v == v);
        largest = xsimd::max(largest, v);
    });
    return xsimd::all(numbers) ? max_of(largest) : std::numeric_limits<float>::quiet_NaN();
}

/// x[i] = exp(x[i] - top); returns their sum. Elements of -infinity get 0.
inline float exp_below(float* x, std::size_t n, float top) noexcept {
    constexpr float lowest = -std::numeric_limits<float>::infinity();
    const Batch shift(top);
    Batch sum(0.0f);
    for_each_batch(n, [&](std::size_t i, std::size_t m) {
        const Batch e = xsimd::exp(load(x + i, m, lowest) - shift);
        store(x + i, m, e);
        sum += e;
    });
    return sum_of(sum);
}

/// x[i] = exp(x[i] - max) / Σ exp. Elements of -infinity get 0; a row of nothing else becomes all
/// zeros.
inline void softmax(float* x, std::size_t n) noexcept {
    const float top = max_of(x, n);
    if (top == -std::numeric_limits<float>::infinity()) {
        for (std::size_t i = 0; i < n; ++i) x[i] = 0.0f;
        return;
    }
    const Batch scale(1.0f / exp_below(x, n, top));
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

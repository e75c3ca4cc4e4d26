/// \file
/// Rows from one element type to another, rounding to nearest even where the target is narrower.
#pragma once

#include "carat/simd/load.hpp"
#include "carat/tensor/matrix.hpp"
#include "carat/tensor/stored_blocks.hpp"
#include "carat/tensor/view.hpp"

#include <algorithm>
#include <cstddef>

HWY_BEFORE_NAMESPACE();
namespace carat::inline CARAT_ABI::simd {
inline namespace HWY_NAMESPACE {

/// out[i] = x[i] · scale, in f32.
template <class T>
inline void scale_row(const T* x, std::size_t n, float scale, float* out) noexcept {
    const F32Tag d;
    const auto s = hn::Set(d, scale);
    const std::size_t lanes = hn::Lanes(d);
    std::size_t i = 0;
    for (; i + lanes <= n; i += lanes) hn::StoreU(hn::Mul(load_f32(x + i), s), d, out + i);
    if (i < n) hn::StoreN(hn::Mul(load_f32(x + i, n - i), s), d, out + i, n - i);
}

/// out[i] = table[row, i] · scale.
template <class T, std::size_t rows, std::size_t width>
inline void scale_row(View<const T, rows, width> table, std::size_t row, float scale,
                      float* out) noexcept {
    scale_row(table.row(row).data(), width, scale, out);
}

template <WeightFormat W, std::size_t rows, std::size_t blocks>
inline void scale_row(View<const W, rows, blocks> table, std::size_t row, float scale,
                      float* out) noexcept {
    for (std::size_t b = 0; b < blocks; ++b) table(row, b).dequantize(out + b * W::values);
    scale_row(out, blocks * W::values, scale, out);
}

/// out[i] += x[i] · scale, in f32.
template <class T>
inline void add_scaled(const T* x, std::size_t n, float scale, float* out) noexcept {
    const F32Tag d;
    const auto s = hn::Set(d, scale);
    const std::size_t lanes = hn::Lanes(d);
    std::size_t i = 0;
    for (; i + lanes <= n; i += lanes)
        hn::StoreU(hn::MulAdd(load_f32(x + i), s, hn::LoadU(d, out + i)), d, out + i);
    if (i < n) {
        const auto sum = hn::MulAdd(load_f32(x + i, n - i), s, hn::LoadN(d, out + i, n - i));
        hn::StoreN(sum, d, out + i, n - i);
    }
}

/// out[i] += table[row, first + i] · scale, for n values.
template <class T, std::size_t rows, std::size_t width>
inline void add_scaled(View<const T, rows, width> table, std::size_t row, std::size_t first,
                       std::size_t n, float scale, float* out) noexcept {
    add_scaled(table.row(row).data() + first, n, scale, out);
}
template <std::size_t rows, std::size_t width>
inline void add_scaled(const StoredRows<rows, width>& table, std::size_t row, std::size_t first,
                       std::size_t n, float scale, float* out) noexcept {
    table.read(row, first, n, [&](std::size_t i, const float* x, std::size_t count) {
        add_scaled(x, count, scale, out + i);
    });
}

/// out[i] = x[i] in the type of out.
inline void convert(const float* x, std::size_t n, float* out) noexcept { std::copy_n(x, n, out); }
inline void convert(const float* x, std::size_t n, bf16* out) noexcept {
    // The bits by hand: Highway's demotion flushes subnormals on some targets, and the reference
    // does not.
    const F32Tag d;
    const hn::RebindToUnsigned<F32Tag> du;
    const hn::Rebind<std::uint16_t, F32Tag> d16;
    const std::size_t whole = n - n % hn::Lanes(d);
    for (std::size_t i = 0; i < whole; i += hn::Lanes(d)) {
        const auto v = hn::LoadU(d, x + i);
        const auto u = hn::BitCast(du, v);
#if HWY_ARCH_X86 && HWY_NATIVE_DOT_BF16
        // There is an instruction, which flushes them: for vectors that have none.
        const auto but_zero = hn::Sub(hn::Add(u, u), hn::Set(du, 1u));  // without the sign
        if (hn::AllFalse(du, hn::Lt(but_zero, hn::Set(du, 0x00ffffffu)))) {
            const hn::Rebind<hwy::bfloat16_t, F32Tag> b16;
            hn::StoreU(hn::BitCast(d16, hn::DemoteTo(b16, v)), d16, &out[i].bits);
            continue;
        }
#endif
        const auto odd = hn::And(hn::ShiftRight<16>(u), hn::Set(du, 1u));
        const auto rounded = hn::ShiftRight<16>(hn::Add(u, hn::Add(odd, hn::Set(du, 0x7fffu))));
        const auto nan = hn::Or(hn::ShiftRight<16>(u), hn::Set(du, 0x40u));
        const auto bits = hn::IfThenElse(hn::RebindMask(du, hn::IsNaN(v)), nan, rounded);
        hn::StoreU(hn::DemoteTo(d16, bits), d16, &out[i].bits);
    }
    for (std::size_t i = whole; i < n; ++i) out[i] = to_bf16(x[i]);
}
inline void convert(const float* x, std::size_t n, f16* out) noexcept {
    for (std::size_t i = 0; i < n; ++i) out[i] = to_f16(x[i]);
}

}  // namespace HWY_NAMESPACE
}  // namespace carat::inline CARAT_ABI::simd
HWY_AFTER_NAMESPACE();

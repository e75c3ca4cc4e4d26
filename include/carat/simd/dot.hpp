/// \file
/// Inner products of stored weights with activations, a small tile at a time: the heart of every
/// product in carat.
///
/// Exact or fast is decided by the activation's type: f32 activations are multiplied in f32; bf16
/// activations with bf16 weights use the machine's bf16 dot product. Every product of a tile has
/// sums of its own, in the order of k, so that its value does not depend on the tile it is computed
/// in: by tiles a token's result is the same alone and in a batch. Packed products of rounded
/// activations (packed.hpp) have another order.
#pragma once

#include "carat/simd/load.hpp"
#include "carat/simd/unroll.hpp"

#include <cstddef>
#include <type_traits>

HWY_BEFORE_NAMESPACE();
namespace carat::inline CARAT_ABI::simd {
inline namespace HWY_NAMESPACE {

namespace detail {

/// Stored weights times f32 activations: widened, multiplied and summed in f32.
template <class W, class X>
struct Products {
    static HWY_INLINE std::size_t step() { return hn::Lanes(F32Tag()); }
    struct Sum {
        F32Vec sum = hn::Zero(F32Tag());
        HWY_INLINE void add(F32Vec w, F32Vec x) { sum = hn::MulAdd(w, x, sum); }
        HWY_INLINE float total() const { return hn::ReduceSum(F32Tag(), sum); }
    };
    template <class T>
    static HWY_INLINE F32Vec load(const T* p) {
        return load_f32(p);
    }
    template <class T>
    static HWY_INLINE F32Vec load(const T* p, std::size_t n) {
        return load_f32(p, n);
    }
};

/// bf16 times bf16, summed in f32 by the dot product instruction where the target has one.
template <>
struct Products<bf16, bf16> {
    using Tag = hn::ScalableTag<hwy::bfloat16_t>;
    using Bits = hn::RebindToUnsigned<Tag>;
    static HWY_INLINE std::size_t step() { return hn::Lanes(Tag()); }
    struct OneSum {  // the instruction adds pairs itself; a second sum would only take registers
        F32Vec sum = hn::Zero(F32Tag());
        HWY_INLINE void add(hn::Vec<Tag> w, hn::Vec<Tag> x) {
            auto unused = hn::Zero(F32Tag());
            sum = hn::ReorderWidenMulAccumulate(F32Tag(), w, x, sum, unused);
        }
        HWY_INLINE float total() const { return hn::ReduceSum(F32Tag(), sum); }
    };
    struct TwoSums {
        F32Vec even = hn::Zero(F32Tag()), odd = hn::Zero(F32Tag());
        HWY_INLINE void add(hn::Vec<Tag> w, hn::Vec<Tag> x) {
            even = hn::ReorderWidenMulAccumulate(F32Tag(), w, x, even, odd);
        }
        HWY_INLINE float total() const { return hn::ReduceSum(F32Tag(), hn::Add(even, odd)); }
    };
    using Sum = std::conditional_t<native_dot_bf16, OneSum, TwoSums>;
    static HWY_INLINE hn::Vec<Tag> load(const bf16* p) {
        return hn::BitCast(Tag(), hn::LoadU(Bits(), &p->bits));
    }
    static HWY_INLINE hn::Vec<Tag> load(const bf16* p, std::size_t n) {
        return hn::BitCast(Tag(), hn::LoadN(Bits(), &p->bits, n));
    }
};

}  // namespace detail

/// y[c * y_stride + r] = Σ_k w[r * w_stride + k] · x[c * x_stride + k] for r < rows, c < columns.
/// Rows are weights (or keys), columns are tokens (or queries). Any k, any alignment. Weights are
/// asked for `ahead` bytes before they are read, whether or not they are there.
template <std::size_t rows, std::size_t columns, std::size_t ahead = 0, class W, class X>
HWY_INLINE void dot_tile(const W* HWY_RESTRICT w, std::size_t w_stride, const X* HWY_RESTRICT x,
                         std::size_t x_stride, std::size_t k, float* HWY_RESTRICT y,
                         std::size_t y_stride) {
    using P = detail::Products<W, X>;
    using Sum = typename P::Sum;
    using Operand = decltype(P::load(x));
    Sum sums[rows * columns];
    const std::size_t step = P::step();
    std::size_t i = 0;
    // The operands of the shorter side wait in registers for each of the other's.
    const auto add = [&](auto... part) __attribute__((always_inline)) {
        const auto row = [&](std::size_t r) __attribute__((always_inline)) {
            const W* from = w + r * w_stride + i;
            if constexpr (ahead > 0) prefetch(from, ahead / sizeof(W));
            return in_register(P::load(from, part...));
        };
        const auto column = [&](std::size_t c) __attribute__((always_inline)) {
            return in_register(P::load(x + c * x_stride + i, part...));
        };
        if constexpr (columns <= rows) {
            Operand xs[columns];
            unroll<columns>([&](auto c) __attribute__((always_inline)) { xs[c] = column(c); });
            unroll<rows>([&](auto r) __attribute__((always_inline)) {
                const auto wr = row(r);
                unroll<columns>([&](auto c) __attribute__((always_inline)) {
                    sums[r * columns + c].add(wr, xs[c]);
                });
            });
        } else {
            Operand ws[rows];
            unroll<rows>([&](auto r) __attribute__((always_inline)) { ws[r] = row(r); });
            unroll<columns>([&](auto c) __attribute__((always_inline)) {
                const auto xc = column(c);
                unroll<rows>([&](auto r) __attribute__((always_inline)) {
                    sums[r * columns + c].add(ws[r], xc);
                });
            });
        }
    };
    for (; i + step <= k; i += step) add();
    if (i < k) add(k - i);
    unroll<rows>([&](auto r) __attribute__((always_inline)) {
        unroll<columns>([&](auto c) __attribute__((always_inline)) {
            y[c * y_stride + r] = sums[r * columns + c].total();
        });
    });
}

/// Inner product of two rows of n elements.
template <class W, class X>
inline float dot(const W* w, const X* x, std::size_t n) noexcept {
    float y;
    dot_tile<1, 1>(w, 0, x, 0, n, &y, 0);
    return y;
}

}  // namespace HWY_NAMESPACE
}  // namespace carat::inline CARAT_ABI::simd
HWY_AFTER_NAMESPACE();

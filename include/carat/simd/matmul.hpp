/// \file
/// Products of a stored matrix with rows of activations, out of dot_tile.
#pragma once

#include "carat/simd/dot.hpp"
#include "carat/simd/exact_product.hpp"
#include "carat/simd/packed.hpp"
#include "carat/tensor/matrix.hpp"
#include "carat/tensor/view.hpp"

#include <algorithm>
#include <cstddef>
#include <type_traits>

HWY_BEFORE_NAMESPACE();
namespace carat::inline CARAT_ABI::simd {
inline namespace HWY_NAMESPACE {

namespace detail {

/// Rows that a few tokens take at once, from as many places: of more than one token as many as
/// registers hold sums for.
template <std::size_t columns, class W, class X>
inline constexpr std::size_t places = columns == 1 ? reading_places
                                                   : 4 * sizeof(F32Vec) /
                                                         sizeof(typename Products<W, X>::Sum);
/// Tile of bf16 activations that are too few to pack: sums plus operands fit the registers.
inline constexpr std::size_t matmul_rows = many_registers ? 4 : 2;
inline constexpr std::size_t matmul_columns = many_registers ? 6 : 4;
/// From so many tokens on a block of weights is packed before it is multiplied.
inline constexpr std::size_t pack_tokens = has_tiles ? 6 : 13;

/// `width` columns at a time, the rest in a narrower tile.
template <std::size_t height, std::size_t width, class W, class X>
HWY_INLINE void tile_columns(const W* w, std::size_t w_stride, const X* x, std::size_t x_stride,
                             std::size_t columns, std::size_t k, float* y, std::size_t y_stride) {
    std::size_t c = 0;
    for (; c + width <= columns; c += width)
        dot_tile<height, width>(w, w_stride, x + c * x_stride, x_stride, k, y + c * y_stride,
                                y_stride);
    for (; c < columns; ++c)
        dot_tile<height, 1>(w, w_stride, x + c * x_stride, x_stride, k, y + c * y_stride, y_stride);
}

/// The product of a few tokens, whose weights come from memory: a token alone, or one whose guesses
/// are verified.
template <std::size_t columns, class W, class X>
HWY_INLINE void few_columns(const W* w, std::size_t w_stride, std::size_t rows, const X* x,
                            std::size_t x_stride, std::size_t k, float* y, std::size_t y_stride) {
    constexpr std::size_t n = places<columns, W, X>;
    const std::size_t each = rows / n;
    for (std::size_t r = 0; r < each; ++r) {
        float sums[n * columns];
        dot_tile<n, columns, reading_ahead>(w + r * w_stride, each * w_stride, x, x_stride, k, sums,
                                            n);
        for (std::size_t c = 0; c < columns; ++c)
            for (std::size_t place = 0; place < n; ++place)
                y[c * y_stride + place * each + r] = sums[c * n + place];
    }
    for (std::size_t r = each * n; r < rows; ++r)
        dot_tile<1, columns>(w + r * w_stride, w_stride, x, x_stride, k, y + r, y_stride);
}

}  // namespace detail

/// y[c, r] = w[r] · x[c] for r < rows, c < columns. Strides are in elements; y must not overlap w
/// or x.
///   w [rows, k], x [columns, k], y [columns, rows]
/// A value depends neither on `rows` nor on `columns`: it is dot(w[r], x[c], k) bit for bit.
template <class W, class X>
inline void matmul(const W* w, std::size_t w_stride, std::size_t rows, const X* x,
                   std::size_t x_stride, std::size_t columns, std::size_t k, float* y,
                   std::size_t y_stride) noexcept {
    using namespace detail;
    constexpr std::size_t few = many_registers ? 5 : 3;
    if (columns <= few) {
        with_constant<few>(columns, [&](auto n) {
            few_columns<n>(w, w_stride, rows, x, x_stride, k, y, y_stride);
        });
        return;
    }
    if constexpr (few < 5)
        if (columns <= 5) {  // twice, some rows at a time: the second time they are in a cache
            const std::size_t fit = cached_weights / (k * sizeof(W) + 1) / 16 * 16;
            const std::size_t step = std::max<std::size_t>(16, fit), first = columns - 2;
            for (std::size_t r = 0; r < rows; r += step) {
                const std::size_t n = std::min(step, rows - r);
                const W* wr = w + r * w_stride;
                matmul(wr, w_stride, n, x, x_stride, first, k, y + r, y_stride);
                few_columns<2>(wr, w_stride, n, x + first * x_stride, x_stride, k,
                               y + first * y_stride + r, y_stride);
            }
            return;
        }
    if constexpr (std::is_same_v<X, float>) {
        exact_product(w, w_stride, rows, x, x_stride, columns, k, y, y_stride);
    } else {
        // Tokens in blocks that stay in the second-level cache while the rows stream past them.
        constexpr std::size_t cache = std::size_t{1} << 19;
        const std::size_t fit = cache / (k * sizeof(X) + 1) / matmul_columns * matmul_columns;
        const std::size_t block = std::max(matmul_columns, fit);
        for (std::size_t c = 0; c < columns; c += block) {
            const std::size_t n = std::min(block, columns - c);
            const X* xc = x + c * x_stride;
            float* yc = y + c * y_stride;
            std::size_t r = 0;
            for (; r + matmul_rows <= rows; r += matmul_rows)
                tile_columns<matmul_rows, matmul_columns>(w + r * w_stride, w_stride, xc, x_stride,
                                                          n, k, yc + r, y_stride);
            for (; r < rows; ++r)
                tile_columns<1, matmul_columns>(w + r * w_stride, w_stride, xc, x_stride, n, k,
                                                yc + r, y_stride);
        }
    }
}

/// y[c · y_stride + r - begin] = w[r] · x[c] for begin <= r < end and each row of x.
template <class W, std::size_t out, std::size_t in, class X>
inline void matmul(View<const W, out, in> w, std::size_t begin, std::size_t end,
                   Rows<const X, in> x, float* y, std::size_t y_stride) noexcept {
    if constexpr (std::is_same_v<W, bf16> && std::is_same_v<X, bf16> && in % 2 == 0)
        if (x.rows() >= detail::pack_tokens) {
            packed_matmul(begin, end, in, x.data(), x.rows(), y, y_stride,
                          [data = w.data()](std::size_t row, std::size_t rows, std::size_t k,
                                            std::size_t depth, detail::PackedBlock& block) {
                              detail::pack_rows(data + row * in + k, in, rows, depth, block);
                          });
            return;
        }
    matmul(w.data() + begin * in, in, end - begin, x.data(), in, x.rows(), in, y, y_stride);
}
/// The same in a format of somebody's own: a row becomes floats a piece at a time, which all rows
/// of x are multiplied with. Rows of one piece are dot() of their floats, bit for bit.
template <WeightFormat W, std::size_t out, std::size_t blocks, std::size_t in>
inline void matmul(View<const W, out, blocks> w, std::size_t begin, std::size_t end,
                   Rows<const float, in> x, float* y, std::size_t y_stride) noexcept {
    static_assert(blocks * W::values == in);
    constexpr std::size_t piece = std::max<std::size_t>(1, 4096 / W::values);
    float values[piece * W::values];
    for (std::size_t r = begin; r < end; ++r)
        for (std::size_t b = 0; b < blocks; b += piece) {
            const std::size_t n = std::min(piece, blocks - b);
            for (std::size_t i = 0; i < n; ++i) w(r, b + i).dequantize(values + i * W::values);
            for (std::size_t c = 0; c < x.rows(); ++c) {
                float& sum = y[c * y_stride + r - begin];
                const float part = dot(values, x.row(c).data() + b * W::values, n * W::values);
                sum = b == 0 ? part : sum + part;
            }
        }
}

}  // namespace HWY_NAMESPACE
}  // namespace carat::inline CARAT_ABI::simd
HWY_AFTER_NAMESPACE();

/// \file
/// Quantised weights: q8_0 and q4_0, 32 values to a scale, as GGUF files define them, and the order
/// in which kernels read them.
///
/// A format is named by its tag, `q8_0` or `q4_0`. Its blocks are what files hold: 32 values of one
/// row. Kernels read panels: sixteen rows side by side, so that a vector holds one step of sixteen
/// sums and nothing is added across lanes. Packing happens once, while a checkpoint is read.
/// Source: spec/checkpoint.md section 7.1.
#pragma once

#include "carat/tensor/element.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>

namespace carat::inline CARAT_ABI {

/// Eight bits a value: x = scale · q, q from -127 to 127.
struct q8_0;
/// Four bits a value: x = scale · (q - 8), q from 0 to 15.
struct q4_0;

/// Values that share a scale.
inline constexpr std::size_t quant_block = 32;
/// Rows of a panel: the f32 lanes of the widest vectors; narrower ones take a panel in parts.
inline constexpr std::size_t panel_rows = 16;
/// Grows with every change of a panel's bytes: packed files say which they were written for.
inline constexpr std::uint32_t panel_layout = 2;

namespace detail {

/// The largest magnitudes of 32 floats on either side of zero, found on their bits, as integers of
/// which compilers make vectors: quantising a checkpoint is most of what opening it takes.
struct BlockReach {
    std::uint32_t above = 0, below = 0;
    explicit BlockReach(const float* x) {
        std::array<std::int32_t, quant_block> bits;
        std::memcpy(&bits, x, sizeof bits);
        std::int32_t up = 0, down = 0;
        for (const std::int32_t u : bits) {
            const std::int32_t sign = u >> 31, magnitude = u & 0x7fffffff;
            const std::int32_t positive = magnitude & ~sign, negative = magnitude & sign;
            up = positive > up ? positive : up;
            down = negative > down ? negative : down;
        }
        above = static_cast<std::uint32_t>(up);
        below = static_cast<std::uint32_t>(down);
    }
    [[nodiscard]] float magnitude() const { return std::bit_cast<float>(std::max(above, below)); }
};
/// 1 / scale; 0 where that is no number, which makes all levels those of zero.
inline float inverse_scale(float scale) {
    const float inverse = 1.0f / scale;
    return std::fabs(inverse) <= std::numeric_limits<float>::max() ? inverse : 0.0f;
}

/// 32 products. A function of its own, lest a compiler fuse a product with the sum that follows,
/// which rounds once, not twice: levels would depend on the machine.
[[gnu::noinline]] inline std::array<float, quant_block> scaled_block(const float* x,
                                                                     float factor) noexcept {
    std::array<float, quant_block> y;
    for (std::size_t i = 0; i < quant_block; ++i) y[i] = x[i] * factor;
    return y;
}

/// Of a value's share of the largest magnitude, in 512ths: bit m - 1 where it may be whole
/// multiples of that over m, by the rule of trained_grid().
inline constexpr std::array<std::uint8_t, 513> possible_grids = [] {
    std::array<std::uint8_t, 513> bits{};
    for (std::size_t share = 0; share <= 512; ++share)
        for (std::size_t m = 1; m <= 8; ++m) {
            // From share to share + 1, and 1/32 of a step to either side, rounded up.
            const std::size_t begin = share * m + 512 - 17, end = (share + 1) * m + 512 + 17;
            if (end / 512 != (begin - 1) / 512)
                bits[share] = static_cast<std::uint8_t>(bits[share] | 1u << (m - 1));
        }
    return bits;
}();
/// The grids on which 32 values may lie, as bits, by up to four of them: two are all that nearly
/// every block of other weights costs. inverse: 8 over the largest magnitude, of either sign.
inline unsigned possible_grids_of(const float* x, float inverse) noexcept {
    const auto grids = [&](std::size_t i) -> unsigned {
        const auto share = static_cast<std::int32_t>(std::fabs(x[i] * inverse) * 64.0f);
        return possible_grids[static_cast<std::size_t>(share)];
    };
    const unsigned two = grids(0) & grids(1);
    return two == 0 ? 0 : two & grids(2) & grids(3);
}
/// Halves onto halves: loops of a known length are what compilers make vectors of.
template <class T>
T block_sum(std::array<T, quant_block> x) noexcept {
    for (std::size_t i = 0; i < 16; ++i) x[i] += x[i + 16];
    for (std::size_t i = 0; i < 8; ++i) x[i] += x[i + 8];
    for (std::size_t i = 0; i < 4; ++i) x[i] += x[i + 4];
    return (x[0] + x[1]) + (x[2] + x[3]);
}
/// The step of the first of these grids on which 32 values lie, and their levels, -8 to 7; 0 if
/// there is none. Weights that were trained for q4_0 have levels whose largest need not be -8, and
/// each was rounded to bf16 behind its step: together they tell it better than any of them.
/// Source: spec/checkpoint.md section 8.
[[gnu::noinline]] inline float trained_grid(
    const float* x, float magnitude, unsigned grids,
    std::array<std::int32_t, quant_block>& levels) noexcept {
    for (; grids != 0; grids &= grids - 1) {
        const auto scaled =
            scaled_block(x, static_cast<float>(std::countr_zero(grids) + 1) / magnitude);
        std::int32_t off = 0;
        for (std::size_t i = 0; i < quant_block; ++i) {
            levels[i] = static_cast<std::int32_t>(scaled[i] + 8.5f) - 8;
            // Two roundings to bf16 make 1/32 of a step of up to 8 of them.
            const float rest = std::fabs(scaled[i] - static_cast<float>(levels[i]));
            off |= (levels[i] > 7 ? 1 : 0) | (rest > 0.03125f ? 1 : 0);
        }
        if (off != 0) continue;
        // Products have 28 bits and are of nearly one size: their sum is exact in any order.
        std::array<double, quant_block> products;
        std::array<std::int32_t, quant_block> squares;
        for (std::size_t i = 0; i < quant_block; ++i) {
            products[i] = static_cast<double>(x[i]) * static_cast<double>(levels[i]);
            squares[i] = levels[i] * levels[i];
        }
        return static_cast<float>(block_sum(products) / block_sum(squares));
    }
    return 0.0f;
}

}  // namespace detail

/// 32 values as a file stores them; also what quantising a row means. An infinity or a NaN among
/// the values goes into the scale, so that it is not lost, and makes all levels those of zero.
template <class Format>
struct QuantBlock;

template <>
struct QuantBlock<q8_0> {
    f16 scale;
    std::array<std::int8_t, quant_block> q;

    /// The levels of 32 floats: scale = max |x| / 127, levels to nearest, halves away from zero.
    static QuantBlock quantize(const float* x) {
        const float scale = detail::BlockReach(x).magnitude() / 127.0f;
        const float inverse =
            scale < std::numeric_limits<float>::infinity() ? detail::inverse_scale(scale) : 0.0f;
        QuantBlock b{to_f16(scale), {}};
        if (inverse == 0.0f) return b;
        std::array<std::int32_t, quant_block> levels;
        for (std::size_t i = 0; i < quant_block; ++i) {
            const float v = x[i] * inverse;
            const auto whole = static_cast<std::int32_t>(v);
            const float rest = v - static_cast<float>(whole);
            levels[i] = whole + (rest >= 0.5f ? 1 : 0) - (rest <= -0.5f ? 1 : 0);
        }
        for (std::size_t i = 0; i < quant_block; ++i) b.q[i] = static_cast<std::int8_t>(levels[i]);
        return b;
    }
    [[nodiscard]] int level(std::size_t i) const { return q[i]; }
};
static_assert(sizeof(QuantBlock<q8_0>) == 34);

template <>
struct QuantBlock<q4_0> {
    f16 scale;
    std::array<std::uint8_t, quant_block / 2> q;  ///< low nibbles first half, high nibbles second

    /// The levels of 32 floats: those of the grid on which they lie, as values do that were trained
    /// for q4_0. Of others the value of largest magnitude, of equal ones the first, becomes level
    /// -8, as in GGUF files of other writers.
    static QuantBlock quantize(const float* x) {
        const detail::BlockReach reach(x);
        const float magnitude = reach.magnitude();
        const float inverse = magnitude < std::numeric_limits<float>::infinity()
                                  ? detail::inverse_scale(magnitude / 8.0f)
                                  : 0.0f;
        std::array<std::int32_t, quant_block> levels;
        const unsigned grids = inverse != 0.0f ? detail::possible_grids_of(x, inverse) : 0;
        if (grids != 0) {
            const f16 step = to_f16(detail::trained_grid(x, magnitude, grids, levels));
            if (to_f32(step) > 0.0f && to_f32(step) < std::numeric_limits<float>::infinity()) {
                for (std::int32_t& level : levels) level += 8;
                return packed(step, levels);
            }
        }
        bool negative = reach.below > reach.above;
        if (reach.below == reach.above)
            for (std::size_t i = 0; i < quant_block; ++i)
                if (std::fabs(x[i]) == magnitude) {
                    negative = x[i] < 0.0f;
                    break;
                }
        levels.fill(8);
        if (inverse != 0.0f) {
            const auto scaled = detail::scaled_block(x, negative ? inverse : -inverse);
            for (std::size_t i = 0; i < quant_block; ++i) {
                const auto level = static_cast<std::int32_t>(scaled[i] + 8.5f);
                levels[i] = level < 15 ? level : 15;
            }
        }
        return packed(to_f16((negative ? magnitude : -magnitude) / 8.0f), levels);
    }
    [[nodiscard]] int level(std::size_t i) const {
        return (i < quant_block / 2 ? q[i] & 15 : q[i - quant_block / 2] >> 4) - 8;
    }

  private:
    /// Of levels plus 8.
    static QuantBlock packed(f16 scale, const std::array<std::int32_t, quant_block>& levels) {
        QuantBlock b{scale, {}};
        for (std::size_t i = 0; i < quant_block / 2; ++i)
            b.q[i] = static_cast<std::uint8_t>(levels[i] | (levels[i + quant_block / 2] << 4));
        return b;
    }
};
static_assert(sizeof(QuantBlock<q4_0>) == 18);

/// What a file calls such blocks.
template <>
inline constexpr DType dtype_of<QuantBlock<q8_0>> = DType::q8_0;
template <>
inline constexpr DType dtype_of<QuantBlock<q4_0>> = DType::q4_0;

/// 32 values of each of sixteen rows, and their scales right behind them, so that a panel is one
/// stream of memory. Quants are unsigned, the level plus `bias`, as dot product instructions want
/// one operand; a vector of 64 bytes holds four consecutive values of each row.
template <class Format>
struct PanelBlock;

template <>
struct PanelBlock<q8_0> {
    static constexpr int bias = 128;
    alignas(32) std::uint8_t q[quant_block / 4][panel_rows][4];  ///< [value / 4, row, value % 4]
    f16 scale[panel_rows];

    void set(std::size_t row, const QuantBlock<q8_0>& b) {
        scale[row] = b.scale;
        for (std::size_t i = 0; i < quant_block; i += 4) {
            std::uint32_t four;
            std::memcpy(&four, &b.q[i], sizeof four);
            four ^= 0x80808080u;  // each plus its bias
            std::memcpy(q[i / 4][row], &four, sizeof four);
        }
    }
    [[nodiscard]] QuantBlock<q8_0> get(std::size_t row) const {
        QuantBlock<q8_0> b{scale[row], {}};
        for (std::size_t i = 0; i < quant_block; ++i)
            b.q[i] = static_cast<std::int8_t>(level(row, i));
        return b;
    }
    [[nodiscard]] int level(std::size_t row, std::size_t i) const {
        return q[i / 4][row][i % 4] - bias;
    }
};

template <>
struct PanelBlock<q4_0> {
    static constexpr int bias = 8;
    /// [value / 4, row, value % 4]: low nibbles the first sixteen values, high nibbles the others.
    alignas(32) std::uint8_t q[quant_block / 8][panel_rows][4];
    f16 scale[panel_rows];

    void set(std::size_t row, const QuantBlock<q4_0>& b) {
        scale[row] = b.scale;
        for (std::size_t i = 0; i < quant_block / 2; i += 4) std::memcpy(q[i / 4][row], &b.q[i], 4);
    }
    [[nodiscard]] QuantBlock<q4_0> get(std::size_t row) const {
        QuantBlock<q4_0> b{scale[row], {}};
        for (std::size_t i = 0; i < quant_block / 2; i += 4) std::memcpy(&b.q[i], q[i / 4][row], 4);
        return b;
    }
    [[nodiscard]] int level(std::size_t row, std::size_t i) const {
        const std::size_t j = i % (quant_block / 2);
        const std::uint8_t byte = q[j / 4][row][j % 4];
        return (i < quant_block / 2 ? byte & 15 : byte >> 4) - bias;
    }
};
static_assert(sizeof(PanelBlock<q8_0>) == 544 && sizeof(PanelBlock<q4_0>) == 288);

/// Sixteen rows of `in` values.
template <class Format, std::size_t in>
using Panel = std::array<PanelBlock<Format>, in / quant_block>;

/// Activations for the integer dot product: 32 values, their scale, and their sum for the weights'
/// bias.
struct q8_activation {
    std::array<std::int8_t, quant_block> q;
    float scale;
    std::int32_t sum;
};

}  // namespace carat::inline CARAT_ABI

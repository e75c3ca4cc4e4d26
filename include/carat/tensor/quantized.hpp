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

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace carat {

/// Eight bits a value: x = scale · q, q from -127 to 127.
struct q8_0;
/// Four bits a value: x = scale · (q - 8), q from 0 to 15.
struct q4_0;

/// Values that share a scale.
inline constexpr std::size_t quant_block = 32;
/// Rows of a panel: the f32 lanes of the widest vectors; narrower ones take a panel in parts.
inline constexpr std::size_t panel_rows = 16;
/// Grows with every change of a Panel's bytes: packed files say which they were written for.
inline constexpr std::uint32_t panel_layout = 1;

/// 32 values as a file stores them; also what quantising a row means.
template <class Format>
struct QuantBlock;

template <>
struct QuantBlock<q8_0> {
    f16 scale;
    std::array<std::int8_t, quant_block> q;

    /// The levels of 32 floats: scale = max |x| / 127, levels to nearest, halves away from zero.
    static QuantBlock quantize(const float* x) {
        float top = 0.0f;
        for (std::size_t i = 0; i < quant_block; ++i) top = std::fmax(top, std::fabs(x[i]));
        const float scale = top / 127.0f, inverse = scale != 0.0f ? 1.0f / scale : 0.0f;
        QuantBlock b{to_f16(scale), {}};
        for (std::size_t i = 0; i < quant_block; ++i)
            b.q[i] = static_cast<std::int8_t>(std::round(x[i] * inverse));
        return b;
    }
    [[nodiscard]] int level(std::size_t i) const { return q[i]; }
};
static_assert(sizeof(QuantBlock<q8_0>) == 34);

template <>
struct QuantBlock<q4_0> {
    f16 scale;
    std::array<std::uint8_t, quant_block / 2> q;  ///< low nibbles first half, high nibbles second

    /// The levels of 32 floats: the value of largest magnitude becomes level -8.
    static QuantBlock quantize(const float* x) {
        float extreme = 0.0f;
        for (std::size_t i = 0; i < quant_block; ++i)
            if (std::fabs(x[i]) > std::fabs(extreme)) extreme = x[i];
        const float scale = extreme / -8.0f, inverse = scale != 0.0f ? 1.0f / scale : 0.0f;
        QuantBlock b{to_f16(scale), {}};
        const auto level = [&](float v) {
            const float l = v * inverse + 8.5f;
            return static_cast<unsigned>(l < 0.0f ? 0.0f : l > 15.0f ? 15.0f : l);
        };
        for (std::size_t i = 0; i < quant_block / 2; ++i)
            b.q[i] = static_cast<std::uint8_t>(level(x[i]) | (level(x[i + quant_block / 2]) << 4));
        return b;
    }
    [[nodiscard]] int level(std::size_t i) const {
        return (i < quant_block / 2 ? q[i] & 15 : q[i - quant_block / 2] >> 4) - 8;
    }
};
static_assert(sizeof(QuantBlock<q4_0>) == 18);

/// What a file calls such blocks.
template <>
inline constexpr DType dtype_of<QuantBlock<q8_0>> = DType::q8_0;
template <>
inline constexpr DType dtype_of<QuantBlock<q4_0>> = DType::q4_0;

/// Sixteen rows of `in` values. Quants are unsigned, the level plus `bias`, as dot product
/// instructions want one operand; a vector of 64 bytes holds four consecutive values of each row.
template <class Format, std::size_t in>
struct Panel;

template <std::size_t in>
struct Panel<q8_0, in> {
    static constexpr int bias = 128;
    alignas(64) std::uint8_t q[in / 4][panel_rows][4];  ///< [value / 4, row, value % 4]
    f16 scale[in / quant_block][panel_rows];

    void set(std::size_t row, std::size_t block, const QuantBlock<q8_0>& b) {
        scale[block][row] = b.scale;
        for (std::size_t i = 0; i < quant_block; ++i)
            q[(block * quant_block + i) / 4][row][i % 4] =
                static_cast<std::uint8_t>(b.level(i) + bias);
    }
    [[nodiscard]] int level(std::size_t row, std::size_t i) const {
        return q[i / 4][row][i % 4] - bias;
    }
};

template <std::size_t in>
struct Panel<q4_0, in> {
    static constexpr int bias = 8;
    /// [block, value / 4, row, value % 4]: low nibbles the block's first sixteen values, high
    /// nibbles the others.
    alignas(64) std::uint8_t q[in / quant_block][4][panel_rows][4];
    f16 scale[in / quant_block][panel_rows];

    void set(std::size_t row, std::size_t block, const QuantBlock<q4_0>& b) {
        scale[block][row] = b.scale;
        for (std::size_t i = 0; i < quant_block / 2; ++i) q[block][i / 4][row][i % 4] = b.q[i];
    }
    [[nodiscard]] int level(std::size_t row, std::size_t i) const {
        const std::size_t j = i % (quant_block / 2);
        const std::uint8_t byte = q[i / quant_block][j / 4][row][j % 4];
        return (i % quant_block < quant_block / 2 ? byte & 15 : byte >> 4) - bias;
    }
};

/// Activations for the integer dot product: 32 values, their scale, and their sum for the weights'
/// bias.
struct q8_activation {
    std::array<std::int8_t, quant_block> q;
    float scale;
    std::int32_t sum;
};

}  // namespace carat

/// \file
/// Values as files store them, of whatever type: floats, or blocks that share scales, and what they
/// are in f32. Source: spec/checkpoint.md section 7.1.
#pragma once

#include "carat/tensor/element.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace carat::inline CARAT_ABI {

/// How a file lays out values of one type: so many together in so many bytes.
struct StoredBlock {
    std::size_t values = 1, bytes = 0;
};

/// One value a block for elements; bytes 0 for unknown.
constexpr StoredBlock stored_block(DType t) {
    switch (t) {
        case DType::q8_0:
            return {32, 34};
        case DType::q4_0:
            return {32, 18};
        case DType::q4_1:
            return {32, 20};
        case DType::q5_0:
            return {32, 22};
        case DType::q5_1:
            return {32, 24};
        case DType::q4_k:
            return {256, 144};
        case DType::q5_k:
            return {256, 176};
        case DType::q6_k:
            return {256, 210};
        default:
            return {1, size_of(t)};
    }
}
/// The most values that any block has.
inline constexpr std::size_t most_block_values = 256;

/// Bytes of `count` values, a whole number of blocks.
constexpr std::size_t stored_bytes(DType t, std::size_t count) {
    return count / stored_block(t).values * stored_block(t).bytes;
}

/// Whether values of this type are numbers that carat computes with.
constexpr bool is_float_stored(DType t) {
    return t == DType::f32 || t == DType::bf16 || t == DType::f16 || stored_block(t).values > 1;
}

namespace detail {

inline float f16_at(const std::uint8_t* p) {
    return to_f32(f16{static_cast<std::uint16_t>(p[0] | (p[1] << 8))});
}
inline float level(int q) { return static_cast<float>(q); }

/// One block each, of the layout of its name, to as many floats as it has.
inline void read_q8_0(const std::uint8_t* b, float* out) {
    const float d = f16_at(b);
    for (std::size_t j = 0; j < 32; ++j) out[j] = d * level(static_cast<std::int8_t>(b[2 + j]));
}
inline void read_q4_0(const std::uint8_t* b, float* out) {
    const float d = f16_at(b);
    for (std::size_t j = 0; j < 16; ++j) {
        out[j] = d * level((b[2 + j] & 15) - 8);
        out[j + 16] = d * level((b[2 + j] >> 4) - 8);
    }
}
inline void read_q4_1(const std::uint8_t* b, float* out) {
    const float d = f16_at(b), m = f16_at(b + 2);
    for (std::size_t j = 0; j < 16; ++j) {
        out[j] = d * level(b[4 + j] & 15) + m;
        out[j + 16] = d * level(b[4 + j] >> 4) + m;
    }
}
/// The fifth bits of 32 values lie in four bytes of their own, value j's at bit j.
inline std::uint32_t fifth_bits(const std::uint8_t* p) {
    return p[0] | (std::uint32_t{p[1]} << 8) | (std::uint32_t{p[2]} << 16) |
           (std::uint32_t{p[3]} << 24);
}
inline void read_q5_0(const std::uint8_t* b, float* out) {
    const float d = f16_at(b);
    const std::uint32_t high = fifth_bits(b + 2);
    for (std::uint32_t j = 0; j < 16; ++j) {
        const int low = b[6 + j];
        out[j] = d * level(((low & 15) | static_cast<int>((high >> j & 1u) << 4)) - 16);
        out[j + 16] = d * level(((low >> 4) | static_cast<int>((high >> (j + 16) & 1u) << 4)) - 16);
    }
}
inline void read_q5_1(const std::uint8_t* b, float* out) {
    const float d = f16_at(b), m = f16_at(b + 2);
    const std::uint32_t high = fifth_bits(b + 4);
    for (std::uint32_t j = 0; j < 16; ++j) {
        const int low = b[8 + j];
        out[j] = d * level((low & 15) | static_cast<int>((high >> j & 1u) << 4)) + m;
        out[j + 16] = d * level((low >> 4) | static_cast<int>((high >> (j + 16) & 1u) << 4)) + m;
    }
}
/// Scale and minimum, six bits each, of sub-block j of a Q4_K or Q5_K block.
struct SubBlock {
    float scale, minimum;
};
inline SubBlock sub_block(const std::uint8_t* b, std::size_t j) {
    const std::uint8_t* sc = b + 4;
    const int s = j < 4 ? sc[j] & 63 : (sc[j + 4] & 15) | ((sc[j - 4] >> 6) << 4);
    const int m = j < 4 ? sc[j + 4] & 63 : (sc[j + 4] >> 4) | ((sc[j] >> 6) << 4);
    return {f16_at(b) * level(s), f16_at(b + 2) * level(m)};
}
inline void read_q4_k(const std::uint8_t* b, float* out) {
    for (std::size_t c = 0; c < 4; ++c) {
        const SubBlock low = sub_block(b, 2 * c), high = sub_block(b, 2 * c + 1);
        const std::uint8_t* q = b + 16 + 32 * c;
        for (std::size_t l = 0; l < 32; ++l) {
            out[64 * c + l] = low.scale * level(q[l] & 15) - low.minimum;
            out[64 * c + 32 + l] = high.scale * level(q[l] >> 4) - high.minimum;
        }
    }
}
inline void read_q5_k(const std::uint8_t* b, float* out) {
    const std::uint8_t* fifth = b + 16;  // bit 2c of byte l: value l of the low half of chunk c
    for (std::size_t c = 0; c < 4; ++c) {
        const SubBlock low = sub_block(b, 2 * c), high = sub_block(b, 2 * c + 1);
        const std::uint8_t* q = b + 48 + 32 * c;
        for (std::size_t l = 0; l < 32; ++l) {
            const int bits = fifth[l] >> (2 * c);
            out[64 * c + l] = low.scale * level((q[l] & 15) | (bits & 1) << 4) - low.minimum;
            out[64 * c + 32 + l] = high.scale * level((q[l] >> 4) | (bits & 2) << 3) - high.minimum;
        }
    }
}
inline void read_q6_k(const std::uint8_t* b, float* out) {
    const float d = f16_at(b + 208);
    for (std::size_t n = 0; n < 2; ++n) {
        const std::uint8_t *low = b + 64 * n, *high = b + 128 + 32 * n, *scales = b + 192 + 8 * n;
        for (std::size_t l = 0; l < 32; ++l) {
            const auto value = [&](std::size_t quarter, int four, int two) {
                const auto s = static_cast<std::int8_t>(scales[l / 16 + 2 * quarter]);
                out[128 * n + 32 * quarter + l] = d * level(s) * level((four | two << 4) - 32);
            };
            value(0, low[l] & 15, high[l] & 3);
            value(1, low[l + 32] & 15, high[l] >> 2 & 3);
            value(2, low[l] >> 4, high[l] >> 4 & 3);
            value(3, low[l + 32] >> 4, high[l] >> 6);
        }
    }
}
template <class T>
void read_elements(const std::byte* from, std::size_t count, float* out) {
    for (std::size_t i = 0; i < count; ++i) {
        T x;
        std::memcpy(&x, from + i * sizeof(T), sizeof(T));  // a file aligns nothing
        out[i] = to_f32(x);
    }
}

}  // namespace detail

/// out[i] = value i behind `from`, in f32: exact for floats, as the layout defines it for blocks
/// (a scale that is infinite or no number makes values that are). `count` is a whole number of
/// blocks; `t` must be is_float_stored().
inline void read_stored(DType t, const std::byte* from, std::size_t count, float* out) {
    const auto* b = reinterpret_cast<const std::uint8_t*>(from);
    const auto blocks = [&](auto read) {
        const StoredBlock block = stored_block(t);
        for (std::size_t i = 0; i < count; i += block.values, b += block.bytes) read(b, out + i);
    };
    switch (t) {
        case DType::f32:
            return detail::read_elements<float>(from, count, out);
        case DType::bf16:
            return detail::read_elements<bf16>(from, count, out);
        case DType::f16:
            return detail::read_elements<f16>(from, count, out);
        case DType::q8_0:
            return blocks(detail::read_q8_0);
        case DType::q4_0:
            return blocks(detail::read_q4_0);
        case DType::q4_1:
            return blocks(detail::read_q4_1);
        case DType::q5_0:
            return blocks(detail::read_q5_0);
        case DType::q5_1:
            return blocks(detail::read_q5_1);
        case DType::q4_k:
            return blocks(detail::read_q4_k);
        case DType::q5_k:
            return blocks(detail::read_q5_k);
        case DType::q6_k:
            return blocks(detail::read_q6_k);
        default:
            std::fill_n(out, count, 0.0f);
    }
}

/// The format of a role whose weights stay in their file as they are, of whatever type that is:
/// for tables of which little is read at a time.
struct as_stored;

/// Such a table [rows, width].
template <std::size_t rows, std::size_t width>
class StoredRows {
  public:
    constexpr StoredRows() = default;
    /// `type` must be is_float_stored(), its blocks must fill rows.
    StoredRows(const std::byte* data, DType type) : data_(data), type_(type) {}

    [[nodiscard]] const std::byte* data() const { return data_; }
    [[nodiscard]] DType type() const { return type_; }
    [[nodiscard]] std::span<const std::byte> bytes() const {
        return {data_, data_ != nullptr ? rows * stored_bytes(type_, width) : 0};
    }
    [[nodiscard]] explicit operator bool() const { return data_ != nullptr; }

    /// f(i, values, n) for the values [first, first + count) of a row, piece by piece: values[0] is
    /// value first + i, f32.
    template <class F>
    void read(std::size_t row, std::size_t first, std::size_t count, F&& f) const {
        const std::size_t block = stored_block(type_).values;
        const std::byte* base = data_ + row * stored_bytes(type_, width);
        float values[most_block_values];
        for (std::size_t at = first; at < first + count;) {
            const std::size_t begin = at / block * block;
            const std::size_t room = most_block_values / block * block;
            const std::size_t take = std::min(room, (width - begin) / block * block);
            const std::size_t end = std::min(first + count, begin + take);
            read_stored(type_, base + stored_bytes(type_, begin),
                        (end - begin + block - 1) / block * block, values);
            f(at - first, values + (at - begin), end - at);
            at = end;
        }
    }

  private:
    const std::byte* data_ = nullptr;
    DType type_ = DType::unknown;
};

}  // namespace carat::inline CARAT_ABI

// Blocks made value by value from their levels and scales, and what they are read as: the layouts
// of spec/checkpoint.md section 7.1, and of the types beside them, in the other direction.
#include "carat/tensor/stored_blocks.hpp"

#include "carat/tensor/quantized.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

namespace carat::test {
namespace {

using Bytes = std::vector<std::uint8_t>;

/// A block under construction, and the values that it should have.
struct Made {
    DType type;
    Bytes bytes;
    std::vector<float> values;
};

/// Sets `count` bits from bit `at` of a byte.
void put(std::uint8_t& byte, unsigned at, unsigned count, unsigned bits) {
    const unsigned mask = ((1u << count) - 1u) << at;
    byte = static_cast<std::uint8_t>((byte & ~mask) | ((bits << at) & mask));
}
float put_f16(Bytes& b, std::size_t at, float x) {
    const f16 h = to_f16(x);
    b[at] = static_cast<std::uint8_t>(h.bits & 255u);
    b[at + 1] = static_cast<std::uint8_t>(h.bits >> 8);
    return to_f32(h);
}

struct Random {
    std::mt19937 engine{17};
    unsigned below(unsigned n) { return static_cast<unsigned>(engine() % n); }
    float scale() { return std::ldexp(static_cast<float>(below(2000)) - 1000.0f, -12); }
};

/// 32 values, `bits` each: the low four in nibbles, halves of the block in halves of a byte; a
/// fifth one apart. x = d · (q - bias) + m.
Made made_32(DType type, unsigned bits, float bias, bool has_minimum, Random& random) {
    Made b{type, Bytes(stored_block(type).bytes), std::vector<float>(32)};
    const float d = put_f16(b.bytes, 0, random.scale());
    const float m = has_minimum ? put_f16(b.bytes, 2, random.scale()) : 0.0f;
    const std::size_t high = has_minimum ? 4 : 2, low = high + (bits == 5 ? 4 : 0);
    for (std::size_t i = 0; i < 32; ++i) {
        const unsigned q = random.below(1u << bits);
        put(b.bytes[low + i % 16], i < 16 ? 0 : 4, 4, q & 15u);
        if (bits == 5) put(b.bytes[high + i / 8], static_cast<unsigned>(i % 8), 1, q >> 4);
        b.values[i] = d * (static_cast<float>(q) - bias) + m;
    }
    return b;
}
Made made_q8_0(Random& random) {
    Made b{DType::q8_0, Bytes(34), std::vector<float>(32)};
    const float d = put_f16(b.bytes, 0, random.scale());
    for (std::size_t i = 0; i < 32; ++i) {
        b.bytes[2 + i] = static_cast<std::uint8_t>(random.below(256));
        b.values[i] = d * static_cast<float>(static_cast<std::int8_t>(b.bytes[2 + i]));
    }
    return b;
}
/// Q4_K, or Q5_K: 256 values in eight sub-blocks with a scale and a minimum of six bits.
Made made_k(bool five, Random& random) {
    const DType type = five ? DType::q5_k : DType::q4_k;
    Made b{type, Bytes(stored_block(type).bytes), std::vector<float>(256)};
    const float d = put_f16(b.bytes, 0, random.scale()), dmin = put_f16(b.bytes, 2, random.scale());
    const std::size_t fifth = 16, nibbles = five ? 48 : 16;
    for (std::size_t j = 0; j < 8; ++j) {
        const unsigned s = random.below(64), m = random.below(64);
        if (j < 4) {
            put(b.bytes[4 + j], 0, 6, s);
            put(b.bytes[8 + j], 0, 6, m);
        } else {
            put(b.bytes[8 + j], 0, 4, s & 15u);
            put(b.bytes[8 + j], 4, 4, m & 15u);
            put(b.bytes[j], 6, 2, s >> 4);
            put(b.bytes[4 + j], 6, 2, m >> 4);
        }
        for (std::size_t i = 0; i < 32; ++i) {
            const unsigned q = random.below(five ? 32 : 16);
            put(b.bytes[nibbles + j / 2 * 32 + i], j % 2 == 0 ? 0 : 4, 4, q & 15u);
            if (five) put(b.bytes[fifth + i], static_cast<unsigned>(j), 1, q >> 4);
            b.values[32 * j + i] =
                d * static_cast<float>(s) * static_cast<float>(q) - dmin * static_cast<float>(m);
        }
    }
    return b;
}
Made made_q6_k(Random& random) {
    Made b{DType::q6_k, Bytes(210), std::vector<float>(256)};
    const float d = put_f16(b.bytes, 208, random.scale());
    for (std::size_t g = 0; g < 16; ++g)
        b.bytes[192 + g] = static_cast<std::uint8_t>(random.below(256));
    for (std::size_t i = 0; i < 256; ++i) {
        const unsigned q = random.below(64);
        const std::size_t half = i / 128, quarter = i % 128 / 32, l = i % 32;
        put(b.bytes[64 * half + 32 * (quarter % 2) + l], quarter < 2 ? 0 : 4, 4, q & 15u);
        put(b.bytes[128 + 32 * half + l], static_cast<unsigned>(2 * quarter), 2, q >> 4);
        const auto s = static_cast<std::int8_t>(b.bytes[192 + i / 16]);
        b.values[i] = d * static_cast<float>(s) * (static_cast<float>(q) - 32.0f);
    }
    return b;
}
std::vector<Made> one_of_each(Random& random) {
    return {made_q8_0(random),
            made_32(DType::q4_0, 4, 8, false, random),
            made_32(DType::q4_1, 4, 0, true, random),
            made_32(DType::q5_0, 5, 16, false, random),
            made_32(DType::q5_1, 5, 0, true, random),
            made_k(false, random),
            made_k(true, random),
            made_q6_k(random)};
}

TEST_CASE("blocks of every type are read as they were made") {
    Random random;
    for (int run = 0; run < 200; ++run)
        for (const Made& b : one_of_each(random)) {
            CAPTURE(static_cast<int>(b.type));
            const std::size_t n = b.values.size();
            REQUIRE(stored_block(b.type).values == n);
            REQUIRE(stored_bytes(b.type, n) == b.bytes.size());
            std::vector<float> out(n);
            read_stored(b.type, reinterpret_cast<const std::byte*>(b.bytes.data()), n, out.data());
            std::size_t wrong = 0;
            for (std::size_t i = 0; i < n; ++i)
                wrong += std::abs(out[i] - b.values[i]) <= 1e-5f * (1.0f + std::abs(b.values[i]))
                             ? 0u
                             : 1u;
            CHECK(wrong == 0);
        }
}

TEST_CASE("any piece of a stored row is read as the row is") {
    constexpr std::size_t rows = 3, width = 768;
    Random random;
    for (const Made& kind : one_of_each(random)) {
        CAPTURE(static_cast<int>(kind.type));
        Bytes bytes;
        for (std::size_t i = 0; i < rows * width / kind.values.size(); ++i)
            for (const Made& b : one_of_each(random))
                if (b.type == kind.type) bytes.insert(bytes.end(), b.bytes.begin(), b.bytes.end());
        const auto* data = reinterpret_cast<const std::byte*>(bytes.data());
        const StoredRows<rows, width> table(data, kind.type);
        REQUIRE(table.bytes().size() == bytes.size());
        std::vector<float> all(rows * width);
        read_stored(kind.type, data, all.size(), all.data());
        for (int run = 0; run < 100; ++run) {
            const std::size_t row = random.below(rows), first = random.below(width);
            const std::size_t count = 1 + random.below(static_cast<unsigned>(width - first));
            std::vector<float> out(count, -1.0f);
            table.read(row, first, count, [&](std::size_t at, const float* x, std::size_t n) {
                std::memcpy(out.data() + at, x, n * sizeof(float));
            });
            CHECK(std::memcmp(out.data(), all.data() + row * width + first,
                              count * sizeof(float)) == 0);
        }
    }
}

TEST_CASE("a scale that is no number is not lost, in a block or in one that is made of it") {
    Random random;
    for (const unsigned bits : {0x7e00u, 0xfe01u, 0x7c01u, 0x7c00u, 0xfc00u})  // NaNs, infinities
        for (Made& b : one_of_each(random)) {
            CAPTURE(bits);
            CAPTURE(static_cast<int>(b.type));
            const std::size_t scale = b.type == DType::q6_k ? 208 : 0;
            b.bytes[scale] = static_cast<std::uint8_t>(bits & 255u);
            b.bytes[scale + 1] = static_cast<std::uint8_t>(bits >> 8);
            std::vector<float> out(b.values.size());
            read_stored(b.type, reinterpret_cast<const std::byte*>(b.bytes.data()), out.size(),
                        out.data());
            const auto lost = [](float x) { return std::isfinite(x); };
            CHECK_FALSE(std::all_of(out.begin(), out.end(), lost));
            for (std::size_t at = 0; at < out.size(); at += quant_block) {
                if (std::all_of(out.begin() + static_cast<std::ptrdiff_t>(at),
                                out.begin() + static_cast<std::ptrdiff_t>(at + quant_block), lost))
                    continue;
                CHECK_FALSE(
                    std::isfinite(to_f32(QuantBlock<q8_0>::quantize(out.data() + at).scale)));
                CHECK_FALSE(
                    std::isfinite(to_f32(QuantBlock<q4_0>::quantize(out.data() + at).scale)));
            }
        }
}

}  // namespace
}  // namespace carat::test

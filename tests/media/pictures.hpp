/// \file
/// Pictures by formula, as the fixtures have them. See fixtures/README.md.
#pragma once

#include "carat/media/image/image.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

namespace carat::test {

inline Image synth(std::size_t h, std::size_t w, std::uint64_t seed) {
    Image image(w, h);
    for (std::uint64_t y = 0; y < h; ++y)
        for (std::uint64_t x = 0; x < w; ++x) {
            std::uint64_t r = 255 * x / (w > 1 ? w - 1 : 1), g = 255 * y / (h > 1 ? h - 1 : 1);
            std::uint64_t b = (7 * x + 13 * y + 31 * seed) % 256;
            const std::uint64_t n = (73856093 * x ^ 19349663 * y ^ 83492791 * seed) & 63;
            r = (3 * r + n) / 4;
            b = (7 * b + g) / 8;
            if (y / 6 % 3 == 1 && (x * x / 5 + 37 * (y / 6) + seed) % 11 < 5) {
                r = 255 - r;
                g = 255 - g;
                b = 255 - b;
            }
            std::uint8_t* to = image.at(x, y);
            to[0] = static_cast<std::uint8_t>(r);
            to[1] = static_cast<std::uint8_t>(g);
            to[2] = static_cast<std::uint8_t>(b);
        }
    return image;
}

/// The usual one, of zip and PNG.
inline std::uint32_t crc32(std::span<const std::uint8_t> bytes) {
    std::uint32_t crc = 0xffffffff;
    for (const std::uint8_t b : bytes) {
        crc ^= b;
        for (int i = 0; i < 8; ++i) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0u);
    }
    return ~crc;
}

}  // namespace carat::test

/// \file
/// EXIF orientation: which way up a camera held a picture.
#pragma once

#include "carat/media/image/image.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace carat::inline CARAT_ABI {

/// The orientation, 1 to 8, that an EXIF block states ("Exif\0\0" in front or not); 1, upright, if
/// it states none or makes no sense.
[[nodiscard]] inline int exif_orientation(std::span<const std::uint8_t> exif) {
    constexpr std::uint8_t name[] = {'E', 'x', 'i', 'f', 0, 0};
    bool named = exif.size() >= 6;
    for (std::size_t i = 0; named && i < 6; ++i) named = exif[i] == name[i];
    if (named) exif = exif.subspan(6);
    if (exif.size() < 8 || exif[0] != exif[1] || (exif[0] != 'I' && exif[0] != 'M')) return 1;
    const bool little = exif[0] == 'I';
    const auto number = [&](std::size_t at, std::size_t bytes) {
        std::size_t v = 0;
        for (std::size_t i = 0; i < bytes; ++i)
            v = v << 8 | exif[at + (little ? bytes - 1 - i : i)];
        return v;
    };
    // The first directory: a count, then entries of tag, type, count and value.
    const std::size_t directory = number(4, 4);
    if (directory > exif.size() - 2) return 1;
    const std::size_t entries = number(directory, 2);
    for (std::size_t i = 0, at = directory + 2; i < entries && at + 12 <= exif.size();
         ++i, at += 12) {
        constexpr std::size_t orientation = 0x0112, short_type = 3;
        if (number(at, 2) != orientation || number(at + 2, 2) != short_type) continue;
        const std::size_t value = number(at + 8, 2);
        return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
    }
    return 1;
}

/// The picture as it was seen, from pixels stored in the given orientation.
[[nodiscard]] inline Image upright(Image image, int orientation) {
    if (orientation < 2 || orientation > 8) return image;
    const bool turned = orientation >= 5;  // columns become rows
    const std::size_t w = image.width, h = image.height;
    Image out(turned ? h : w, turned ? w : h);
    for (std::size_t y = 0; y < h; ++y)
        for (std::size_t x = 0; x < w; ++x) {
            const bool from_right =
                orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
            const bool from_bottom =
                orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
            const std::size_t u = from_right ? w - 1 - x : x, v = from_bottom ? h - 1 - y : y;
            std::uint8_t* to = turned ? out.at(v, u) : out.at(u, v);
            const std::uint8_t* from = image.at(x, y);
            for (std::size_t c = 0; c < 3; ++c) to[c] = from[c];
        }
    return out;
}

}  // namespace carat::inline CARAT_ABI

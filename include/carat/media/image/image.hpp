/// \file
/// Image: decoded pixels, 8-bit RGB.
#pragma once

#include "carat/base/abi.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace carat::inline CARAT_ABI {

/// Rows from top to bottom, R, G, B in turn: `[height, width, 3]`.
struct Image {
    std::size_t width = 0, height = 0;
    std::vector<std::uint8_t> rgb;

    Image() = default;
    /// Black.
    Image(std::size_t w, std::size_t h) : width(w), height(h), rgb(3 * w * h) {}

    [[nodiscard]] std::size_t pixels() const { return width * height; }
    [[nodiscard]] std::uint8_t* at(std::size_t x, std::size_t y) {
        return rgb.data() + 3 * (y * width + x);
    }
    [[nodiscard]] const std::uint8_t* at(std::size_t x, std::size_t y) const {
        return rgb.data() + 3 * (y * width + x);
    }
    friend bool operator==(const Image&, const Image&) = default;
};

}  // namespace carat::inline CARAT_ABI

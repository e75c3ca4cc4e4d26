/// \file
/// BMP without compression, of 1, 4, 8, 16, 24 and 32 bits a pixel.
#pragma once

#include "carat/media/image/image.hpp"
#include "carat/media/image/image_limits.hpp"

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>

namespace carat::inline CARAT_ABI {
namespace detail {

inline Result<Image> decode_bmp(Bytes bytes, const std::string& what, const ImageLimits& limits) {
    const auto fault = [&](Errc code, const std::string& text) {
        return Error{code, what + ": BMP " + text};
    };
    const auto number = [&](std::size_t at, std::size_t n) {  // little endian
        std::uint32_t v = 0;
        for (std::size_t i = n; i-- > 0;) v = v << 8 | bytes[at + i];
        return v;
    };
    if (bytes.size() < 26) return fault(Errc::bad_format, "ends too early");
    const std::size_t pixels = number(10, 4), header = number(14, 4);
    const bool old = header == 12;
    if ((!old && header < 40) || header > bytes.size() - 14)
        return fault(Errc::bad_format, "with a header of " + std::to_string(header) + " bytes");
    const auto wide = static_cast<std::int32_t>(old ? number(18, 2) : number(18, 4));
    const auto high = static_cast<std::int32_t>(old ? number(20, 2) : number(22, 4));
    const std::uint32_t depth = number(old ? 24 : 28, 2);
    const std::uint32_t compression = old ? 0 : number(30, 4);
    if (wide < 0 || high == INT32_MIN) return fault(Errc::bad_format, "with a negative width");
    const auto width = static_cast<std::size_t>(wide);
    const auto height = static_cast<std::size_t>(high < 0 ? -high : high);
    if (auto fits = check_size(width, height, 1, limits, what); !fits) return fits.error();
    constexpr std::uint32_t plain = 0, bit_fields = 3, bit_fields_alpha = 6;
    const bool fields = compression == bit_fields || compression == bit_fields_alpha;
    if ((compression != plain && !fields) || (fields && depth != 16 && depth != 32))
        return fault(Errc::unsupported,
                     "with compression " + std::to_string(compression) + ", expected none");
    if (depth != 1 && depth != 4 && depth != 8 && depth != 16 && depth != 24 && depth != 32)
        return fault(Errc::bad_format, "of " + std::to_string(depth) + " bits a pixel");

    // Colours of a palette, or the bits of each channel.
    std::array<std::array<std::uint8_t, 3>, 256> palette{};
    std::array<std::uint32_t, 3> mask{0xff0000, 0xff00, 0xff};
    if (depth == 16) mask = {0x7c00, 0x3e0, 0x1f};
    if (fields) {
        if (bytes.size() < 66) return fault(Errc::bad_format, "ends too early");
        for (std::size_t c = 0; c < 3; ++c) mask[c] = number(54 + 4 * c, 4);
    }
    if (depth <= 8) {
        const std::size_t entry = old ? 3 : 4, first = 14 + header;
        std::size_t colours = old ? 0 : number(46, 4);
        if (colours == 0 || colours > std::size_t{1} << depth) colours = std::size_t{1} << depth;
        if (colours * entry > bytes.size() - first)
            return fault(Errc::bad_format, "ends too early");
        for (std::size_t i = 0; i < colours; ++i)
            for (std::size_t c = 0; c < 3; ++c) palette[i][c] = bytes[first + i * entry + 2 - c];
    }
    const std::size_t stride = (width * depth + 31) / 32 * 4;
    if (pixels > bytes.size() || (bytes.size() - pixels) / stride < height)
        return fault(Errc::bad_format, "ends too early");

    const auto channel = [](std::uint32_t v, std::uint32_t m) -> std::uint8_t {
        if (m == 0) return 0;
        const auto shift = static_cast<std::uint32_t>(std::countr_zero(m));
        const std::uint64_t most = m >> shift;
        return static_cast<std::uint8_t>(std::uint64_t{(v & m) >> shift} * 255 / most);
    };
    Image image(width, height);
    for (std::size_t y = 0; y < height; ++y) {
        const std::size_t row = pixels + (high < 0 ? y : height - 1 - y) * stride;
        for (std::size_t x = 0; x < width; ++x) {
            std::uint8_t* to = image.at(x, y);
            if (depth <= 8) {
                const std::size_t bit = x * depth;
                const auto index =
                    static_cast<std::size_t>(bytes[row + bit / 8]) >> (8 - depth - bit % 8) &
                    ((1u << depth) - 1);
                for (std::size_t c = 0; c < 3; ++c) to[c] = palette[index][c];
            } else if (depth == 24) {
                for (std::size_t c = 0; c < 3; ++c) to[c] = bytes[row + 3 * x + 2 - c];
            } else {
                const std::uint32_t v = number(row + x * depth / 8, depth / 8);
                for (std::size_t c = 0; c < 3; ++c) to[c] = channel(v, mask[c]);
            }
        }
    }
    return image;
}

}  // namespace detail
}  // namespace carat::inline CARAT_ABI

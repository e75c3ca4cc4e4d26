/// \file
/// What decode_image.hpp declares.
#pragma once

#include "carat/media/image/bmp.hpp"
#include "carat/media/image/decode_image.hpp"
#include "carat/media/image/gif.hpp"
#include "carat/media/image/jpeg.hpp"
#include "carat/media/image/png.hpp"
#include "carat/media/image/webp.hpp"
#include "carat/media/media_file.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace carat::inline CARAT_ABI {

CARAT_ONCE ImageFormat image_format(std::span<const std::uint8_t> bytes) {
    const auto has = [&](std::string_view text, std::size_t at = 0) {
        if (bytes.size() < at + text.size()) return false;
        for (std::size_t i = 0; i < text.size(); ++i)
            if (bytes[at + i] != static_cast<std::uint8_t>(text[i])) return false;
        return true;
    };
    if (has("\x89PNG\r\n\x1a\n")) return ImageFormat::png;
    if (has("\xff\xd8\xff")) return ImageFormat::jpeg;
    if (has("GIF87a") || has("GIF89a")) return ImageFormat::gif;
    if (has("RIFF") && has("WEBP", 8)) return ImageFormat::webp;
    if (has("BM")) return ImageFormat::bmp;
    return ImageFormat::unknown;
}

CARAT_ONCE Result<Image> decode_image(std::span<const std::uint8_t> bytes, const std::string& what,
                                      const ImageLimits& limits) {
    return memory_errors([&]() -> Result<Image> {
        switch (image_format(bytes)) {
            case ImageFormat::png:
                return detail::decode_png(bytes, what, limits);
            case ImageFormat::jpeg:
                return detail::decode_jpeg(bytes, what, limits);
            case ImageFormat::gif:
                return detail::decode_gif(bytes, what, limits);
            case ImageFormat::webp:
                return detail::decode_webp(bytes, what, limits);
            case ImageFormat::bmp:
                return detail::decode_bmp(bytes, what, limits);
            case ImageFormat::unknown:
                break;
        }
        return Error{Errc::bad_format, what + ": no picture, expected PNG, JPEG, GIF, WebP or BMP"};
    });
}

CARAT_ONCE Result<Image> read_image(const std::string& path, const ImageLimits& limits) {
    return memory_errors([&]() -> Result<Image> {
        const auto bytes = read_media_file(path);
        if (!bytes) return bytes.error();
        return decode_image(*bytes, path, limits);
    });
}

}  // namespace carat::inline CARAT_ABI

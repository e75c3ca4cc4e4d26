/// \file
/// PNG, of every colour type and depth, through libpng.
#pragma once

#include "carat/media/image/image_limits.hpp"
#include "carat/media/image/orientation.hpp"

#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <png.h>
#include <string>
#include <utility>

namespace carat::inline CARAT_ABI {
namespace detail {

/// Everything a read needs, so that the function which libpng may leave by a jump has no variable
/// of its own.
struct PngReader {
    Bytes bytes;
    std::size_t at = 0;
    png_structp png = nullptr;
    png_infop info = nullptr;
    char fault[200] = "";  ///< no string: its memory could be refused inside of C
    Image image;
    int passes = 1;
    int orientation = 1;

    PngReader() = default;
    PngReader(const PngReader&) = delete;
    PngReader& operator=(const PngReader&) = delete;
    ~PngReader() { png_destroy_read_struct(&png, &info, nullptr); }

    bool start() {
        png = png_create_read_struct(
            PNG_LIBPNG_VER_STRING, this,
            [](png_structp p, png_const_charp text) {
                auto& self = *static_cast<PngReader*>(png_get_error_ptr(p));
                std::snprintf(self.fault, sizeof self.fault, "%s", text);
                png_longjmp(p, 1);
            },
            [](png_structp, png_const_charp) {});
        info = png != nullptr ? png_create_info_struct(png) : nullptr;
        if (info == nullptr) std::snprintf(fault, sizeof fault, "no memory");
        return info != nullptr;
    }

    /// False after a fault.
    bool read_header() {
        if (setjmp(png_jmpbuf(png)) != 0) return false;
        png_set_read_fn(png, this, [](png_structp p, png_bytep to, std::size_t n) {
            auto& self = *static_cast<PngReader*>(png_get_io_ptr(p));
            if (n > self.bytes.size() - self.at) png_error(p, "ends too early");
            std::memcpy(to, self.bytes.data() + self.at, n);
            self.at += n;
        });
        png_set_user_limits(png, 0x7fffffff, 0x7fffffff);  // check_size has the last word
        png_set_chunk_cache_max(png, 1);  // none: texts, each of which may unpack to 8 MB
        png_read_info(png, info);
        image.width = png_get_image_width(png, info);
        image.height = png_get_image_height(png, info);
        return true;
    }
    /// After check_size, for libpng takes memory for rows.
    bool read_pixels() {
        if (setjmp(png_jmpbuf(png)) != 0) return false;
        // Colours as they are stored: no gamma, and what is transparent loses its alpha, not its
        // colour. Of 16 bits the upper 8.
        png_set_strip_16(png);
        png_set_expand(png);
        png_set_strip_alpha(png);
        png_set_gray_to_rgb(png);
        passes = png_set_interlace_handling(png);
        png_read_update_info(png, info);
        if (png_get_rowbytes(png, info) != 3 * image.width) png_error(png, "has unknown colours");
        for (int pass = 0; pass < passes; ++pass)
            for (std::size_t y = 0; y < image.height; ++y)
                png_read_row(png, image.at(0, y), nullptr);
        png_read_end(png, info);
        png_bytep exif = nullptr;
        png_uint_32 size = 0;
        if (png_get_eXIf_1(png, info, &size, &exif) != 0)
            orientation = exif_orientation({exif, size});
        return true;
    }
};

inline Result<Image> decode_png(Bytes bytes, const std::string& what, const ImageLimits& limits) {
    PngReader reader;
    reader.bytes = bytes;
    if (!reader.start() || !reader.read_header())
        return Error{Errc::bad_format, what + ": PNG " + reader.fault};
    Image& image = reader.image;
    if (const Result<void> fits = check_size(image.width, image.height, 1, limits, what); !fits)
        return fits.error();
    image.rgb.resize(3 * image.pixels());
    if (!reader.read_pixels()) return Error{Errc::bad_format, what + ": PNG " + reader.fault};
    return upright(std::move(image), reader.orientation);
}

}  // namespace detail
}  // namespace carat::inline CARAT_ABI

/// \file
/// JPEG, baseline and progressive, grey, colour and CMYK, through libjpeg-turbo.
#pragma once

#include "carat/media/image/image_limits.hpp"
#include "carat/media/image/orientation.hpp"

#include <algorithm>
#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <cstdio>  // before jpeglib.h, which needs it
#include <jpeglib.h>
#include <string>
#include <utility>
#include <vector>

namespace carat::inline CARAT_ABI {
namespace detail {

/// How often a picture of so many pixels may be scanned: 256 times as long as they are 2^31 pixels
/// in all, some seconds, and always 16 times, for usual progressive files have about ten.
constexpr int most_jpeg_scans(std::size_t pixels) noexcept {
    return static_cast<int>(std::clamp<std::uint64_t>(
        (std::uint64_t{1} << 31) / std::max<std::uint64_t>(pixels, 1), 16, 256));
}

/// Everything a read needs, so that the function which libjpeg may leave by a jump has no variable
/// of its own.
struct JpegReader {
    jpeg_decompress_struct jpeg{};
    jpeg_error_mgr errors{};
    jpeg_progress_mgr progress{};
    std::jmp_buf jump;
    char fault[200] = "";  ///< no string: its memory could be refused inside of C
    Image image;
    std::vector<std::uint8_t> row;
    int orientation = 1, most_scans = 0;

    JpegReader() {
        jpeg.err = jpeg_std_error(&errors);
        jpeg.client_data = this;
        errors.error_exit = [](j_common_ptr c) {
            char text[JMSG_LENGTH_MAX];
            c->err->format_message(c, text);
            fail(c, text);
        };
        errors.output_message = [](j_common_ptr) {};
        errors.emit_message = [](j_common_ptr, int) {};
    }
    JpegReader(const JpegReader&) = delete;
    JpegReader& operator=(const JpegReader&) = delete;
    ~JpegReader() { jpeg_destroy_decompress(&jpeg); }

    [[noreturn]] static void fail(j_common_ptr c, const char* text) {
        auto& self = *static_cast<JpegReader*>(c->client_data);
        std::snprintf(self.fault, sizeof self.fault, "%s", text);
        std::longjmp(self.jump, 1);
    }

    bool read_header(Bytes bytes) {
        if (setjmp(jump) != 0) return false;
        jpeg_create_decompress(&jpeg);
        jpeg_mem_src(&jpeg, bytes.data(), bytes.size());
        jpeg.src->fill_input_buffer = [](j_decompress_ptr d) -> boolean {
            fail(reinterpret_cast<j_common_ptr>(d), "ends too early");
        };
        jpeg_save_markers(&jpeg, JPEG_APP0 + 1, 0xffff);
        jpeg_read_header(&jpeg, TRUE);
        image.width = jpeg.image_width;
        image.height = jpeg.image_height;
        const bool four = jpeg.num_components == 4;
        jpeg.out_color_space = four ? JCS_CMYK : JCS_RGB;
        for (jpeg_saved_marker_ptr m = jpeg.marker_list; m != nullptr && orientation == 1;
             m = m->next)
            orientation = exif_orientation({m->data, m->data_length});
        return true;
    }
    bool read_pixels() {
        if (setjmp(jump) != 0) return false;
        // A progressive file may repeat scans that add nothing, each as dear as the picture.
        most_scans = most_jpeg_scans(image.pixels());
        progress.progress_monitor = [](j_common_ptr c) {
            auto& self = *static_cast<JpegReader*>(c->client_data);
            if (self.jpeg.input_scan_number <= self.most_scans) return;
            std::snprintf(self.fault, sizeof self.fault, "has more than %d scans", self.most_scans);
            std::longjmp(self.jump, 1);
        };
        jpeg.progress = &progress;
        jpeg_start_decompress(&jpeg);
        while (jpeg.output_scanline < jpeg.output_height) {
            JSAMPROW to =
                jpeg.out_color_space == JCS_RGB ? image.at(0, jpeg.output_scanline) : row.data();
            const std::size_t y = jpeg.output_scanline;
            jpeg_read_scanlines(&jpeg, &to, 1);
            if (to == row.data()) from_cmyk(y);
        }
        return true;
    }
    /// Adobe stores ink as its absence.
    void from_cmyk(std::size_t y) {
        const bool inverted = jpeg.saw_Adobe_marker != 0;
        for (std::size_t x = 0; x < image.width; ++x) {
            const auto ink = [&](std::size_t c) -> unsigned {
                const std::uint8_t v = row[4 * x + c];
                return inverted ? 255u - v : v;
            };
            const unsigned paper = 255u - ink(3);
            for (std::size_t c = 0; c < 3; ++c) {
                const unsigned product = ink(c) * paper + 128;
                const unsigned dark = (product + (product >> 8)) >> 8;
                image.at(x, y)[c] = static_cast<std::uint8_t>(paper - dark);
            }
        }
    }
};

inline Result<Image> decode_jpeg(Bytes bytes, const std::string& what, const ImageLimits& limits) {
    JpegReader reader;
    if (!reader.read_header(bytes)) return Error{Errc::bad_format, what + ": JPEG " + reader.fault};
    Image& image = reader.image;
    if (const Result<void> fits = check_size(image.width, image.height, 1, limits, what); !fits)
        return fits.error();
    image.rgb.resize(3 * image.pixels());
    if (reader.jpeg.out_color_space == JCS_CMYK) reader.row.resize(4 * image.width);
    if (!reader.read_pixels()) return Error{Errc::bad_format, what + ": JPEG " + reader.fault};
    return upright(std::move(image), reader.orientation);
}

}  // namespace detail
}  // namespace carat::inline CARAT_ABI

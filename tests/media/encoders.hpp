/// \file
/// Pictures written for tests, by the libraries that carat reads them with.
#pragma once

#include "carat/media/image/image.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <gif_lib.h>
#include <jpeglib.h>
#include <png.h>
#include <string>
#include <vector>
#include <webp/encode.h>

namespace carat::test {

using Buffer = std::vector<std::uint8_t>;

/// `format` is one of libpng's PNG_FORMAT_ names; `pixels` as it says.
inline Buffer encode_png(std::size_t w, std::size_t h, std::uint32_t format, const void* pixels,
                         const void* palette = nullptr, std::uint32_t colours = 0) {
    png_image image{};
    image.version = PNG_IMAGE_VERSION;
    image.width = static_cast<png_uint_32>(w);
    image.height = static_cast<png_uint_32>(h);
    image.format = format;
    image.colormap_entries = colours;
    png_alloc_size_t size = 0;
    png_image_write_to_memory(&image, nullptr, &size, 0, pixels, 0, palette);
    Buffer out(size);
    png_image_write_to_memory(&image, out.data(), &size, 0, pixels, 0, palette);
    out.resize(size);
    return out;
}

/// One black pixel, and so many texts of so many letters each, which hardly take room in the file.
inline Buffer encode_png_with_texts(std::size_t texts, std::size_t letters) {
    Buffer out;
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
    png_infop info = png_create_info_struct(png);
    png_set_write_fn(
        png, &out,
        [](png_structp p, png_bytep bytes, std::size_t n) {
            auto& to = *static_cast<Buffer*>(png_get_io_ptr(p));
            to.insert(to.end(), bytes, bytes + n);
        },
        [](png_structp) {});
    png_set_IHDR(png, info, 1, 1, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    std::string key = "x", text(letters, 'a');
    png_text entry{};
    entry.compression = PNG_TEXT_COMPRESSION_zTXt;
    entry.key = key.data();
    entry.text = text.data();
    entry.text_length = text.size();
    for (std::size_t i = 0; i < texts; ++i) png_set_text(png, info, &entry, 1);
    png_write_info(png, info);
    const png_byte row[3] = {};
    png_write_row(png, row);
    png_write_end(png, nullptr);
    png_destroy_write_struct(&png, &info);
    return out;
}

/// A progressive JPEG of one grey block, whose scans all say nothing of it.
inline Buffer encode_empty_scans(int scans) {
    Buffer out = {0xff, 0xd8};
    const auto segment = [&](std::uint8_t marker, const Buffer& body) {
        const std::size_t length = body.size() + 2;
        out.insert(out.end(), {0xff, marker, static_cast<std::uint8_t>(length >> 8),
                               static_cast<std::uint8_t>(length)});
        out.insert(out.end(), body.begin(), body.end());
    };
    Buffer steps(65, 1), codes(18);
    steps[0] = 0;
    codes[0] = 0x10;  // one code of one bit: as many empty blocks as 14 more bits say
    codes[1] = 1;
    codes[17] = 0xe0;
    segment(0xdb, steps);
    segment(0xc2, {8, 0, 8, 0, 8, 1, 1, 0x11, 0});
    segment(0xc4, codes);
    for (int i = 0; i < scans; ++i) {
        segment(0xda, {1, 1, 0, 1, 63, static_cast<std::uint8_t>(i == 0 ? 0x01 : 0x10)});
        out.insert(out.end(), {0, 1});
    }
    out.insert(out.end(), {0xff, 0xd9});
    return out;
}

inline Buffer encode_jpeg(const Image& image, const Buffer& exif = {}, bool grey = false) {
    jpeg_compress_struct c{};
    jpeg_error_mgr errors{};
    c.err = jpeg_std_error(&errors);
    jpeg_create_compress(&c);
    unsigned char* memory = nullptr;
    unsigned long size = 0;
    jpeg_mem_dest(&c, &memory, &size);
    c.image_width = static_cast<JDIMENSION>(image.width);
    c.image_height = static_cast<JDIMENSION>(image.height);
    c.input_components = 3;
    c.in_color_space = JCS_RGB;
    jpeg_set_defaults(&c);
    if (grey) jpeg_set_colorspace(&c, JCS_GRAYSCALE);
    jpeg_set_quality(&c, 98, TRUE);
    jpeg_start_compress(&c, TRUE);
    if (!exif.empty())
        jpeg_write_marker(&c, JPEG_APP0 + 1, exif.data(), static_cast<unsigned>(exif.size()));
    for (std::size_t y = 0; y < image.height; ++y) {
        JSAMPROW row = const_cast<JSAMPROW>(image.at(0, y));
        jpeg_write_scanlines(&c, &row, 1);
    }
    jpeg_finish_compress(&c);
    Buffer out(memory, memory + size);
    jpeg_destroy_compress(&c);
    std::free(memory);
    return out;
}

inline Buffer encode_webp(const Image& image) {
    std::uint8_t* memory = nullptr;
    const std::size_t size = WebPEncodeLosslessRGB(image.rgb.data(), static_cast<int>(image.width),
                                                   static_cast<int>(image.height),
                                                   static_cast<int>(3 * image.width), &memory);
    Buffer out(memory, memory + size);
    WebPFree(memory);
    return out;
}

/// Frames of indices into a palette of `colours` greens, each shown for `delay` hundredths.
inline Buffer encode_gif(std::size_t w, std::size_t h, const std::vector<Buffer>& frames,
                         int colours, int delay, bool interlace = false, int transparent = -1) {
    Buffer out;
    int error = 0;
    GifFileType* gif = EGifOpen(
        &out,
        [](GifFileType* g, const GifByteType* bytes, int n) -> int {
            auto& to = *static_cast<Buffer*>(g->UserData);
            to.insert(to.end(), bytes, bytes + n);
            return n;
        },
        &error);
    EGifSetGifVersion(gif, true);
    ColorMapObject* map = GifMakeMapObject(colours, nullptr);
    for (int i = 0; i < colours; ++i)
        map->Colors[i] = {static_cast<GifByteType>(i), static_cast<GifByteType>(255 - i), 7};
    EGifPutScreenDesc(gif, static_cast<int>(w), static_cast<int>(h), 8, 0, map);
    for (Buffer frame : frames) {
        GraphicsControlBlock control{DISPOSE_DO_NOT, false, delay, transparent};
        GifByteType block[4];
        EGifGCBToExtension(&control, block);
        EGifPutExtension(gif, GRAPHICS_EXT_FUNC_CODE, sizeof block, block);
        EGifPutImageDesc(gif, 0, 0, static_cast<int>(w), static_cast<int>(h), interlace, nullptr);
        constexpr std::size_t starts[] = {0, 4, 2, 1}, steps[] = {8, 8, 4, 2};
        for (std::size_t pass = 0; pass < (interlace ? 4u : 1u); ++pass)
            for (std::size_t y = interlace ? starts[pass] : 0; y < h;
                 y += interlace ? steps[pass] : 1)
                EGifPutLine(gif, frame.data() + y * w, static_cast<int>(w));
    }
    EGifCloseFile(gif, &error);
    GifFreeMapObject(map);
    return out;
}

/// 24 bits, rows from the bottom.
inline Buffer encode_bmp(const Image& image) {
    const std::size_t stride = (3 * image.width + 3) / 4 * 4;
    Buffer out(54 + stride * image.height);
    const auto put = [&](std::size_t at, std::size_t value) {
        for (std::size_t i = 0; i < 4; ++i)
            out[at + i] = static_cast<std::uint8_t>(value >> (8 * i));
    };
    out[0] = 'B';
    out[1] = 'M';
    put(2, out.size());
    put(10, 54);
    put(14, 40);
    put(18, image.width);
    put(22, image.height);
    put(26, 1 | 24 << 16);
    for (std::size_t y = 0; y < image.height; ++y)
        for (std::size_t x = 0; x < image.width; ++x)
            for (std::size_t c = 0; c < 3; ++c)
                out[54 + (image.height - 1 - y) * stride + 3 * x + 2 - c] = image.at(x, y)[c];
    return out;
}

/// An EXIF block that says how the camera was held.
inline Buffer exif(int orientation) {
    return {
        'E', 'x', 'i', 'f', 0,    0, 'M', 'M', 0, 42, 0, 0, 0,
        8,   0,   1,   1,   0x12, 0, 3,   0,   0, 0,  1, 0, static_cast<std::uint8_t>(orientation),
        0,   0,   0,   0,   0,    0};
}

}  // namespace carat::test

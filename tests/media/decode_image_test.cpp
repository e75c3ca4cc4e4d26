#include "carat/media/image/decode_image.hpp"

#include "carat/media/image/gif.hpp"
#include "carat/media/image/image_limits.hpp"
#include "carat/media/image/jpeg.hpp"
#include "carat/media/image/orientation.hpp"
#include "media/encoders.hpp"
#include "media/pictures.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <random>
#include <string>
#include <utility>
#include <vector>

using namespace carat;
using test::Buffer;

namespace {

Image decoded(const Buffer& bytes) {
    auto image = decode_image(bytes, "x");
    if (!image) FAIL(image.error().text);
    return std::move(*image);
}
std::string fault(const Buffer& bytes, const ImageLimits& limits = {}) {
    const auto image = decode_image(bytes, "x", limits);
    return image ? std::string() : image.error().text;
}
Image small() { return test::synth(19, 23, 5); }

/// One of each format.
std::vector<std::pair<std::string, Buffer>> samples() {
    const Image image = small();
    Buffer indices(image.pixels());
    for (std::size_t i = 0; i < indices.size(); ++i) indices[i] = static_cast<std::uint8_t>(i % 16);
    return {{"png", test::encode_png(23, 19, PNG_FORMAT_RGB, image.rgb.data())},
            {"jpeg", test::encode_jpeg(image, test::exif(6))},
            {"webp", test::encode_webp(image)},
            {"gif", test::encode_gif(23, 19, {indices, indices}, 16, 10)},
            {"bmp", test::encode_bmp(image)}};
}

}  // namespace

TEST_CASE("formats without loss come back byte for byte") {
    const Image image = small();
    CHECK(decoded(test::encode_png(23, 19, PNG_FORMAT_RGB, image.rgb.data())) == image);
    CHECK(decoded(test::encode_webp(image)) == image);
    CHECK(decoded(test::encode_bmp(image)) == image);
}

TEST_CASE("PNG: grey, alpha, palette and 16 bits become RGB as the reference's") {
    const Buffer grey = {0, 50, 100, 255};
    const Image from_grey = decoded(test::encode_png(2, 2, PNG_FORMAT_GRAY, grey.data()));
    CHECK(from_grey.rgb == Buffer{0, 0, 0, 50, 50, 50, 100, 100, 100, 255, 255, 255});

    // What is transparent keeps its colour.
    const Buffer rgba = {10, 20, 30, 0, 40, 50, 60, 255};
    CHECK(decoded(test::encode_png(2, 1, PNG_FORMAT_RGBA, rgba.data())).rgb ==
          Buffer{10, 20, 30, 40, 50, 60});
    const Buffer grey_alpha = {77, 0, 99, 128};
    CHECK(decoded(test::encode_png(2, 1, PNG_FORMAT_GA, grey_alpha.data())).rgb ==
          Buffer{77, 77, 77, 99, 99, 99});

    const Buffer palette = {1, 2, 3, 200, 100, 50, 9, 9, 9}, indices = {1, 0, 2, 1};
    CHECK(
        decoded(test::encode_png(4, 1, PNG_FORMAT_RGB_COLORMAP, indices.data(), palette.data(), 3))
            .rgb == Buffer{200, 100, 50, 1, 2, 3, 9, 9, 9, 200, 100, 50});

    const std::vector<std::uint16_t> deep = {0x12ff, 0xab00, 0xffff};
    CHECK(decoded(test::encode_png(1, 1, PNG_FORMAT_LINEAR_RGB, deep.data())).rgb ==
          Buffer{0x12, 0xab, 0xff});
}

TEST_CASE("JPEG: close to what was written, grey as three equal channels") {
    Image smooth(64, 48);
    for (std::size_t y = 0; y < 48; ++y)
        for (std::size_t x = 0; x < 64; ++x) {
            smooth.at(x, y)[0] = static_cast<std::uint8_t>(4 * x);
            smooth.at(x, y)[1] = static_cast<std::uint8_t>(5 * y);
            smooth.at(x, y)[2] = 90;
        }
    const Image back = decoded(test::encode_jpeg(smooth));
    REQUIRE(back.pixels() == smooth.pixels());
    for (std::size_t i = 0; i < back.rgb.size(); ++i)
        REQUIRE(std::abs(back.rgb[i] - smooth.rgb[i]) <= 8);
    const Image grey = decoded(test::encode_jpeg(smooth, {}, true));
    for (std::size_t i = 0; i < grey.rgb.size(); i += 3) {
        REQUIRE(grey.rgb[i] == grey.rgb[i + 1]);
        REQUIRE(grey.rgb[i] == grey.rgb[i + 2]);
    }
}

TEST_CASE("GIF: the first frame, interlaced or not") {
    Buffer indices(5 * 9);
    for (std::size_t i = 0; i < indices.size(); ++i) indices[i] = static_cast<std::uint8_t>(i % 8);
    const Buffer other(indices.size(), 3);
    const Image plain = decoded(test::encode_gif(5, 9, {indices, other}, 8, 10));
    REQUIRE(plain.width == 5);
    for (std::size_t i = 0; i < indices.size(); ++i) {
        CHECK(plain.rgb[3 * i] == indices[i]);
        CHECK(plain.rgb[3 * i + 1] == 255 - indices[i]);
    }
    CHECK(decoded(test::encode_gif(5, 9, {indices}, 8, 10, true)) == plain);
    CHECK(decoded(test::encode_gif(5, 9, {indices}, 8, 10, false, 2)) == plain);
}

TEST_CASE("an animation's frames lie over each other, on white") {
    const auto bytes = test::encode_gif(2, 1, {{0, 1}, {1, 2}, {0, 0}}, 4, 20, false, 0);
    const auto all = decode_animated_gif(bytes, "x");
    REQUIRE(all);
    REQUIRE(all->frames.size() == 3);
    CHECK(all->fps() == doctest::Approx(5.0));
    CHECK(all->frames[0].rgb == Buffer{255, 255, 255, 1, 254, 7});
    CHECK(all->frames[1].rgb == Buffer{1, 254, 7, 2, 253, 7});
    CHECK(all->frames[2] == all->frames[1]);
}

TEST_CASE("pictures stand as their camera was held") {
    Image image(3, 2);
    for (std::size_t i = 0; i < image.rgb.size(); ++i) image.rgb[i] = static_cast<std::uint8_t>(i);
    const auto order = [&](int orientation) {
        const Image up = upright(image, orientation);
        std::vector<int> first;
        for (std::size_t i = 0; i < up.pixels(); ++i) first.push_back(up.rgb[3 * i] / 3);
        first.push_back(static_cast<int>(up.width));
        return first;
    };
    using V = std::vector<int>;
    CHECK(order(1) == V{0, 1, 2, 3, 4, 5, 3});
    CHECK(order(2) == V{2, 1, 0, 5, 4, 3, 3});  // mirrored
    CHECK(order(3) == V{5, 4, 3, 2, 1, 0, 3});  // upside down
    CHECK(order(4) == V{3, 4, 5, 0, 1, 2, 3});
    CHECK(order(5) == V{0, 3, 1, 4, 2, 5, 2});  // transposed
    CHECK(order(6) == V{3, 0, 4, 1, 5, 2, 2});  // a quarter to the right
    CHECK(order(7) == V{5, 2, 4, 1, 3, 0, 2});
    CHECK(order(8) == V{2, 5, 1, 4, 0, 3, 2});  // a quarter to the left
    for (int o = 1; o <= 8; ++o) CHECK(exif_orientation(test::exif(o)) == o);
    CHECK(exif_orientation(test::exif(9)) == 1);
    const Buffer full = test::exif(6);
    for (std::size_t n = 0; n < full.size(); ++n)
        CHECK(exif_orientation(std::span(full).first(n)) <= 8);
    CHECK(decoded(test::encode_jpeg(small(), test::exif(6))).width == 19);
    CHECK(decoded(test::encode_jpeg(small(), test::exif(3))).width == 23);
}

TEST_CASE("more pixels than allowed are refused by their header") {
    for (const auto& sample : samples()) {
        const auto& name = sample.first;
        const auto& bytes = sample.second;
        CAPTURE(name);
        CHECK(fault(bytes, {.max_pixels = 23 * 19}).empty());
        CHECK(fault(bytes, {.max_pixels = 400}) ==
              "x: 23 by 19 pixels, expected at most 400 in all");
    }
    Buffer bomb = test::encode_bmp(small());
    bomb[18] = bomb[19] = bomb[20] = bomb[22] = bomb[23] = bomb[24] = 0xff;
    CHECK(fault(bomb).find("16777215 by 16777215 pixels") != std::string::npos);
    const auto frames = test::encode_gif(4, 4, std::vector<Buffer>(9, Buffer(16)), 4, 5);
    CHECK(decode_animated_gif(frames, "x", {.max_pixels = 9 * 16}));
    CHECK_FALSE(decode_animated_gif(frames, "x", {.max_pixels = 8 * 16}));
    CHECK(decode_animated_gif(frames, "x", {.max_frames = 9}));
    const auto many = decode_animated_gif(frames, "x", {.max_frames = 8});
    REQUIRE_FALSE(many);
    CHECK(many.error().text == "x: 9 frames, expected at most 8");
    const auto tiny = test::encode_gif(1, 1, std::vector<Buffer>((1 << 16) + 1, Buffer(1)), 4, 5);
    CHECK(decode_animated_gif(tiny, "x").error().text == "x: 65537 frames, expected at most 65536");
}

TEST_CASE("a JPEG that is scanned again and again is refused, the larger the sooner") {
    CHECK(fault(test::encode_empty_scans(256)).empty());
    CHECK(fault(test::encode_empty_scans(257)) == "x: JPEG has more than 256 scans");
    CHECK(detail::most_jpeg_scans(std::size_t{1} << 23) == 256);
    CHECK(detail::most_jpeg_scans(std::size_t{1} << 24) == 128);
    CHECK(detail::most_jpeg_scans(ImageLimits{}.max_pixels) == 16);
    CHECK(detail::most_jpeg_scans(65500u * std::size_t{65500}) == 16);
}

TEST_CASE("what is no picture is one clear line") {
    CHECK(fault({}) == "x: no picture, expected PNG, JPEG, GIF, WebP or BMP");
    CHECK(fault({'h', 'e', 'l', 'l', 'o'}) ==
          "x: no picture, expected PNG, JPEG, GIF, WebP or BMP");
    CHECK_FALSE(decode_animated_gif({}, "x"));
    Buffer none = test::encode_bmp(small());
    none[18] = 0;
    CHECK(fault(none) == "x: the picture is 0 by 19 pixels");
    CHECK(fault({0xff, 0xd8, 0xff, 0xe0}) == "x: JPEG ends too early");
    const auto first = [](Buffer bytes, std::size_t n) {
        bytes.resize(n);
        return bytes;
    };
    const Buffer webp = test::encode_webp(small());
    CHECK(fault(first(webp, 14)) == "x: WebP head ends too early");
    CHECK(fault(first(webp, webp.size() / 2)) == "x: WebP of 23 by 19 pixels ends too early");
    // The third frame reaches beyond the screen.
    Buffer gif = test::encode_gif(4, 4, std::vector<Buffer>(3, Buffer(16)), 4, 5);
    const Buffer head = {',', 0, 0, 0, 0, 4, 0, 4, 0};
    const auto last = std::find_end(gif.begin(), gif.end(), head.begin(), head.end());
    REQUIRE(last != gif.end());
    last[1] = 2;
    CHECK(decode_animated_gif(gif, "x").error().text ==
          "x: GIF, frame 3: 4 by 4 pixels at 2, 0, expected within the screen of 4 by 4");
    CHECK(decode_animated_gif(first(gif, gif.size() - 8), "x")
              .error()
              .text.starts_with("x: GIF, frame 3: "));
    const auto missing = read_image(CARAT_SOURCE_DIR "/nothing.png");
    REQUIRE_FALSE(missing);
    CHECK(missing.error().code == Errc::io);
}

TEST_CASE("a picture cut short is an error") {
    for (const auto& sample : samples()) {
        const auto& name = sample.first;
        const auto& bytes = sample.second;
        CAPTURE(name);
        for (std::size_t n = 0; n < bytes.size(); ++n) {
            const Buffer part(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(n));
            const auto image = decode_image(part, "x");
            // The first half of a file never holds a whole picture.
            if (2 * n < bytes.size() && name != "gif") REQUIRE_FALSE(image);
        }
    }
}

TEST_CASE("damaged pictures are an error or a picture") {
    std::mt19937 random(7);
    for (const auto& sample : samples()) {
        const auto& name = sample.first;
        const auto& bytes = sample.second;
        CAPTURE(name);
        for (int round = 0; round < 1500; ++round) {
            Buffer damaged = bytes;
            for (unsigned flips = 1 + random() % 4; flips > 0; --flips)
                damaged[random() % std::min<std::size_t>(damaged.size(), round % 2 ? 64 : 100000)] =
                    static_cast<std::uint8_t>(random());
            const auto image = decode_image(damaged, "x", {.max_pixels = 1 << 20});
            if (image) REQUIRE(image->rgb.size() == 3 * image->pixels());
            if (name == "gif") (void)decode_animated_gif(damaged, "x", {.max_pixels = 1 << 20});
        }
    }
}

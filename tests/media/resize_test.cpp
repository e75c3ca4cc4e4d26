#include "carat/media/image/resize.hpp"

#include "carat/checkpoint/mapped_file.hpp"
#include "carat/format/json.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

using namespace carat;

TEST_CASE("both variants of the reference's resampling, byte for byte") {
    const auto map = MappedFile::open(CARAT_SOURCE_DIR "/tests/fixtures/preprocess/resize.json");
    REQUIRE(map);
    const auto cases = parse_json(map->text(), "resize.json");
    REQUIRE(cases);
    CHECK(json::elements(*cases).size() == 5);
    for (const JsonValue& c : json::elements(*cases)) {
        const auto size = [&](const char* key) {
            return static_cast<std::size_t>(json::unsigned_integer(json::find(c, key)).value());
        };
        const auto bytes = [&](const char* key) {
            std::vector<std::uint8_t> v;
            for (const JsonValue& b : json::elements(json::find(c, key)))
                v.push_back(static_cast<std::uint8_t>(b.GetUint()));
            return v;
        };
        Image in(size("width"), size("height"));
        in.rgb = bytes("pixels_rgb");
        CAPTURE(in.width);
        for (const Resampling variant : {Resampling::pil, Resampling::torchvision}) {
            const char* name = variant == Resampling::pil ? "pil" : "torchvision";
            CAPTURE(name);
            const Image out = resize(in, size("out_width"), size("out_height"), variant);
            CHECK(out.rgb == bytes(name));
        }
    }
}

TEST_CASE("an image that has its size already is not touched") {
    Image in(3, 2);
    for (std::size_t i = 0; i < in.rgb.size(); ++i) in.rgb[i] = static_cast<std::uint8_t>(50 * i);
    CHECK(resize(in, 3, 2) == in);
}

TEST_CASE("one colour stays that colour at every size") {
    Image in(37, 5);
    for (std::size_t i = 0; i < in.rgb.size(); ++i)
        in.rgb[i] = static_cast<std::uint8_t>(i % 3 == 0 ? 255 : i % 3 == 1 ? 0 : 77);
    for (const std::size_t w : {1u, 2u, 36u, 38u, 100u})
        for (const std::size_t h : {1u, 4u, 6u, 48u})
            for (const Resampling how : {Resampling::pil, Resampling::torchvision}) {
                const Image out = resize(in, w, h, how);
                for (std::size_t i = 0; i < out.rgb.size(); ++i)
                    REQUIRE(out.rgb[i] == in.rgb[i % 3]);
            }
}

TEST_CASE("a picture a few pixels wide and very high is the reference's to a few grey levels") {
    Image in(3, 400'000);  // made 48 wide first it would have more than 2^24 pixels
    for (std::size_t i = 0; i < in.rgb.size(); ++i)
        in.rgb[i] = static_cast<std::uint8_t>(i / 1000 * 37 % 251);
    for (const Resampling how : {Resampling::pil, Resampling::torchvision}) {
        const Image wide = detail::resize_rows(in, 48, how);
        const Image reference = detail::resize_columns(wide, 1000, how),
                    out = resize(in, 48, 1000, how);
        REQUIRE(out.rgb.size() == reference.rgb.size());
        int largest = 0;
        for (std::size_t i = 0; i < out.rgb.size(); ++i)
            largest = std::max(largest, std::abs(out.rgb[i] - reference.rgb[i]));
        CHECK(largest <= 2);
    }
}

#include "carat/media/image/picture_size.hpp"

#include "carat/checkpoint/mapped_file.hpp"
#include "carat/format/json.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <string>

using namespace carat;

namespace {

Json read(const std::string& name) {
    const auto map = MappedFile::open(CARAT_SOURCE_DIR "/tests/fixtures/" + name);
    REQUIRE(map);
    auto tree = parse_json(map->text(), name);
    REQUIRE(tree);
    return std::move(*tree);
}

}  // namespace

TEST_CASE("every size of the fixtures at every budget") {
    const Json table = read("hf/processor/target_sizes.json");
    std::size_t rows = 0;
    for (const JsonValue& row : json::elements(json::find(table, "rows"))) {
        const auto n = [&](unsigned i) { return std::size_t{row[i].GetUint()}; };
        const auto size = picture_size(n(1), n(0), {.max_soft_tokens = n(2)});
        REQUIRE(size);
        CAPTURE(n(0));
        CAPTURE(n(1));
        CHECK(*size == PictureSize{n(4), n(3)});
        ++rows;
    }
    CHECK(rows > 300);
    const Json more = read("preprocess/target_sizes.json");
    for (const JsonValue& row : json::elements(more)) {
        const auto n = [&](const char* key) { return std::size_t{row[key].GetUint()}; };
        const PictureConfig config{.max_soft_tokens = n("max_soft_tokens")};
        const auto size = picture_size(n("width"), n("height"), config);
        REQUIRE(size);
        CHECK(*size == PictureSize{n("target_width"), n("target_height")});
        CHECK(size->soft_tokens(config) == n("soft_tokens"));
    }
}

TEST_CASE("other patches and kernels follow the same formula") {
    struct Row {
        std::size_t patch, tokens, kernel, height, width, out_height, out_width;
    };
    for (const Row& r : {Row{16, 256, 1, 256, 256, 256, 256}, Row{16, 256, 1, 512, 512, 256, 256},
                         Row{10, 200, 1, 50, 10000, 10, 2000}, Row{10, 200, 1, 25, 20000, 10, 2000},
                         Row{16, 64, 6, 2785, 34, 6144, 96}, Row{4, 16, 2, 50, 1000, 8, 128}}) {
        const auto size = picture_size(
            r.width, r.height,
            {.patch_size = r.patch, .pooling_kernel_size = r.kernel, .max_soft_tokens = r.tokens});
        REQUIRE(size);
        CHECK(*size == PictureSize{r.out_width, r.out_height});
    }
}

TEST_CASE("a budget that no memory holds, or whose product overflows, is refused") {
    constexpr std::size_t huge = std::numeric_limits<std::size_t>::max() / 2 + 1;
    for (const PictureConfig& c :
         {PictureConfig{.patch_size = 256, .pooling_kernel_size = 64},
          PictureConfig{.patch_size = huge}, PictureConfig{.pooling_kernel_size = huge},
          PictureConfig{.max_soft_tokens = huge}, PictureConfig{.patch_size = 0},
          PictureConfig{.pooling_kernel_size = 0}, PictureConfig{.max_soft_tokens = 0}}) {
        const auto size = picture_size(640, 480, c);
        REQUIRE_FALSE(size);
        CHECK(size.error().code == Errc::invalid_argument);
        CHECK(size.error().text.find("expected 1 to 16777216") != std::string::npos);
    }
}

TEST_CASE("sizes that make no picture are refused") {
    CHECK_FALSE(picture_size(0, 5, {}));
    CHECK_FALSE(picture_size(5, 0, {}));
    const auto odd = picture_size(50, 48, {.do_resize = false});
    REQUIRE_FALSE(odd);
    CHECK(odd.error().text.find("50 by 48 pixels, expected multiples of 48") != std::string::npos);
    CHECK(picture_size(96, 48, {.do_resize = false}));
}

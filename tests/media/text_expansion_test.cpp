// Prompts with pictures and videos, from their sizes to ids, as the reference's processor gives
// them.
#include "carat/format/json.hpp"
#include "carat/media/image/picture_size.hpp"
#include "carat/media/video/frame_times.hpp"
#include "carat/prompt/media_expansion.hpp"
#include "carat/text/read_file.hpp"
#include "carat/text/tokenizer.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <vector>

namespace carat {
namespace {

std::size_t soft_tokens(std::size_t height, std::size_t width) {
    const PictureConfig config{.max_soft_tokens = 70};
    const auto size = picture_size(width, height, config);
    REQUIRE(size);
    return size->soft_tokens(config);
}

TEST_CASE("prompts with pictures and videos have the reference's ids") {
    const std::string hf = CARAT_SOURCE_DIR "/tests/fixtures/hf/";
    const auto tokenizer = Tokenizer::open(hf + "tokenizer");
    const auto file = read_file(hf + "processor/text_expansion.json");
    REQUIRE(tokenizer);
    REQUIRE(file);
    const auto cases = parse_json(*file, "text_expansion.json");
    REQUIRE(cases);
    // The pictures and the video that fixtures/README.md says these prompts were made with.
    const std::vector<MediaText> pictures{image_text(soft_tokens(100, 150)),
                                          image_text(soft_tokens(64, 64))};
    const FrameTimes times{sampled_frames(33, {.num_frames = 4}), 30};
    std::vector<std::string> timestamps;
    for (std::size_t i = 0; i < times.indices.size(); ++i) timestamps.push_back(times.timestamp(i));
    const std::vector<MediaText> video{video_text(timestamps, soft_tokens(32, 48))};

    std::size_t rows = 0;
    for (const JsonValue& c : json::elements(*cases)) {
        const std::string name(json::string(json::find(c, "name")).value());
        const bool moves = name == "video";
        if (!moves && name != "image" && name != "two_images" && name != "batch") continue;
        CAPTURE(name);
        std::size_t next = 0, row = 0;
        for (const JsonValue& text : json::elements(json::find(c, "text"))) {
            PromptText prompt;
            prompt.control(std::string("<bos>").append(*json::string(text)));
            std::size_t count = 0;
            for (std::size_t at = prompt.text.find("<|image|>"); at != std::string::npos;
                 at = prompt.text.find("<|image|>", at + 1))
                ++count;
            const auto expanded = expand_media(
                prompt, moves ? std::span(video) : std::span(pictures).subspan(next, count));
            if (!expanded) FAIL(expanded.error().text);
            next += count;
            const auto ids = tokenizer->encode(expanded->text);
            REQUIRE(ids);
            const auto column = [&](const char* key) {
                return json::elements(json::elements(json::find(c, key))[row]);
            };
            const auto wanted = column("input_ids"), mask = column("attention_mask"),
                       types = column("mm_token_type_ids");
            std::vector<std::int32_t> expected;
            for (std::size_t i = 0; i < wanted.size(); ++i)
                if (mask[i].GetInt() == 1) expected.push_back(wanted[i].GetInt());
            CHECK(*ids == expected);
            const auto placeholder =
                tokenizer->encode(placeholder_of(moves ? MediaKind::video : MediaKind::image));
            REQUIRE(placeholder);
            for (std::size_t i = 0; i < wanted.size(); ++i)
                CHECK((types[i].GetInt() != 0) == (wanted[i].GetInt() == placeholder->front()));
            ++row;
            ++rows;
        }
    }
    CHECK(rows == 5);
}

}  // namespace
}  // namespace carat

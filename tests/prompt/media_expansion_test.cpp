#include "carat/prompt/media_expansion.hpp"

#include "carat/text/read_file.hpp"
#include "carat/text/tokenizer.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace carat {
namespace {

PromptText control(std::string_view text) {
    PromptText p;
    p.control(text);
    return p;
}

TEST_CASE("each kind's placeholders get its media in order") {
    const std::vector<MediaText> media = {
        {MediaKind::image, "[i0]"}, audio_text(2), {MediaKind::image, "[i1]"}, audio_text(0)};
    const auto p = expand_media(control("a<|audio|><|image|>b<|turn>c<|image|>d<|audio|>"), media);
    REQUIRE(p);
    CHECK(p->text == "a<|audio><|audio|><|audio|><audio|>[i0]b<|turn>c[i1]d<|audio><audio|>");
    CHECK(p->user_text.empty());
}

TEST_CASE("what a user spelled stays text, and the ranges move along") {
    PromptText p;
    p.control("<|audio|>");
    p.user("the <|audio|> sign");
    p.control("<|image|>!");
    p.user("end");
    const auto out =
        expand_media(p, std::vector<MediaText>{{MediaKind::image, "I"}, audio_text(1)});
    REQUIRE(out);
    CHECK(out->text == "<|audio><|audio|><audio|>the <|audio|> signI!end");
    REQUIRE(out->user_text.size() == 2);
    const auto user = [&](std::size_t i) {
        const TextRange r = out->user_text[i];
        return out->text.substr(r.begin, r.end - r.begin);
    };
    CHECK(user(0) == "the <|audio|> sign");
    CHECK(user(1) == "end");
}

TEST_CASE("counts that do not agree are one line") {
    CHECK(expand_media(control("<|audio|><|audio|>"), std::vector{audio_text(1)}).error().text ==
          "the prompt has 2 <|audio|>, but there is 1 of that kind");
    CHECK(expand_media(control("hello"), std::vector{audio_text(1)}).error().text ==
          "the prompt has 0 <|audio|>, but there is 1 of that kind");
    CHECK(expand_media(control("<|video|>"), {}).error().text ==
          "the prompt has 1 <|video|>, but there are 0 of that kind");
}

TEST_CASE("expanded prompts have the reference's ids") {
    const std::string hf = CARAT_SOURCE_DIR "/tests/fixtures/hf/";
    const auto tokenizer = Tokenizer::open(hf + "tokenizer");
    REQUIRE(tokenizer);
    const auto map = read_file(hf + "processor/text_expansion.json");
    REQUIRE(map);
    const auto cases = parse_json(*map, "text_expansion.json");
    REQUIRE(cases);
    std::size_t checked = 0;
    for (const JsonValue& c : json::elements(*cases)) {
        const auto name = json::string(json::find(c, "name")).value();
        std::vector<std::size_t> tokens;
        std::vector<std::int32_t> expected;
        for (const JsonValue& row : json::elements(json::find(c, "mm_token_type_ids"))) {
            std::size_t run = 0;
            for (const JsonValue& v : json::elements(row)) {
                if (json::integer(v) == 3) {
                    ++run;
                } else if (run > 0) {
                    tokens.push_back(run);
                    run = 0;
                }
            }
        }
        if (!name.starts_with("audio")) continue;
        CAPTURE(std::string(name));
        std::vector<MediaText> media;
        for (const std::size_t n : tokens) media.push_back(audio_text(n));
        std::size_t used = 0, row = 0;
        for (const JsonValue& text : json::elements(json::find(c, "text"))) {
            const auto plain = control(std::string("<bos>").append(*json::string(text)));
            std::size_t clips = 0;
            for (std::size_t at = plain.text.find("<|audio|>"); at != std::string::npos;
                 at = plain.text.find("<|audio|>", at + 1))
                ++clips;
            REQUIRE(used + clips <= media.size());
            const auto p = expand_media(plain, std::span(media).subspan(used, clips));
            REQUIRE(p);
            used += clips;
            const auto ids = tokenizer->encode(p->text);
            REQUIRE(ids);
            expected.clear();
            const auto wanted = json::elements(json::find(c, "input_ids"))[row].GetArray();
            const auto mask = json::elements(json::find(c, "attention_mask"))[row].GetArray();
            for (rapidjson::SizeType i = 0; i < wanted.Size(); ++i)
                if (mask[i].GetInt() == 1) expected.push_back(wanted[i].GetInt());
            CHECK(*ids == expected);
            ++row;
            ++checked;
        }
    }
    CHECK(checked >= 4);
}

}  // namespace
}  // namespace carat

#include "carat/prompt/media_parts.hpp"

#include <doctest/doctest.h>

using namespace carat;

TEST_CASE("media are found in the order of the conversation, wherever their source is written") {
    const auto m = parse_json(
        R"([{"role":"user","content":[{"type":"text","text":"x"},{"type":"image","path":"a"},
        {"type":"image_url","image_url":{"url":"b"}},{"type":"audio","audio":"c"}]},{"role":"user","content":"<|image|>"},
        {"role":"tool","content":[{"type":"video","url":"d","fps":2},{"type":"input_audio"},{"type":"other"}]}])",
        "m");
    REQUIRE(m);
    const auto found = media_parts(*m);
    REQUIRE(found.size() == 5);
    CHECK(found[0].kind == MediaKind::image);
    CHECK(found[0].source == "a");
    CHECK(found[0].where == "messages[0].content[1]");
    CHECK(found[1].source == "b");
    CHECK(found[2].kind == MediaKind::audio);
    CHECK(found[2].source == "c");
    CHECK(found[3].kind == MediaKind::video);
    CHECK(found[3].source == "d");
    CHECK(json::integer(json::find(found[3].part, "fps")) == 2);
    CHECK(found[4].source.empty());
    CHECK(found[4].where == "messages[2].content[1]");
    CHECK(media_parts(*parse_json("{}", "m")).empty());
}

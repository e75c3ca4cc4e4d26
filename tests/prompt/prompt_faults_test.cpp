// The system refuses memory while prompts are made and replies are read: an error, and what was
// there before stays.
#include "carat/base/printable.hpp"
#include "carat/format/json_writer.hpp"
#include "carat/prompt/call_syntax.hpp"
#include "carat/prompt/chat_encode.hpp"
#include "carat/prompt/chat_variant.hpp"
#include "carat/prompt/conversation.hpp"
#include "carat/prompt/media_expansion.hpp"
#include "carat/text/read_file.hpp"
#include "carat/text/sentencepiece_proto.hpp"
#include "carat/text/tokenizer_config.hpp"
#include "carat/text/tokenizer_json.hpp"
#include "support/faults.hpp"
#include "text/fixture.hpp"

#include <doctest/doctest.h>

#include <string>

#if defined(__cpp_exceptions)
using namespace carat;
using test::fail_until_good;

namespace {

const std::string long_name(100, 'n');  // longer than what a string holds without memory

std::string json_of(const Conversation& talk) {
    JsonWriter w;
    return std::string(w.value(talk.json()).text());
}

}  // namespace

TEST_CASE("whichever allocation fails in a function of text, it is an error") {
    const std::string pocket = source_path("examples/pocket");
    const auto tokenizer_text = read_file(path_in(pocket, "tokenizer.json"));
    REQUIRE(tokenizer_text);
    auto v = read_tokenizer_json(*tokenizer_text, "tokenizer.json");
    REQUIRE(v);
    const std::string model = write_sentencepiece_proto(*v);
    const std::string config = R"({"added_tokens_decoder":{"0":{"content":")" + v->pieces[0] +
                               R"(","special":true}},"x_token":")" + long_name + R"("})";
    const auto talk = Conversation::from_json(
        R"({"messages":[{"role":"user","content":[{"type":"image"},{"type":"text","text":")" +
            long_name + R"("}]},{"role":"assistant","tool_calls":[{"id":"1","function":{"name":"f",
            "arguments":{"a":{"b":[1.5,"c"]}}}}]},{"role":"tool","tool_call_id":"1",
            "content":"r"}]})",
        "x.json");
    REQUIRE(talk);
    const auto prompt = render_chat(talk->messages(), nullptr, {});
    REQUIRE(prompt);
    const std::string file = path_in(pocket, "config.json");
    const std::string call = "call:f{a:{b:[1,<|\"|>" + long_name + "<|\"|>]}}";
    const MediaText image = image_text(50);
    const auto ids = pocket_tokenizer().encode(long_name);
    REQUIRE(ids);

    CHECK(fail_until_good([&] { return read_file(file); }) > 1);
    CHECK(fail_until_good([&] { return chat_variant(pocket); }) > 1);
    CHECK(fail_until_good([&] { return read_tokenizer_json(*tokenizer_text, "x"); }) > 10);
    CHECK(fail_until_good([&] { return read_sentencepiece_proto(model, "x"); }) > 10);
    CHECK(fail_until_good([&] { return check_vocabulary(*v, "x"); }) > 10);
    CHECK(fail_until_good([&] { return apply_tokenizer_config(*v, config, "x"); }) > 10);
    CHECK(fail_until_good([&] { return parse_call(call); }) > 3);
    CHECK(fail_until_good([&] { return render_chat(talk->messages(), nullptr, {}); }) > 5);
    CHECK(fail_until_good([&] { return expand_media(*prompt, {&image, 1}); }) > 1);
    CHECK(fail_until_good([&] { return pocket_tokenizer().decode(*ids); }) > 1);
}

TEST_CASE("whichever allocation fails while a conversation grows, it can go on") {
    // Its message comes from a file, so that another member means more room for all of them.
    auto talk = Conversation::from_json(
        R"({"messages":[{"role":"assistant","content":null,"tool_calls":[]}]})", "x.json");
    REQUIRE(talk);
    const auto value = parse_json(R"({"a":[")" + long_name + R"("]})", "x");
    REQUIRE(value);
    std::string before = json_of(*talk);
    const auto same = [&](auto result) {
        allocations_left = never;                                         // the test's own
        if (!result) CHECK(json_of(*talk).size() <= before.size() + 21);  // an empty list at most
        return result;
    };
    CHECK(fail_until_good([&] { return same(talk->tool_result(long_name, *value)); }) > 1);
    before = json_of(*talk);
    CHECK(fail_until_good([&] { return same(talk->tool_result(long_name, long_name)); }) > 0);
    CHECK(json_of(*talk).find("\"tool_responses\":[{\"name\":\"" + long_name) != std::string::npos);
    before = json_of(*talk);
    CHECK(fail_until_good([&] {
              auto result = talk->set_tools(R"([{"function":{"name":"f"}}])");
              allocations_left = never;
              if (!result) CHECK(json_of(*talk) == before);
              return result;
          }) > 1);
    const Reply reply = parse_reply(long_name + "<|tool_call>call:f{x:1}<tool_call|>");
    before = json_of(*talk);
    CHECK(fail_until_good([&] {
              auto said = memory_errors(
                  "x", [&]() -> Result<void> { return talk->assistant(reply), Result<void>(); });
              allocations_left = never;
              if (!said) CHECK(json_of(*talk) == before);  // not the text without its call
              return said;
          }) > 0);
    CHECK(talk->messages().Size() == 3);
    const std::string text = json_of(*talk);
    CHECK(fail_until_good([&] { return Conversation::from_json(text, "x.json"); }) > 3);
}

#if defined(__unix__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && \
    !defined(CARAT_EMULATED)
TEST_CASE("a text that there is no memory to encode is an error, before sentencepiece has it") {
    const std::string text(std::size_t{1} << 20, ' ');
    REQUIRE(pocket_tokenizer().encode("x"));
    CHECK(test::in_child([&] {
              if (!test::spare_address_space(std::size_t{64} << 20)) return 2;
              const auto ids = pocket_tokenizer().encode(text);
              if (ids) return 3;
              return ids.error().text == "the text's ids: out of memory" ? 0 : 4;
          }) == 0);
}
#endif
#endif

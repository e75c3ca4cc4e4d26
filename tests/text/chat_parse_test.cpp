#include "carat/text/chat_parse.hpp"

#include "carat/json_writer.hpp"
#include "fixture.hpp"

#include <doctest/doctest.h>

#include <random>
#include <string>

using namespace carat;

namespace {

void check_same(const Reply& reply, const JsonValue& expected) {
    CHECK(reply.thinking == text_of(expected, "thinking"));
    CHECK(reply.content == text_of(expected, "content"));
    const auto calls = json::elements(json::find(expected, "tool_calls"));
    REQUIRE(reply.tool_calls.size() == calls.size());
    for (std::size_t i = 0; i < calls.size(); ++i) {
        CHECK(reply.tool_calls[i].name == text_of(calls[i], "name"));
        JsonWriter a, b;  // as text, so that 1 and 1.0 differ
        CHECK(a.value(reply.tool_calls[i].arguments).text() ==
              b.value(*json::find(calls[i], "arguments")).text());
    }
    const auto malformed = json::elements(json::find(expected, "malformed_calls"));
    REQUIRE(reply.malformed_calls.size() == malformed.size());
    for (std::size_t i = 0; i < malformed.size(); ++i)
        CHECK(reply.malformed_calls[i] == json::string(malformed[i]));
}

}  // namespace

TEST_CASE("every recorded output means what it should, whole or cut anywhere") {
    const Json cases = json_file("tests/fixtures/chat/parse_cases.json");
    REQUIRE(cases.Size() == 32);
    std::mt19937 random(1);
    for (const auto& c : json::elements(cases)) {
        const std::string text = text_of(c, "text");
        const bool in_thought = json::boolean(json::find(c, "starts_in_thought")) == true;
        CAPTURE(text_of(c, "name"));
        check_same(parse_reply(text, in_thought), *json::find(c, "expected"));
        for (int i = 0; i < 20; ++i) {
            ReplyParser parser(in_thought);
            for (std::size_t at = 0; at < text.size();) {
                const std::size_t n = i == 0 ? 1 : random() % 9;
                parser.push(std::string_view(text).substr(at, n));
                at += n;
            }
            check_same(parser.finish(), *json::find(c, "expected"));
        }
    }
}

TEST_CASE("inside of a thought or a call other tokens are text, stop tokens are not") {
    Reply r = parse_reply("<|channel>thought\na<|tool_call>b<|channel>c<tool_call|><channel|>d");
    CHECK(r.thinking == "a<|tool_call>b<|channel>c<tool_call|>");
    CHECK(r.content == "d");
    r = parse_reply("<|tool_call>call:f{a:<|\"|><|channel><channel|><|\"|>}<tool_call|>x<turn|>y");
    REQUIRE(r.tool_calls.size() == 1);
    CHECK(json::string(json::find(r.tool_calls[0].arguments, "a")) == "<|channel><channel|>");
    CHECK(r.content == "x");
    r = parse_reply("<|channel>thought\na<turn|>b<channel|>");
    CHECK(r.thinking == "a");
    CHECK(r.content.empty());
    CHECK(parse_reply("a < b <| c <tur").content == "a < b <| c <tur");
    CHECK(parse_reply("thought\nx", true).thinking == "thought\nx");
}

TEST_CASE("any bytes have a meaning") {
    const std::string parts[] = {"<|channel>",
                                 "<channel|>",
                                 "<|tool_call>",
                                 "<tool_call|>",
                                 "call:f{",
                                 "a:",
                                 "<|\"|>",
                                 "\"",
                                 "[",
                                 "]",
                                 "{",
                                 "}",
                                 ",",
                                 "\\u12",
                                 "\xFF",
                                 "thought\n",
                                 "<",
                                 "1e9",
                                 "-",
                                 "<|tool_resp"};
    std::mt19937 random(9);
    for (int i = 0; i < 20000; ++i) {
        std::string text;
        for (std::size_t k = random() % 20; k > 0; --k) text += parts[random() % std::size(parts)];
        const Reply whole = parse_reply(text);
        ReplyParser parser;
        for (const char c : text) parser.push(std::string_view(&c, 1));
        const Reply pieces = parser.finish();
        CHECK(whole.content == pieces.content);
        CHECK(whole.thinking == pieces.thinking);
        CHECK(whole.tool_calls.size() == pieces.tool_calls.size());
        CHECK(whole.malformed_calls == pieces.malformed_calls);
    }
}

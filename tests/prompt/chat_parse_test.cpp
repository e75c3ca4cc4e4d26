#include "carat/prompt/chat_parse.hpp"

#include "carat/format/json_writer.hpp"
#include "text/fixture.hpp"

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
        CHECK(reply.malformed_calls[i].text == json::string(malformed[i]));
}

/// The events as one text, in which it does not show how thoughts, text and arguments were cut.
class Transcript {
  public:
    void operator()(const ReplyEvent& e) {
        using Type = ReplyEvent::Type;
        const bool goes_on = any_ && e.type == last_;
        const bool joins =
            e.type == Type::thinking || e.type == Type::text || e.type == Type::call_argument;
        if (joins) CHECK_FALSE(e.text.empty());
        if (!(goes_on && joins)) text_ += "\n#" + std::to_string(static_cast<int>(e.type)) + " ";
        text_ += e.text;
        if (e.call != nullptr) {
            JsonWriter w;
            text_ += "=" + e.call->name + std::string(w.value(e.call->arguments).text());
        }
        if (!e.reason.empty()) text_ += " because " + std::string(e.reason);
        if (e.type == Type::thinking) thinking += e.text;
        if (e.type == Type::text) content += e.text;
        last_ = e.type;
        any_ = true;
    }
    [[nodiscard]] const std::string& text() const { return text_; }
    std::string thinking, content;

  private:
    std::string text_;
    ReplyEvent::Type last_ = ReplyEvent::Type::text;
    bool any_ = false;
};

/// What a text means, by the letter of the specification and all at once.
Reply plainly(std::string_view text, bool in_thought) {
    for (const std::string_view stop : {"<turn|>", "<eos>", "<|tool_response>"})
        text = text.substr(0, text.find(stop));
    Reply reply;
    std::string content;
    bool named = false;
    const auto until = [&](std::string_view end) {
        const std::size_t at = std::min(text.find(end), text.size());
        const std::string_view body = text.substr(0, at);
        text.remove_prefix(std::min(at + end.size(), text.size()));
        return body;
    };
    const auto thought = [&] {
        std::string_view body = until("<channel|>");
        if (named && (body == "thought" || body.starts_with("thought\n"))) body.remove_prefix(7);
        body = unicode::trim(body);
        if (body.empty()) return;
        if (!reply.thinking.empty()) reply.thinking += '\n';
        reply.thinking += body;
    };
    if (in_thought) thought();
    named = true;
    while (!text.empty()) {
        if (text.starts_with("<|channel>")) {
            text.remove_prefix(10);
            thought();
        } else if (text.starts_with("<|tool_call>")) {
            text.remove_prefix(12);
            const std::string body(until("<tool_call|>"));
            if (auto call = parse_call(body)) {
                reply.tool_calls.push_back(*std::move(call));
            } else {
                reply.malformed_calls.push_back({body, call.error().text});
            }
        } else if (text.starts_with("<channel|>") || text.starts_with("<tool_call|>")) {
            text.remove_prefix(text.find('>') + 1);
        } else {
            content += text.front();
            text.remove_prefix(1);
        }
    }
    reply.content = unicode::trim(content);
    return reply;
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

TEST_CASE("any bytes have a meaning, which no cut changes") {
    const std::string parts[] = {"<|channel>",
                                 "<channel|>",
                                 "<|tool_call>",
                                 "<tool_call|>",
                                 "call:f{",
                                 "call:",
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
                                 "thought",
                                 " ",
                                 "\n ",
                                 "x",
                                 "\xE2\x80\x80",
                                 "\xE2\x80",
                                 "\xC2",
                                 "\xA0",
                                 "<",
                                 "1e9",
                                 "-",
                                 "<turn|>",
                                 "<|tool_resp"};
    std::mt19937 random(9);
    for (int i = 0; i < 20000; ++i) {
        std::string text;
        for (std::size_t k = random() % 20; k > 0; --k) text += parts[random() % std::size(parts)];
        const bool in_thought = i % 4 == 0;
        CAPTURE(text);
        Transcript whole;
        ReplyParser at_once(in_thought);
        at_once.push(text, whole);
        const Reply reply = at_once.finish(whole);
        const Reply plain = plainly(text, in_thought);
        CHECK(reply.content == plain.content);
        CHECK(reply.thinking == plain.thinking);
        CHECK(reply.tool_calls.size() == plain.tool_calls.size());
        CHECK(reply.malformed_calls == plain.malformed_calls);
        CHECK(whole.content == reply.content);
        CHECK(whole.thinking == reply.thinking);

        Transcript pieces;
        ReplyParser parser(in_thought);
        for (std::size_t at = 0; at < text.size();) {
            const std::size_t n = i % 2 == 0 ? 1 : random() % 9;
            parser.push(std::string_view(text).substr(at, n), pieces);
            at += n;
        }
        CHECK(parser.finish(pieces).content == reply.content);
        CHECK(pieces.text() == whole.text());
    }
}

TEST_CASE("a token says whether it is a control token: ordinary ones that spell one are text") {
    const auto ignore = [](const ReplyEvent&) {};
    ReplyParser parser;
    for (const char* piece : {"{\"a\":\"", "<", "turn|>", "<|channel>", "\"}"})
        parser.push_token(piece, "", ignore);
    parser.push_token("<turn|>", "<turn|>", ignore);
    parser.push_token("more", "", ignore);
    CHECK(parser.state() == ReplyParser::State::stopped);
    CHECK(parser.finish().content == "{\"a\":\"<turn|><|channel>\"}");

    // What was held back for a character's sake comes with the token behind it.
    ReplyParser thinks;
    thinks.push_token("<|channel>", "<|channel>", ignore);
    thinks.push_token("thought\n<channel|>", "", ignore);
    thinks.push_token("\xE2\x80\xA6<channel|>", "<channel|>", ignore);
    thinks.push_token("b", "", ignore);
    const Reply reply = thinks.finish();
    CHECK(reply.thinking == "<channel|>\xE2\x80\xA6");
    CHECK(reply.content == "b");

    // Without such spellings, tokens and text say the same.
    const std::string ordinary[] = {"a",   " ", "\n",       "thought\n", "call:f{",
                                    "x:1", "}", "\xC3\xA9", "{"};
    const std::string_view controls[] = {"<|channel>",   "<channel|>", "<|tool_call>",
                                         "<tool_call|>", "<turn|>",    "<|\"|>"};
    std::mt19937 random(21);
    for (int i = 0; i < 5000; ++i) {
        ReplyParser by_token, by_text;
        Transcript token_events, text_events;
        std::string text;
        for (std::size_t k = random() % 16; k > 0; --k) {
            const bool is_control = random() % 3 == 0;
            const std::string_view control =
                is_control ? controls[random() % std::size(controls)] : std::string_view{};
            const std::string part =
                is_control ? std::string(control) : ordinary[random() % std::size(ordinary)];
            by_token.push_token(part, control, token_events);
            text += part;
        }
        CAPTURE(text);
        by_text.push(text, text_events);
        const Reply a = by_token.finish(token_events), b = by_text.finish(text_events);
        CHECK(a.content == b.content);
        CHECK(a.thinking == b.thinking);
        CHECK(a.malformed_calls == b.malformed_calls);
        CHECK(a.tool_calls.size() == b.tool_calls.size());
        CHECK(token_events.text() == text_events.text());
    }
}

TEST_CASE("events come as soon as they are certain") {
    Transcript told;
    ReplyParser parser;
    const auto push = [&](std::string_view text) {
        const std::size_t before = told.text().size();
        parser.push(text, told);
        return told.text().substr(before);
    };
    CHECK(push("<|channel>thou") == "");
    CHECK(push("ght\nHm") == "\n#0 Hm");
    CHECK(push(", yes. <chan") == ", yes.");
    CHECK(push("nel|> It") == "\n#1 It");
    CHECK(push(" is <") == " is");
    CHECK(push("|tool_call>call:f") == "");
    CHECK(push("{a:1") == "\n#2 f\n#3 {a:1");
    CHECK(push("}<tool_call|>") == "}\n#4 call:f{a:1}=f{\"a\":1}");
    CHECK(push("<|tool_call>call:g{b:<tool_call|>") ==
          "\n#2 g\n#3 {b:\n#5 call:g{b: because cut off in a value");
    CHECK(push("<|tool_response>") == "\n#6 <|tool_response>");
    CHECK(push("more") == "");
    const Reply reply = parser.finish(told);
    CHECK(reply.thinking == "Hm, yes.");
    CHECK(reply.content == "It is");
}

TEST_CASE("a model that writes nothing but white space, or no name, costs no squares") {
    std::string heard;
    const auto hear = [&](const ReplyEvent& e) { heard += e.text; };
    constexpr int many = 200'000;
    ReplyParser parser;
    parser.push_text(" a", hear);
    for (int i = 0; i < many; ++i) parser.push_text(i % 2 == 0 ? "\n\n\xE2\x80" : "\x83  \t", hear);
    CHECK(heard == "a");
    parser.push_text("b", hear);
    CHECK(heard.size() == 2 + many / 2 * 8);
    for (int i = 0; i < many; ++i) parser.push_text("\n\n\n\n", hear);
    parser.push("<|tool_call>", hear);
    heard.clear();
    for (int i = 0; i < many; ++i) parser.push_text("        ", hear);
    parser.push_text("call:", hear);
    for (int i = 0; i < many; ++i) parser.push_text("        ", hear);
    parser.push_text("{", hear);
    for (int i = 0; i < many; ++i) parser.push_text("        ", hear);
    CHECK(heard.empty());
    parser.push("<tool_call|><|tool_call>call:f{", hear);
    parser.push("}<tool_call|>", hear);
    const Reply reply = parser.finish();
    CHECK(reply.content.size() == 2 + many / 2 * 8);
    REQUIRE(reply.malformed_calls.size() == 1);
    CHECK(reply.malformed_calls[0].reason == "the function has no name");
    REQUIRE(reply.tool_calls.size() == 1);
    CHECK(reply.tool_calls[0].name == "f");
}

#include "carat/constrain/answer_shape.hpp"

#include "carat/prompt/call_syntax.hpp"
#include "carat/prompt/chat_parse.hpp"
#include "constrain/play.hpp"
#include "constrain/validator.hpp"

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <utility>
#include <vector>

using namespace carat;
using namespace carat::test;

TEST_CASE("a choice is one of those given, also at the limit") {
    Constraint c = good(AnswerShape::choices({"yes", "no", "not at all", "nothing", "München"}));
    std::mt19937 random(1);
    for (int i = 0; i < 100; ++i) {
        const std::size_t limit = 4 + random() % 10;
        if (!c.begin(limit)) continue;
        const std::string text = play(c, random, limit).text;
        CHECK_MESSAGE((text == "yes" || text == "no" || text == "not at all" || text == "nothing" ||
                       text == "München"),
                      text);
    }
    CHECK_FALSE(shaped(AnswerShape::choices({})));
    CHECK_FALSE(shaped(AnswerShape::choices({""})));
    CHECK_FALSE(shaped(AnswerShape::choices({"\xff"})));
    const auto empty = shaped(AnswerShape::choices({"a", "b", ""}));
    REQUIRE_FALSE(empty);
    CHECK(empty.error().text == "choices[2] is empty, expected a text");
    const auto huge = shaped(AnswerShape::choices({std::string(1000000, 'y')}));
    REQUIRE_FALSE(huge);
    CHECK(huge.error().text == "choices: it needs more than 200000 states, which is too large");
}

TEST_CASE("an answer is what an expression describes") {
    Constraint c = good(AnswerShape::regex("(\\d{3}-)*é?\\d{2}"));
    std::mt19937 random(2);
    for (int i = 0; i < 100; ++i) {
        const std::size_t limit = 4 + random() % 30;
        REQUIRE(c.begin(limit));
        std::string text = play(c, random, limit).text;
        CAPTURE(text);
        while (text.size() > 5) {
            CHECK(text[3] == '-');
            text.erase(0, 4);
        }
        CHECK((text.size() == 2 || text.starts_with("é")));
    }
    CHECK_FALSE(shaped(AnswerShape::regex("(")));
}

TEST_CASE("calls are of declared tools with right arguments, in the middle of any text") {
    const auto tools = *parse_json(R"([
      {"type":"function","function":{"name":"get_weather","parameters":{"type":"object",
       "properties":{"unit":{"type":"string","enum":["celsius","fahrenheit"]},
                     "city":{"type":"string"},"days":{"type":"integer","minimum":1,"maximum":14},
                     "at":{"type":"object","properties":{"lat":{"type":"number"},
                           "odd key: {":{"type":"boolean"}},"required":["odd key: {"]}},
       "required":["city"]}}},
      {"type":"function","function":{"name":"get","parameters":{"type":"object","properties":{
       "list":{"type":"array","items":{"type":"string","maxLength":5},"maxItems":3}},
       "additionalProperties":{"type":"integer"}}}},
      {"type":"function","function":{"name":"stop","description":"no arguments"}}])",
                                   "tools");
    Constraint c = good(AnswerShape::calls(), &tools);
    std::mt19937 random(3);
    int calls = 0;
    for (int i = 0; i < 300; ++i) {
        const std::size_t limit = 1 + random() % 120;
        REQUIRE(c.begin(limit));
        Played played;
        // Into a call at once, or chance would hardly get there.
        if (const auto open = *pocket_tokenizer().id_of("<|tool_call>");
            c.allowed(limit).allows(static_cast<std::size_t>(open))) {
            c.accept(open);
            played = play(c, random, limit - 1, closing_tokens());
            played.text = "<|tool_call>" + played.text;
        } else {
            played = play(c, random, limit, closing_tokens());
        }
        CAPTURE(played.text);
        const Reply reply = parse_reply(played.text);
        CHECK(reply.malformed_calls.empty());
        for (const ToolCall& call : reply.tool_calls) {
            ++calls;
            bool known = false;
            for (const JsonValue& tool : json::elements(tools)) {
                const JsonValue* function = json::find(tool, "function");
                if (json::string(json::find(function, "name")) != call.name) continue;
                known = true;
                if (const JsonValue* parameters = json::find(function, "parameters"))
                    CHECK(Validator(*parameters).accepts(call.arguments));
            }
            CHECK(known);
        }
    }
    CHECK(calls > 200);
    const auto bad = *parse_json(R"([{"function":{"name":"f","parameters":{"type":"object",
        "properties":{"x":{"type":"number","multipleOf":2}}}}}])",
                                 "tools");
    const auto refused = shaped(AnswerShape::calls(), &bad);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().text ==
          "tools[0] (f): #/properties/x/multipleOf: this keyword is not supported");
}

TEST_CASE("the name of a tool is shown as it may be printed") {
    for (const auto& [name, shown] :
         {std::pair{R"("\u001b[31m{")", "tools[0].function.name is \\x1b[31m{, expected a name"},
          {"1", "tools[0].function.name is an integer, expected a name"},
          {R"("f\u0007")", "tools[0] (f\\x07): #/x: this keyword is not supported"}}) {
        const auto tools = *parse_json(
            std::string(R"([{"function":{"name":)") + name + R"(,"parameters":{"x":1}}}])",
            "tools");
        const auto refused = shaped(AnswerShape::calls(), &tools);
        REQUIRE_FALSE(refused);
        CHECK_MESSAGE(refused.error().text.starts_with(shown), refused.error().text);
    }
}

TEST_CASE("a thought may come before the answer, or be open already") {
    Constraint c = good(AnswerShape::choices({"yes", "no"}));
    std::mt19937 random(4);
    for (const auto start : {OutputStart::may_think, OutputStart::in_thought}) {
        for (int i = 0; i < 50; ++i) {
            const std::size_t limit = 3 + random() % 20;
            REQUIRE(c.begin(limit, start));
            std::vector<std::int32_t> prefer;
            for (const char* piece : {"<|channel>", "<channel|>"})
                prefer.push_back(*pocket_tokenizer().id_of(piece));
            const Played played = play(c, random, limit, prefer);
            const Reply reply = parse_reply(played.text, start == OutputStart::in_thought);
            CHECK_MESSAGE((reply.content == "yes" || reply.content == "no"), played.text);
        }
    }
    REQUIRE(c.begin(10));
    CHECK_FALSE(
        c.allowed(10).allows(static_cast<std::size_t>(*pocket_tokenizer().id_of("<|channel>"))));
}

TEST_CASE("a mask allows exactly the tokens after which the output can go on") {
    Constraint c = good(AnswerShape::json(
        R"({"type":"object","properties":{"name":{"type":"string","maxLength":4},
            "tags":{"type":"array","items":{"enum":["a","ab",1]}}},"required":["name"]})"));
    std::mt19937 random(5);
    for (int round = 0; round < 6; ++round) {
        REQUIRE(c.begin(1000));
        std::vector<std::int32_t> said;
        for (int step = 0; step < 40; ++step) {
            const auto mask = c.allowed(1000);
            std::vector<std::int32_t> allowed;
            for (std::int32_t id = 0; id < pocket_tokenizer().vocab_size(); ++id)
                if (mask.allows(static_cast<std::size_t>(id))) allowed.push_back(id);
            if (step % 8 == 0) {  // one by one, by trying
                std::vector<std::int32_t> tried;
                for (std::int32_t id = 0; id < pocket_tokenizer().vocab_size(); ++id) {
                    if (pocket_trie()->bytes(id).empty() && !pocket_tokenizer().is_special(id))
                        continue;
                    // Of two tokens with the same bytes, the byte piece takes no part.
                    if (pocket_tokenizer().is_byte(id) &&
                        static_cast<unsigned char>(pocket_trie()->bytes(id)[0]) < 0x80 &&
                        pocket_tokenizer().id_of(pocket_trie()->bytes(id)))
                        continue;
                    if (pocket_tokenizer().is_byte(id) && pocket_trie()->bytes(id) == " ") continue;
                    Constraint copy(c);
                    REQUIRE(copy.begin(1000));
                    for (const std::int32_t s : said) copy.accept(s);
                    copy.accept(id);
                    if (copy.alive()) tried.push_back(id);
                }
                CHECK(tried == allowed);
            }
            if (allowed.empty()) break;
            said.push_back(allowed[random() % allowed.size()]);
            c.accept(said.back());
            if (c.complete() && pocket_tokenizer().is_special(said.back())) break;
        }
    }
}

#include "carat/prompt/conversation.hpp"

#include "carat/format/json_writer.hpp"
#include "carat/prompt/chat_encode.hpp"
#include "carat/prompt/chat_text.hpp"
#include "carat/prompt/chat_variant.hpp"
#include "carat/text/unicode.hpp"
#include "text/fixture.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <string>

using namespace carat;

TEST_CASE("a conversation built in C++ is the one a file would hold") {
    Conversation built;
    built.system("S").user({image_part("a.png"), text_part("What?")}).assistant("A").user("again");
    REQUIRE(built.set_tools(R"([{"type":"function","function":{"name":"f"}}])"));
    built.assistant(parse_reply(
        "<|channel>thought\nT\n<channel|><|tool_call>call:f{x:1}<tool_call|><|tool_response>"));
    const auto object = parse_json(R"({"b":[1.5]})", "x");
    REQUIRE(object);
    REQUIRE(built.tool_result("f", *object));
    REQUIRE(built.tool_result("f", "text"));
    const auto read = Conversation::from_json(
        R"({"tools":[{"type":"function","function":{"name":"f"}}],"messages":[
        {"role":"system","content":"S"},
        {"role":"user","content":[{"type":"image","path":"a.png"},{"type":"text","text":"What?"}]},
        {"role":"assistant","content":"A"},{"role":"user","content":"again"},
        {"role":"assistant","content":null,"reasoning":"T",
         "tool_calls":[{"type":"function","function":{"name":"f","arguments":{"x":1}}}],
         "tool_responses":[{"name":"f","response":{"b":[1.5]}},{"name":"f","response":"text"}]}]})",
        "m.json");
    REQUIRE_MESSAGE(read, read.error().text);
    CHECK(built.messages() == read->messages());
    CHECK(*built.tools() == *read->tools());
    const auto prompt = render_chat(built.messages(), built.tools(), {.enable_thinking = true});
    REQUIRE(prompt);
    CHECK(starts_in_thought(prompt->text));
    CHECK(prompt->text.find("<tool_call|><|tool_response>response:f{b:[1.5]}<tool_response|>") !=
          std::string::npos);
}

TEST_CASE("after text and calls in one answer the turn stays open, and begins as it was said") {
    for (const bool thinking : {false, true}) {
        CAPTURE(thinking);
        const ChatOptions options{.enable_thinking = thinking};
        const auto prompt = [&](const Conversation& talk) {
            const auto made = render_chat(talk.messages(), talk.tools(), options);
            REQUIRE_MESSAGE(made, made.error().text);
            return made->text;
        };
        Conversation talk;
        talk.system("S").user("Weather?");
        const std::string given = prompt(talk);
        const std::string said =
            std::string(thinking ? "<|channel>thought\nLook it up.\n<channel|>" : "") +
            "I'll check.<|tool_call>call:f{x:1}<tool_call|><|tool_call>call:g{}<tool_call|>"
            "<|tool_response>";
        talk.assistant(parse_reply(said));
        CHECK(prompt(talk) == given + said);
        CHECK(talk.messages().Size() == 4);
        REQUIRE(talk.tool_result("f", "18C"));
        REQUIRE(talk.tool_result("g", "3C"));
        const std::string next = given + said +
                                 "response:f{value:<|\"|>18C<|\"|>}<tool_response|>"
                                 "<|tool_response>response:g{value:<|\"|>3C<|\"|>}<tool_response|>";
        CHECK(prompt(talk) == next + (thinking ? "<|channel>thought\n" : ""));
        talk.assistant(parse_reply("It is 18C.<turn|>"));
        CHECK(prompt(talk.copy().user("Thanks")).find("<tool_response|>It is 18C.<turn|>\n") !=
              std::string::npos);
        talk.user("Thanks");
        CHECK(talk.undo() == "Thanks");
        CHECK(talk.messages().Size() == 5);
        CHECK(talk.undo() == "Weather?");  // with all that followed
        CHECK(talk.messages().Size() == 1);
    }
}

TEST_CASE("what is no conversation is an error") {
    for (const std::string text : {"", "[]", "{}", R"({"messages":{}})"}) {
        const auto c = Conversation::from_json(text, "m.json");
        REQUIRE_FALSE(c);
        CHECK(c.error().text.find("m.json: ") == 0);
    }
    Conversation c;
    CHECK_FALSE(c.tool_result("f", "x"));
    c.user("q");
    CHECK_FALSE(c.tool_result("f", "x"));
    CHECK_FALSE(c.set_tools("{}"));
    CHECK_FALSE(c.set_tools("["));
    CHECK(c.tools() == nullptr);
}

TEST_CASE("the last question is taken back, or said differently with its media") {
    const auto json = [](const Conversation& c) {
        JsonWriter w;
        return std::string(w.value(c.messages()).text());
    };
    Conversation c;
    CHECK_FALSE(c.undo());
    c.user({text_part("See"), image_part("a.png"), text_part("this."), audio_part("b.wav")});
    c.assistant("I see.");
    Conversation other = c.copy();
    c.edit("Look");
    CHECK(json(c) == R"([{"role":"user","content":[{"type":"text","text":"Look"},)"
                     R"({"type":"image","path":"a.png"},{"type":"audio","path":"b.wav"}]}])");
    CHECK(c.undo() == "Look");
    CHECK(other.undo() == "See this.");
    CHECK(c.messages().Empty());
    CHECK(other.messages().Empty());
    c.edit("Hello");
    c.assistant("Hi").edit("Bye");
    CHECK(json(c) == R"([{"role":"user","content":"Bye"}])");
    c.user({image_part("a.png")}).edit("What?");
    CHECK(json(c) == R"([{"role":"user","content":"Bye"},{"role":"user","content":[)"
                     R"({"type":"image","path":"a.png"},{"type":"text","text":"What?"}]}])");
    auto odd = Conversation::from_json(R"({"messages":[{"role":"user"},{"role":"user"}]})", "m");
    REQUIRE(odd);
    CHECK(odd->undo() == "");
    odd->edit("So");
    CHECK(json(*odd) == R"([{"role":"user","content":"So"}])");
    auto twice = Conversation::from_json(
        R"({"messages":[{"role":"user","content":"a","content":"b"}]})", "m");
    REQUIRE(twice);
    twice->edit("So");  // of one key the last counts, as everywhere
    CHECK(json(*twice) == R"([{"role":"user","content":"a","content":"So"}])");
    CHECK(twice->undo() == "So");
}

TEST_CASE("every prompt of pocket is reproduced, tools, thinking and media included") {
    const Json records = json_file("examples/pocket/expected.json");
    const auto variant = chat_variant(source_path("examples/pocket"));
    REQUIRE(variant);
    CHECK(*variant == ChatVariant::large);
    int prompts = 0;
    for (const auto& record : json::elements(records)) {
        CAPTURE(text_of(record, "id"));
        JsonWriter file;
        file.begin_object().key("messages").value(*json::find(record, "messages"));
        if (const auto* tools = json::find(record, "tools")) file.key("tools").value(*tools);
        auto talk = Conversation::from_json(file.end_object().text(), "record");
        REQUIRE(talk);
        ChatOptions options{.variant = *variant};
        options.enable_thinking = json::boolean(json::find(record, "enable_thinking")) == true;
        bool first = true;
        for (const auto& step : json::elements(json::find(record, "steps"))) {
            if (!first) {
                const JsonValue* call = json::find(record, "call");
                REQUIRE(call != nullptr);
                REQUIRE(talk->tool_result(text_of(*call, "name"), *json::find(record, "response")));
            }
            first = false;
            const auto prompt = render_chat(talk->messages(), talk->tools(), options);
            REQUIRE_MESSAGE(prompt, prompt.error().text);
            CHECK(prompt->text == text_of(step, "prompt"));
            if (json::elements(json::find(step, "soft_tokens")).empty()) {
                CHECK(*encode_prompt(pocket_tokenizer(), *prompt) == ids_of(step, "input_ids"));
                ++prompts;
            }
            const auto answer = pocket_tokenizer().decode(ids_of(step, "output_ids"));
            REQUIRE(answer);
            talk->assistant(parse_reply(*answer, starts_in_thought(prompt->text)));
        }
    }
    CHECK(prompts >= 20);
}

TEST_CASE("what a conversation accepts can be written and read again") {
    const auto json = [](const Conversation& c) {
        JsonWriter w;
        return std::string(w.value(c.json()).text());
    };
    const auto saved = [&](const Conversation& c) {  // a level more, as in a saved chat
        const auto file = parse_json("[" + json(c) + "]", "x");
        REQUIRE_MESSAGE(file, file.error().text);
        JsonWriter w;
        const auto again = Conversation::from_json(w.value((*file)[0]).text(), "x");
        REQUIRE_MESSAGE(again, again.error().text);
        CHECK(json(*again) == json(c));
    };
    const auto nested = [](std::size_t n) { return std::string(n, '[') + std::string(n, ']'); };

    Conversation c;
    c.system("\xFF").user(
        {text_part("a\xC3"), image_part("b\xED\xA0\x80.png"), video_part("v", HUGE_VAL)});
    c.edit("\x80 edited").assistant("d\xF0\x9F");
    Json value(rapidjson::kObjectType);
    value.AddMember("k\xFE", std::nan(""), value.GetAllocator());
    value.AddMember("l", "\xC0\xAF", value.GetAllocator());
    REQUIRE(c.tool_result("f\xFF", value));
    REQUIRE(c.tool_result("f", "\xFFg"));
    Json tools(rapidjson::kArrayType);
    tools.PushBack("\xFF", tools.GetAllocator());
    c.set_tools(tools);
    const std::string bad = "\xEF\xBF\xBD";
    CHECK(json(c).find("\"" + bad + "g\"") != std::string::npos);
    CHECK(json(c).find("{\"k" + bad + "\":null,\"l\":\"" + bad + bad + "\"}") != std::string::npos);
    CHECK(json(c).find("\"b" + bad + bad + bad + ".png\"") != std::string::npos);
    CHECK(unicode::is_valid(json(c)));
    saved(c);

    const auto call = parse_call("call:f{a:" + nested(max_call_depth - 1) + "}");
    REQUIRE(call);
    Conversation deep;
    Reply reply;
    reply.tool_calls.push_back({"f", {}});
    reply.tool_calls.back().arguments.CopyFrom(call->arguments,
                                               reply.tool_calls.back().arguments.GetAllocator());
    deep.assistant(reply);
    CHECK(json(deep).find(nested(max_call_depth - 1)) != std::string::npos);
    REQUIRE(deep.tool_result("f", *parse_json(nested(json::max_depth - 6), "x")));
    const auto refused = deep.tool_result("\n", *parse_json(nested(json::max_depth - 5), "x"));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().text == "a result of \\x0a is nested deeper than 250 levels");
    REQUIRE(deep.set_tools(nested(json::max_depth - 2)));
    CHECK_FALSE(deep.set_tools(nested(json::max_depth - 1)));
    saved(deep);
    const auto with = [&](std::size_t n) { return R"({"messages":[)" + nested(n) + "]}"; };
    const auto deepest = Conversation::from_json(with(json::max_depth - 3), "x");
    REQUIRE_MESSAGE(deepest, deepest.error().text);
    saved(*deepest);
    CHECK_FALSE(Conversation::from_json(with(json::max_depth - 2), "x"));

    Json tower(rapidjson::kArrayType);  // deeper than any stack
    for (int i = 0; i < 1'000'000; ++i) {
        JsonValue inside(rapidjson::kArrayType);
        inside.Swap(tower);
        tower.PushBack(inside, tower.GetAllocator());
    }
    CHECK_FALSE(deep.tool_result("f", tower));
    deep.set_tools(tower);
    CHECK(deep.tools() == nullptr);
    reply.tool_calls.back().arguments.Swap(tower);
    deep.assistant(reply);
    saved(deep);
}

TEST_CASE("of a messages file the messages and the tools are kept, each once") {
    auto c = Conversation::from_json(
        R"({"tools":[1],"messages":5,"tools":[2],"x":1,"messages":[]})", "m");
    REQUIRE(c);
    JsonWriter w;
    CHECK(w.value(c->json()).text() == R"({"messages":[],"tools":[2]})");
    c->set_tools(JsonValue());
    CHECK(c->tools() == nullptr);
}

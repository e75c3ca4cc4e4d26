#include "carat/prompt/chat_format.hpp"

#include "text/fixture.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace carat;

namespace {

ChatOptions options_of(const JsonValue& c) {
    const auto flag = [&](const char* key) { return json::boolean(json::find(c, key)) == true; };
    return {
        json::string(json::find(c, "variant")) == "large" ? ChatVariant::large : ChatVariant::small,
        flag("enable_thinking"), flag("preserve_thinking"), flag("add_generation_prompt")};
}

std::string error_of(const std::string& messages, const std::string& tools = "null") {
    const auto m = parse_json(messages, "m");
    const auto t = parse_json(tools, "t");
    REQUIRE(m);
    REQUIRE(t);
    const auto prompt = render_chat(*m, &*t, {});
    REQUIRE_FALSE(prompt);
    CHECK(prompt.error().code == Errc::bad_format);
    return prompt.error().text;
}

}  // namespace

TEST_CASE("every recorded conversation is rendered to the letter") {
    const Json cases = json_file("tests/fixtures/chat/cases.json");
    REQUIRE(cases.Size() == 64);
    for (const auto& c : json::elements(cases)) {
        CAPTURE(text_of(c, "name"));
        const auto prompt =
            render_chat(*json::find(c, "messages"), json::find(c, "tools"), options_of(c));
        REQUIRE_MESSAGE(prompt, prompt.error().text);
        CHECK(prompt->text == text_of(c, "expected_text"));
    }
}

TEST_CASE("every conversation that must be rejected is") {
    const Json cases = json_file("tests/fixtures/chat/error_cases.json");
    REQUIRE(cases.Size() == 4);
    for (const auto& c : json::elements(cases)) {
        CAPTURE(text_of(c, "name"));
        const auto prompt =
            render_chat(*json::find(c, "messages"), json::find(c, "tools"), options_of(c));
        REQUIRE_FALSE(prompt);
        CHECK(prompt.error().text.find("messages[") == 0);
    }
}

TEST_CASE("a system message that is neither text nor parts says nothing") {
    for (const char* content : {"null", "5", "true", R"({"a":1})"}) {
        CAPTURE(content);
        CHECK(error_of(R"([{"role":"system","content":)" + std::string(content) +
                       R"(},{"role":"user","content":5}])") ==
              "messages[1].content is an integer, expected a string or an array of parts");
    }
}

TEST_CASE("an error names the place and what was expected there") {
    CHECK(error_of("{}") == "messages is an object, expected an array");
    CHECK(error_of("[]", "5") == "tools is an integer, expected an array");
    CHECK(error_of("[5]") == "messages[0] is an integer, expected an object with a role");
    CHECK(error_of(R"([{"role":"user"},{"role":1}])") ==
          "messages[1].role is an integer, expected a string");
    CHECK(error_of(R"([{"role":"user","content":{"a":1}}])") ==
          "messages[0].content is an object, expected a string or an array of parts");
    CHECK(error_of(R"([{"role":"user","content":["x"]}])") ==
          "messages[0].content[0] is a string, expected a part with a type such as text or image");
    CHECK(error_of(R"([{"role":"user","content":[{"type":"text","text":5}]}])") ==
          "messages[0].content[0].text is an integer, expected a string");
    CHECK(error_of(R"([{"role":"assistant","tool_calls":[{"function":{}}]}])") ==
          "messages[0].tool_calls[0].function.name is missing, expected a string");
    CHECK(error_of(R"([{"role":"assistant","tool_calls":5}])") ==
          "messages[0].tool_calls is an integer, expected an array");
    CHECK(error_of(R"([{"role":"assistant","tool_responses":[{"name":"f"}]}])") ==
          "messages[0].tool_responses[0].response is missing, expected a value");
    CHECK(error_of(R"([{"role":"assistant","reasoning":["x"]}])") ==
          "messages[0].reasoning is an array, expected a string");
    const std::string call =
        R"([{"role":"assistant","tool_calls":[{"function":{"name":"f"}},{"id":)";
    CHECK(error_of(call + R"({"a":1},"function":{"name":"g"}}]},{"role":"tool"}])") ==
          "messages[0].tool_calls[1].id is an object, expected a string or an integer");
    CHECK(error_of(call + R"(1,"function":{"name":"g"}}]},{"role":"tool"},)"
                          R"({"role":"tool","tool_call_id":1.0}])") ==
          "messages[2].tool_call_id is a float, expected a string or an integer");
    CHECK(error_of("[]", R"([{"name":"f"}])") ==
          "tools[0].function is missing, expected an object with the function's name");
    CHECK(error_of("[]", R"([{"function":{"name":5}}])") ==
          "tools[0].function.name is an integer, expected a string");
}

TEST_CASE("what came from outside is marked as user text, and nothing else is") {
    const auto m = parse_json(
        R"([{"role":"system","content":"S"},{"role":"user","content":[{"type":"image"},{"type":"text","text":" <|turn> "}]},
            {"role":"assistant","reasoning":"R","tool_calls":[{"id":"1","function":{"name":"N","arguments":{"K":"V"}}}]},
            {"role":"tool","tool_call_id":"1","content":"<|image|>"}])",
        "m");
    REQUIRE(m);
    const auto prompt = render_chat(*m, nullptr, {});
    REQUIRE(prompt);
    std::string user;
    std::string control;
    std::size_t at = 0;
    for (const TextRange& r : prompt->user_text) {
        control += prompt->text.substr(at, r.begin - at) + "_";
        user += prompt->text.substr(r.begin, r.end - r.begin) + " ";
        at = r.end;
    }
    control += prompt->text.substr(at);
    CHECK(user == "S user <|turn> model R N K V N <|image|> ");
    CHECK(control ==
          "<bos><|turn>system\n_<turn|>\n<|turn>_\n<|image|>_<turn|>\n<|turn>_\n<|channel>"
          "thought\n_\n<channel|>"
          "<|tool_call>call:_{_:<|\"|>_<|\"|>}<tool_call|><|tool_response>response:_{value:<|\"|>_<"
          "|\"|>}"
          "<tool_response|>");
}

TEST_CASE(
    "results find their calls by ids that are strings, integers or missing, and there may be "
    "many") {
    const auto names = [](const std::string& messages) {
        const auto m = parse_json(messages, "m");
        REQUIRE_MESSAGE(m, m.error().text);
        const auto prompt = render_chat(*m, nullptr, {});
        REQUIRE_MESSAGE(prompt, prompt.error().text);
        std::string found;
        const std::string_view text = prompt->text, mark = "response:";
        for (std::size_t at = text.find(mark); at != text.npos; at = text.find(mark, at + 1)) {
            const std::size_t from = at + mark.size();
            found += std::string(text.substr(from, text.find('{', from) - from)) + " ";
        }
        return found;
    };
    CHECK(names(R"([{"role":"assistant","tool_calls":[
            {"id":"7","function":{"name":"a"}},{"id":7,"function":{"name":"b"}},
            {"id":"","function":{"name":"c"}},{"function":{"name":"d"}},
            {"id":null,"function":{"name":"e"}},{"id":"7","function":{"name":"f"}},
            {"id":18446744073709551615,"function":{"name":"g"}}]},
            {"role":"tool","tool_call_id":"7","content":"x"},{"role":"tool","tool_call_id":7,"content":"x"},
            {"role":"tool","tool_call_id":"","content":"x"},{"role":"tool","content":"x"},
            {"role":"tool","tool_call_id":18446744073709551615,"content":"x"},
            {"role":"tool","tool_call_id":8,"name":"h","content":"x"},
            {"role":"tool","tool_call_id":"x","content":"x"}])") == "f b c e g h unknown ");
    std::string calls, results;
    constexpr int many = 20'000;
    for (int i = 0; i < many; ++i) {
        const std::string id = "\"" + std::to_string(i) + "\"";
        calls += std::string(i > 0 ? "," : "") + R"({"function":{"name":"f)" + std::to_string(i) +
                 R"("},"id":)" + id + "}";
        results += R"(,{"role":"tool","tool_call_id":)" + id + "}";
    }
    const std::string found =
        names(R"([{"role":"assistant","tool_calls":[)" + calls + "]}" + results + "]");
    CHECK(found.starts_with("f0 f1 "));
    CHECK(found.ends_with("f19998 f19999 "));
}

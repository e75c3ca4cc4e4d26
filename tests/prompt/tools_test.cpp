#include "carat/prompt/tools.hpp"

#include "carat/prompt/conversation.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

using namespace carat;

namespace {

std::string answer(const Tools& tools, const std::string& text) {
    const auto call = parse_call("call:" + text);
    REQUIRE(call);
    JsonWriter w;
    return std::string(w.value(tools.call(*call)).text());
}

}  // namespace

TEST_CASE("a declaration is made from the types of a function") {
    Tools tools;
    tools.add("f", "Does \"it\".", {{"a", "x"}, {"b", ""}, {"c", ""}, {"d", ""}},
              [](int a, std::optional<double> b, const std::vector<std::string>& c, bool d) {
                  return a + static_cast<int>(b.value_or(0.5) * 10) + static_cast<int>(c.size()) +
                         (d ? 100 : 0);
              });
    CHECK(tools.declarations() ==
          R"([{"type":"function","function":{"name":"f","description":"Does \"it\".",)"
          R"("parameters":{"type":"object","properties":{"a":{"type":"integer","description":"x"},)"
          R"("b":{"type":"number","description":""},)"
          R"("c":{"type":"array","items":{"type":"string"},"description":""},)"
          R"("d":{"type":"boolean","description":""}},"required":["a","c","d"]}}}])");
    CHECK(answer(tools, "f{a:1.0,b:2,c:[x,y],d:true}") == "123");
    CHECK(answer(tools, "f{a:1,c:[],d:false}") == "6");
    CHECK(answer(tools, "f{a:1.5,c:[],d:false}") ==
          R"({"error":"argument a is a float, expected \"type\":\"integer\""})");
    CHECK(answer(tools, "f{a:99999999999,c:[],d:false}").starts_with(R"({"error":"argument a)"));
    CHECK(answer(tools, "f{a:1,c:[1],d:false}").starts_with(R"({"error":"argument c is an array)"));
    CHECK(answer(tools, "f{}").starts_with(R"({"error":"argument a is missing)"));
}

TEST_CASE("an integer is taken by what can hold it, and by nothing else") {
    Tools tools;
    tools.add("u64", "", {{"x", ""}}, [](std::uint64_t x) { return x; });
    tools.add("i64", "", {{"x", ""}}, [](std::int64_t x) { return x; });
    tools.add("u8", "", {{"x", ""}}, [](std::uint8_t x) { return x; });
    CHECK(answer(tools, "u64{x:18446744073709551615}") == "18446744073709551615");
    CHECK(answer(tools, "i64{x:9223372036854775807}") == "9223372036854775807");
    CHECK(answer(tools, "i64{x:-9223372036854775808}") == "-9223372036854775808");
    CHECK(answer(tools, "u8{x:255}") == "255");
    CHECK(answer(tools, "u8{x:255.0}") == "255");
    for (const char* call :
         {"u64{x:-1}", "u64{x:18446744073709551616}", "i64{x:9223372036854775808}",
          "i64{x:-9223372036854775809}", "u8{x:256}", "u8{x:-1}", "u8{x:256.0}"}) {
        CAPTURE(call);
        CHECK(answer(tools, call).starts_with(R"({"error":"argument x)"));
    }
}

TEST_CASE("what goes wrong in a call is an answer, not a failure") {
    Tools tools;
    tools.add("now", "The time.", [] { return std::string("noon"); });
    tools.add("fails", "", {{"why", ""}}, [](std::string why) -> Result<int> {
        return Error{Errc::io, "no: " + why};
    });
    REQUIRE(tools.add_json(R"({"type":"function","function":{"name":"echo"}})",
                           [](const JsonValue& v) -> Result<Json> {
                               Json copy;
                               copy.CopyFrom(v, copy.GetAllocator());
                               return copy;
                           }));
    CHECK(answer(tools, "now{}") == R"("noon")");
    CHECK(answer(tools, "fails{why:rain}") == R"({"error":"no: rain"})");
    CHECK(answer(tools, "echo{a:{b:1}}") == R"({"a":{"b":1}})");
    CHECK(answer(tools, "other{}") == R"({"error":"there is no function other"})");
    REQUIRE(tools.add_json("\xEF\xBB\xBF{\"type\":\"function\",\"function\":{\"name\":\"marked\"}}",
                           [](const JsonValue&) -> Result<Json> { return Json(); }));
    Conversation talk;
    CHECK(talk.set_tools(tools.declarations()));
    CHECK_FALSE(tools.add_json("{}", [](const JsonValue&) -> Result<Json> { return Json(); }));
}

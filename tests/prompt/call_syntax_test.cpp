#include "carat/prompt/call_syntax.hpp"

#include "carat/format/json_writer.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace carat;

namespace {

/// The arguments as JSON, or "malformed".
std::string arguments_of(const std::string& object) {
    const auto call = parse_call("call:f" + object);
    if (!call) return "malformed";
    JsonWriter w;
    return std::string(w.value(call->arguments).text());
}

}  // namespace

TEST_CASE("values mean what JSON means, and bare words are text") {
    CHECK(arguments_of("{}") == "{}");
    CHECK(arguments_of("{a:1,b:-0,c:1.0,d:1e2,e:18446744073709551615,f:-9223372036854775808}") ==
          R"({"a":1,"b":0,"c":1.0,"d":100.0,"e":18446744073709551615,"f":-9223372036854775808})");
    CHECK(arguments_of("{a:007,b:+1,c:1.,d:.5,e:1e,f:1e999,g:0x10,h:-}") ==
          R"({"a":"007","b":"+1","c":"1.","d":".5","e":"1e","f":"1e999","g":"0x10","h":"-"})");
    CHECK(arguments_of("{a:true,b:false,c:null,d:None,e:True}") ==
          R"({"a":true,"b":false,"c":null,"d":null,"e":"True"})");
    CHECK(arguments_of("{a:[],b:[1,[2,],],c:{d:{}}}") == R"({"a":[],"b":[1,[2]],"c":{"d":{}}})");
    CHECK(arguments_of("{ a b : c d , \"x\\ty\" : \"\\u00e9\\ud83d\\ude42\\ud800-\n\" }") ==
          "{\"a b\":\"c d\",\"x\\ty\":\"\xC3\xA9\xF0\x9F\x99\x82\xEF\xBF\xBD-\\n\"}");
    CHECK(arguments_of("{<|\"|>k:{}<|\"|>:<|\"|>\\n\"<|\"|>}") == R"({"k:{}":"\\n\""})");
    CHECK(arguments_of("{a:1,b:2,a:3}") == R"({"a":3,"b":2})");
}

TEST_CASE("what is cut off or out of place is malformed") {
    for (const std::string text : {"",
                                   "{",
                                   "{a",
                                   "{a:",
                                   "{a:1",
                                   "{a:}",
                                   "{:1}",
                                   "{a:1 b:2",
                                   "{,}",
                                   "{a:1,,b:2}",
                                   "{a:[1}",
                                   "{a:[1,,2]}",
                                   "{a:[,]}",
                                   "{a:<|\"|>x}",
                                   "{a:\"x}",
                                   "{a:\"\\x\"}",
                                   "{a:\"\\u12g4\"}",
                                   "{a:\"\\u12",
                                   "{a:\"\\ud83d\\u12\"}",
                                   "{a:{b:1}",
                                   "{} x",
                                   "{a:1}}",
                                   "{a[b:1}",
                                   "{a:\"x\"y}"}) {
        CAPTURE(text);
        CHECK(arguments_of(text) == "malformed");
    }
    CHECK_FALSE(parse_call("call: {}"));
    CHECK_FALSE(parse_call("f{}"));
    CHECK_FALSE(parse_call(""));
    CHECK(parse_call(" \n call: a.b-c \n{} \n")->name == "a.b-c");
}

TEST_CASE("nesting is limited") {
    const auto nested = [](std::size_t n) {
        return "{a:" + std::string(n, '[') + std::string(n, ']') + "}";
    };
    CHECK(arguments_of(nested(max_call_depth - 1)) != "malformed");
    CHECK(arguments_of(nested(max_call_depth)) == "malformed");
    CHECK(arguments_of(nested(1000000)) == "malformed");
}

TEST_CASE("a malformed call says why") {
    const auto why = [](const char* text) { return parse_call(text).error().text; };
    CHECK(why("f{}") == "found 'f', expected call:NAME{...}");
    CHECK(why("call:f") == "cut off, expected { after the function's name");
    CHECK(why("call: {}") == "the function has no name");
    CHECK(why("call:f{a:1") == "cut off in a value");
    CHECK(why("call:f{a:<|\"|>x}") == "cut off in a string");
    CHECK(why("call:f{a:{b:1}c:2}") == "found 'c', expected , or } after a value");
    CHECK(why("call:f{a}") == "found '}', expected : after the key a");
    CHECK(why("call:f{} x") == "found 'x', expected nothing after the arguments");
    CHECK(why("call:f{a:\"\\q\"}") == "no JSON string has the escape \\q");
    CHECK(why("call:f{\"\x1b[2J\xE2\x80\xAE\"}") ==
          "found '}', expected : after the key \\x1b[2J\\xe2\\x80\\xae");
    CHECK(why("\x1b{}") == "found '\\x1b', expected call:NAME{...}");
    CHECK(why("call:f{a:\"\\\x1b\"}") == "no JSON string has the escape \\\\x1b");
    CHECK(parse_call("call:f{" + std::string(10'000, 'k') + "}").error().text.size() < 200);
}

TEST_CASE("many keys are read, and many times the same one") {
    std::string different, same;
    for (int i = 0; i < 100'000; ++i) {
        different += "k" + std::to_string(i) + ":" + std::to_string(i) + ",";
        same += "k:" + std::to_string(i) + ",";
    }
    const auto call = parse_call("call:f{" + different + same + different + "}");
    REQUIRE(call);
    CHECK(call->arguments.MemberCount() == 100'001);
    CHECK(json::key(json::members(call->arguments)[99'999]) == "k99999");
    CHECK(json::integer(json::members(call->arguments)[99'999].value) == 99'999);
    CHECK(json::integer(json::members(call->arguments)[100'000].value) == 99'999);
}

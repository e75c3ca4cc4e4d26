#include "carat/prompt/value_format.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <string>

using namespace carat;

namespace {

std::string value_of(std::string_view json, bool quoted_keys = false) {
    const auto tree = parse_json(json, "x");
    REQUIRE(tree);
    PromptText out;
    write_value(out, *tree, quoted_keys);
    return out.text;
}

std::string python_of(std::string_view json) {
    const auto tree = parse_json(json, "x");
    REQUIRE(tree);
    return python_text(*tree);
}

}  // namespace

TEST_CASE("floats look as in Python") {
    CHECK(format_float(0.0) == "0.0");
    CHECK(format_float(-0.0) == "-0.0");
    CHECK(format_float(1.0) == "1.0");
    CHECK(format_float(-2.5) == "-2.5");
    CHECK(format_float(0.1) == "0.1");
    CHECK(format_float(100.25) == "100.25");
    CHECK(format_float(1e-4) == "0.0001");
    CHECK(format_float(1.5e-4) == "0.00015");
    CHECK(format_float(1e-5) == "1e-05");
    CHECK(format_float(1.5e-9) == "1.5e-09");
    CHECK(format_float(1e15) == "1000000000000000.0");
    CHECK(format_float(123456789012345.6) == "123456789012345.6");
    CHECK(format_float(9999999999999998.0) == "9999999999999998.0");
    CHECK(format_float(1e16) == "1e+16");
    CHECK(format_float(1.2345678901234567e16) == "1.2345678901234568e+16");
    CHECK(format_float(1e21) == "1e+21");
    CHECK(format_float(1.7976931348623157e308) == "1.7976931348623157e+308");
    CHECK(format_float(5e-324) == "5e-324");
    CHECK(format_float(std::numeric_limits<double>::infinity()) == "inf");
}

TEST_CASE(
    "members are sorted without case, equal keys keep their order, the last of the same counts") {
    CHECK(value_of(R"({"b":1,"A":2,"a":3,"_":4,"Z":[null,true,{"y":"x"}],"b":5})") ==
          R"({_:4,A:2,a:3,b:5,Z:[null,true,{y:<|"|>x<|"|>}]})");
    CHECK(value_of(R"({"a":{"b":"c"}})", true) == R"({<|"|>a<|"|>:{<|"|>b<|"|>:<|"|>c<|"|>}})");
    CHECK(value_of(R"({"\u00c9":1,"\u00e8":2,"z":3})") == "{z:3,\xC3\xA8:2,\xC3\x89:1}");
    CHECK(value_of("{}") == "{}");
    CHECK(value_of("[1.0,18446744073709551615,-7]") == "[1.0,18446744073709551615,-7]");
}

TEST_CASE("what should be a string and is none looks as in Python") {
    CHECK(python_of(R"("it's")") == "it's");
    CHECK(python_of(R"(["a",null,true,1.0,{"k":[]}])") == "['a', None, True, 1.0, {'k': []}]");
    CHECK(python_of(R"(["it's","a\"b'c","\n\\"])") == R"(["it's", 'a"b\'c', '\n\\'])");
}

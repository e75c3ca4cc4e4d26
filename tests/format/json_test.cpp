#include "carat/format/json.hpp"

#include <doctest/doctest.h>

#include <string>

#if defined(__unix__)
#include <sys/mman.h>
#endif

using namespace carat;

namespace {
std::string error_of(std::string_view text) {
    auto r = parse_json(text, "x.json");
    REQUIRE_FALSE(r);
    CHECK(r.error().code == Errc::bad_format);
    return r.error().text;
}
}  // namespace

TEST_CASE("integers, floats, strings and order survive") {
    const auto r = parse_json(
        "\xEF\xBB\xBF"
        R"({"b":18446744073709551615,"a":-9223372036854775808,"one":1.0,"s":"\u00e9\u0000x","b":2})",
        "x");
    REQUIRE(r);
    const JsonValue& v = *r;
    CHECK(json::integer(json::find(v, "b")) == 2);  // the last one counts
    REQUIRE(json::members(v).size() == 5);
    CHECK(json::key(json::members(v)[0]) == "b");
    CHECK(json::unsigned_integer(json::members(v)[0].value) == 18446744073709551615u);
    CHECK_FALSE(json::integer(json::members(v)[0].value));
    CHECK(json::integer(json::find(v, "a")) == INT64_MIN);
    CHECK_FALSE(json::unsigned_integer(json::find(v, "a")));
    CHECK_FALSE(json::integer(json::find(v, "one")));
    CHECK(json::number(json::find(v, "one")) == 1.0);
    CHECK(json::string(json::find(v, "s")) == std::string_view("\xC3\xA9\0x", 4));
}

TEST_CASE("numbers are what they say, at the ends of their types too") {
    const auto number = [](const std::string& text) -> JsonValue {
        auto tree = parse_json("[" + text + "]", "x");
        REQUIRE(tree);
        static Json kept;  // owns the value that is returned
        kept = std::move(*tree);
        return std::move(kept[0]);
    };
    CHECK(json::unsigned_integer(number("18446744073709551615")) == UINT64_MAX);
    CHECK(json::integer(number("-9223372036854775808")) == INT64_MIN);
    CHECK(json::unsigned_integer(number("-0")) == 0);
    CHECK_FALSE(json::unsigned_integer(number("18446744073709551616")));
    const std::pair<const char*, double> reals[] = {
        {"18446744073709551616", 18446744073709551616.0},
        {"18446744073709551615551615", 18446744073709551615551615.0},
        {"0e299", 0.0},
        {"0e-90", 0.0},
        {"0.0e5", 0.0},
        {"1e-400", 0.0},
        {"-0.000001e-99999999999999999999", 0.0},
        {"1e-9223372036854775808", 0.0},
        {"4.9e-324", 4.9e-324},
        {"1.7976931348623157e308", 1.7976931348623157e308},
        {"0.1e309", 1e308},
        {"0.30000000000000004", 0.30000000000000004},
        {"2.2250738585072011e-308", 2.2250738585072011e-308},
        {"-1.5E+2", -150.0},
    };
    for (const auto& real : reals) {
        const auto& [text, expected] = real;
        const JsonValue v = number(text);
        CAPTURE(real.first);
        CHECK(v.IsDouble());
        CHECK(json::number(v) == expected);
    }
    for (const char* text : {"9e308", "-9e308", "0.99e309", "1e999", "1e99999999999999999999"}) {
        CAPTURE(text);
        CHECK(error_of(text).find("too big") != std::string::npos);
    }
}

TEST_CASE("asking for the wrong type or a missing thing answers nothing") {
    const auto r = parse_json(R"([1, "a", {"k": []}, {}, true])", "x");
    REQUIRE(r);
    CHECK(json::find(*r, "k") == nullptr);
    CHECK(json::find(json::find(*r, "k"), "j") == nullptr);
    CHECK_FALSE(json::string(*r));
    CHECK_FALSE(json::boolean(json::find(*r, "k")));
    const auto list = json::elements(*r);
    REQUIRE(list.size() == 5);
    CHECK(json::boolean(list[4]) == true);
    CHECK(json::members(list[3]).empty());
    CHECK(json::elements(list[0]).empty());
    CHECK(json::elements(json::find(list[2], "k")).empty());
    CHECK(json::type_name(json::find(list[2], "q")) == std::string("missing"));
    CHECK(json::type_name(&list[0]) == std::string("an integer"));
    CHECK_FALSE(json::truthy(&list[3]));
    CHECK(json::truthy(&list[2]));
}

TEST_CASE("broken JSON is an error that names file, line and column") {
    CHECK(error_of("{\n  \"a\": ,\n}").find("x.json: line 2, column 8: not JSON: ") == 0);
    for (const std::string_view bad :
         {"", " ", "{", "[1,]", "{\"a\" 1}", "1 2", "nul", "NaN", "\"\\ud800\"", "\"\xFF\"",
          "\"\xC3\"", "\"a", "01", "1e999", "\"\x01\"", "[1}"}) {
        CAPTURE(bad);
        CHECK_FALSE(error_of(bad).empty());
    }
    CHECK(error_of(std::string_view("1\0", 2)).find("column 2") != std::string::npos);
    CHECK(error_of(std::string_view("[1,\0 2]", 7)).find("column 4") != std::string::npos);
}

TEST_CASE("nesting is limited, however deep the text goes") {
    const auto nested = [](std::size_t n) { return std::string(n, '[') + std::string(n, ']'); };
    CHECK(parse_json(nested(json::max_depth), "x"));
    CHECK(error_of(nested(json::max_depth + 1)).find("deeper than 256") != std::string::npos);
    CHECK(error_of(std::string(1000000, '[')).find("deeper than 256") != std::string::npos);
    std::string objects;
    for (int i = 0; i < 100000; ++i) objects += "{\"a\":";
    CHECK(error_of(objects).find("deeper than 256") != std::string::npos);
    CHECK(parse_json("[[]]", "x", 2));
    CHECK(parse_json("[[[]]]", "x", 2).error().text ==
          "x: line 1, column 3: JSON nested deeper than 2 levels, which carat does not read");
}

#if defined(__unix__)
TEST_CASE("a text whose strings could be longer than the tree's lengths count is refused unread") {
    constexpr std::size_t bytes = std::size_t{5} << 30;
    void* const memory =
        ::mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) return;  // no address space for it: nobody has such a text
    CHECK(error_of({static_cast<const char*>(memory), bytes}).find("longer than") !=
          std::string::npos);
    ::munmap(memory, bytes);
}
#endif

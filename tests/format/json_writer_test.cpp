#include "carat/format/json_writer.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>

using namespace carat;

TEST_CASE("what the writer writes, the parser reads") {
    JsonWriter w;
    w.begin_object().key("s").value("a\"\n\xC3\xA9").key("i").value(-3).key("u").value(UINT64_MAX);
    w.key("f")
        .value(2.5)
        .key("nan")
        .value(std::numeric_limits<double>::quiet_NaN())
        .key("b")
        .value(true);
    w.key("l").begin_array().null().value(std::string_view{}).end_array().end_object();
    CHECK(w.text() ==
          "{\"s\":\"a\\\"\\n\xC3\xA9\",\"i\":-3,\"u\":18446744073709551615,\"f\":2.5,\"nan\":null,"
          "\"b\":true,\"l\":[null,\"\"]}");
    const auto tree = parse_json(w.text(), "x");
    REQUIRE(tree);
    JsonWriter again;
    again.value(*tree);
    CHECK(again.text() == w.text());
    Json endless(rapidjson::kArrayType);
    for (const double v : {-std::numeric_limits<double>::infinity(), 0.5})
        endless.PushBack(v, endless.GetAllocator());
    JsonWriter tree_of_them;
    CHECK(tree_of_them.value(endless).text() == "[null,0.5]");
    PrettyJsonWriter pretty;
    pretty.begin_object().key("a").value(1.0).end_object();
    CHECK(pretty.text() == "{\n  \"a\": 1.0\n}");
}

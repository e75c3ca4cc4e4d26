#include "carat/prompt/tool_declaration.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace carat;

namespace {

std::string declared(const std::string& function) {
    const auto tool = parse_json("{\"function\":" + function + "}", "x");
    REQUIRE(tool);
    PromptText out;
    REQUIRE(write_declaration(out, *tool, "tools[0]"));
    std::string text = out.text;  // 'x' for <|"|>x<|"|>, to be readable
    for (std::size_t at = text.find("<|\"|>"); at != std::string::npos; at = text.find("<|\"|>"))
        text.replace(at, 5, "'");
    return text;
}

/// The entry of one property.
std::string property(const std::string& schema) {
    const std::string all =
        declared(R"({"name":"f","parameters":{"properties":{"p":)" + schema + "}}}");
    const std::string before = "declaration:f{description:'',parameters:{properties:{p:{";
    REQUIRE(all.find(before) == 0);
    REQUIRE(all.ends_with("}},}"));
    return all.substr(before.size(), all.size() - before.size() - 4);
}

}  // namespace

TEST_CASE("a missing type takes the closing brace with it") {
    CHECK(declared(R"({"name":"f"})") == "declaration:f{description:''}");
    CHECK(declared(R"({"name":"f","description":null,"parameters":{}})") ==
          "declaration:f{description:''}");
    CHECK(declared(R"({"name":"f","description":"d","parameters":{"type":"object"}})") ==
          "declaration:f{description:'d',parameters:{type:'OBJECT'}}");
    CHECK(declared(R"({"name":"f","parameters":{"required":["b","a"]}})") ==
          "declaration:f{description:'',parameters:{required:['b','a'],}");
    CHECK(declared(R"({"name":"f","response":{"type":"Object","description":"r"}})") ==
          "declaration:f{description:'',response:{description:'r',type:'OBJECT'}}");
    CHECK(declared(R"({"name":"f","response":{"type":"string"}})") ==
          "declaration:f{description:'',response:{}");
}

TEST_CASE("the fields of a property come in their order, each where its type has it") {
    CHECK(property("{}") == "type:''");
    CHECK(property("5") == "type:''");
    CHECK(property(R"({"type":"string","nullable":true,"enum":["B","a"],"description":"d"})") ==
          "description:'d',enum:['B','a'],nullable:true,type:'STRING'");
    CHECK(property(R"({"type":"integer","enum":[1],"minimum":0,"default":3})") == "type:'INTEGER'");
    CHECK(property(R"({"type":["string","null"],"enum":["a"]})") == "type:'['STRING', 'NULL']'");
    CHECK(property(R"({"type":"object","properties":{"B":{},"a":{}},"required":["a"]})") ==
          "properties:{a:{type:''},B:{type:''}},required:['a'],type:'OBJECT'");
    CHECK(property(R"({"type":"object","properties":{}})") == "properties:{},type:'OBJECT'");
    CHECK(property(R"({"type":"object","title":"t","extra":{"type":"number"}})") ==
          "properties:{extra:{type:'NUMBER'},title:{type:''}},type:'OBJECT'");
}

TEST_CASE("the schema of elements keeps its other keys as values") {
    CHECK(property(R"({"type":"array","items":{}})") == "type:'ARRAY'");
    CHECK(property(R"({"type":"array","items":"x"})") == "type:'ARRAY'");
    CHECK(
        property(
            R"({"type":"array","items":{"type":["a","b"],"required":[],"default":null,"format":{"K":"v"}}})") ==
        "items:{format:{'K':'v'},required:[],type:['A','B']},type:'ARRAY'");
    CHECK(
        property(
            R"({"type":"array","items":{"type":"object","properties":{"a":{"type":"string"}}}})") ==
        "items:{properties:{a:{type:'STRING'}},type:'OBJECT'},type:'ARRAY'");
    CHECK(property(R"({"type":"array","items":{"properties":5}})") ==
          "items:{properties:{}},type:'ARRAY'");
}

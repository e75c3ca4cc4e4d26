#include "carat/constrain/json_schema.hpp"

#include "carat/format/json_writer.hpp"
#include "constrain/play.hpp"
#include "constrain/validator.hpp"

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <string_view>

using namespace carat;
using namespace carat::test;

namespace {

/// Every output is JSON that the schema accepts, whatever the limit; how many ended by themselves.
int plays(const std::string& schema, unsigned seed, int rounds, bool check = true) {
    CAPTURE(schema);
    const auto tree = *parse_json(schema, "schema");
    Constraint c = good(AnswerShape::json(schema));
    const auto closing = closing_tokens();
    std::mt19937 random(seed);
    int stopped = 0;
    for (int i = 0; i < rounds; ++i) {
        std::size_t limit = std::size_t{1} << (random() % 9);
        while (!c.begin(limit)) limit = limit * 2 + 1;  // the shortest does not fit
        REQUIRE(limit < 4096);
        const Played played = play(c, random, limit, closing);
        const auto value = parse_json(played.text, "output");
        REQUIRE_MESSAGE(value, played.text);
        if (check) REQUIRE_MESSAGE(Validator(tree).accepts(*value), played.text);
        stopped += played.stopped ? 1 : 0;
    }
    return stopped;
}

/// A schema made by chance. All that is required can be satisfied.
std::string random_schema(std::mt19937& random, int depth, bool in_defs = false) {
    const auto chance = [&](unsigned n) { return random() % n == 0; };
    const auto list = [&](std::size_t n, auto one) {
        std::string out;
        for (std::size_t i = 0; i < n; ++i) out += (i > 0 ? "," : "") + one(i);
        return out;
    };
    const auto key = [](std::size_t i) {
        const char* keys[] = {"a", "name", "name2", "é\\n", "x y", "", "count", "b\\\"c"};
        return "\"" + std::string(keys[i % 8]) + "\"";
    };
    switch (random() % (depth > 0 ? 12 : 7)) {
        case 0:
            return R"({"type":"boolean"})";
        case 1:
            return R"({"type":["null","integer"]})";
        case 2: {
            const int lo = static_cast<int>(random() % 3000) - 1500;
            const int hi = lo + 2 + static_cast<int>(random() % 2000);
            return std::string(chance(2) ? R"({"type":"integer",)" : R"({"type":"number",)") +
                   (chance(2) ? "\"minimum\":" : "\"exclusiveMinimum\":") + std::to_string(lo) +
                   "," + (chance(2) ? "\"maximum\":" : "\"exclusiveMaximum\":") +
                   std::to_string(hi) + "}";
        }
        case 3:
            return R"({"type":"number"})";
        case 4:
            return R"({"type":"string"})";
        case 5: {
            const std::size_t least = random() % 5;
            return R"({"type":"string","minLength":)" + std::to_string(least) +
                   (chance(2) ? "" : ",\"maxLength\":" + std::to_string(least + random() % 20)) +
                   "}";
        }
        case 6:
            return R"({"enum":["red","re\"d",1,12,null,[1,{"a":2.5}],"gr\u00fcn"]})";
        case 7: {
            const std::size_t least = random() % 3;
            return R"({"type":"array","items":)" + random_schema(random, depth - 1) +
                   ",\"minItems\":" + std::to_string(least) +
                   (chance(2) ? "" : ",\"maxItems\":" + std::to_string(least + random() % 5)) + "}";
        }
        case 8:
            return R"({"anyOf":[)" +
                   list(1 + random() % 3,
                        [&](std::size_t) { return random_schema(random, depth - 1); }) +
                   "]}";
        case 9:
            if (in_defs || chance(3)) return R"({"$ref":"#/$defs/list"})";
            [[fallthrough]];
        default: {
            const std::size_t n = random() % 6, first = random() % 8;
            std::string required;
            std::string out =
                R"({"type":"object","properties":{)" +
                list(n,
                     [&](std::size_t i) {
                         if (chance(2)) required += (required.empty() ? "" : ",") + key(first + i);
                         return key(first + i) + ":" + random_schema(random, depth - 1);
                     }) +
                "},\"required\":[" + required + "]";
            if (chance(3)) out += R"(,"additionalProperties":false)";
            if (chance(3)) out += R"(,"additionalProperties":)" + random_schema(random, depth - 1);
            return out + "}";
        }
    }
}
/// f(0),f(1),…
template <class F>
std::string list(std::size_t n, F&& f) {
    std::string out;
    for (std::size_t i = 0; i < n; ++i) out += (i > 0 ? "," : "") + f(i);
    return out;
}
std::string numbered(const char* name, std::size_t i) {
    return '"' + (name + std::to_string(i)) + '"';
}
std::string reference(const char* name, std::size_t i) {
    return R"({"$ref":"#/$defs/)" + (name + std::to_string(i)) + "\"}";
}
/// Definitions of arrays, d0 of two zeros and each of the others of two of the one before: the
/// shortest value of d(n) has 2^(n + 3) - 3 bytes.
std::string doubled(std::size_t levels) {
    return list(levels, [](std::size_t i) {
        const std::string item = i == 0 ? R"({"const":0})" : reference("d", i - 1);
        return numbered("d", i) + R"(:{"type":"array","minItems":2,"prefixItems":[)" + item + "," +
               item + "]}";
    });
}
std::string refusal(const std::string& schema) {
    const auto made = shaped(AnswerShape::json(schema));
    REQUIRE_FALSE(made);
    return made.error().text;
}

}  // namespace

TEST_CASE("outputs of a thousand random schemas are valid at every token limit") {
    std::mt19937 random(7);
    int stopped = 0;
    for (unsigned i = 0; i < 1000; ++i) {
        std::string schema = random_schema(random, 3);
        schema.insert(1, R"("$defs":{"list":{"type":"object","properties":{"v":{"type":"integer"},)"
                         R"("next":{"anyOf":[{"type":"null"},{"$ref":"#/$defs/list"}]}},)"
                         R"("required":["v","next"]}},)");
        stopped += plays(schema, i, 4);
    }
    CHECK(stopped > 1000);
}

TEST_CASE("any value, recursion and mixed types") {
    plays("{}", 1, 40);
    plays("true", 2, 10);
    plays(R"({"type":"object"})", 3, 10);
    plays(R"({"type":"object","additionalProperties":true,"required":["z"]})", 4, 40);
    plays(R"({"type":"array","prefixItems":[{"type":"null"},{"type":"boolean"}],"items":false,
              "minItems":1})",
          5, 20);
    plays(R"({"properties":{"child":{"$ref":"#"},"n":{"type":"integer"}},"type":"object",
              "required":["n"],"additionalProperties":false})",
          6, 40);
    plays(R"({"minLength":3,"minimum":3})", 7, 30);
    plays(R"({"oneOf":[{"type":"string"},{"type":"integer"},{"$ref":"#/$defs/a"},
              {"$ref":"#/$defs/b"}],"$defs":{
              "a":{"type":"object","properties":{"kind":{"const":"a"}},"required":["kind"]},
              "b":{"type":"object","properties":{"kind":{"const":"b"},"x":{"type":"null"}},
                   "required":["kind","x"]}}})",
          8, 60);
    // Ambiguous all the way down: what follows is known only in the end.
    plays(R"({"anyOf":[{"type":"array","items":{"$ref":"#"}},{"type":"array","maxItems":3,
              "items":{"$ref":"#"}},{"type":"integer"}]})",
          9, 40);
}

TEST_CASE("values nest no deeper than a reader takes") {
    Constraint c = good(AnswerShape::json(R"({"type":"array","items":{"$ref":"#"}})"));
    const auto open = *pocket_tokenizer().id_of("[");
    REQUIRE(c.begin(2000));
    std::string text;
    std::size_t left = 2000;
    while (c.allowed(left).allows(static_cast<std::size_t>(open))) {
        c.accept(open);
        text += '[';
        --left;
    }
    CHECK(text.size() == constrain::Grammar::max_nesting);
    std::mt19937 random(1);
    text += play(c, random, left, closing_tokens()).text;
    CHECK(parse_json(text, "output"));
}

TEST_CASE("patterns and formats hold in strings") {
    const auto matches = [](const std::string& schema, std::string_view from) {
        Constraint c = good(AnswerShape::json(schema));
        std::mt19937 random(3);
        for (int i = 0; i < 20; ++i) {
            REQUIRE(c.begin(40));
            const auto v = parse_json(play(c, random, 40, closing_tokens()).text, "output");
            REQUIRE(v);
            const std::string text(*json::string(*v));
            CAPTURE(text);
            const auto allowed = constrain::regex(from);
            REQUIRE(allowed);
            std::uint32_t state = 0;
            for (std::string_view rest = text; !rest.empty();) {
                const auto one = unicode::first_code_point(rest);
                state = allowed->next(state, one.value);
                REQUIRE(state != constrain::CharAutomaton::none);
                rest.remove_prefix(one.length);
            }
            CHECK(allowed->states[state].final);
        }
    };
    matches(R"({"type":"string","pattern":"^[A-Z]{2}-\\d+$"})", R"([A-Z]{2}-\d+)");
    matches(R"({"type":"string","pattern":"\"|\\\\"})", R"([^]*("|\\)[^]*)");
    matches(R"({"type":"string","pattern":"^(a|é)*$","minLength":2,"maxLength":4})", "(a|é){2,4}");
    matches(R"({"type":"string","format":"date-time"})", R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)");
    matches(R"({"type":"string","format":"ipv4"})", R"((\d{1,3}\.){3}\d{1,3})");
}

TEST_CASE("what is not supported is refused by keyword and path") {
    CHECK(refusal(R"({"type":"object","properties":{"a":{"type":"array","uniqueItems":true}}})") ==
          "schema: #/properties/a/uniqueItems: this keyword is not supported");
    CHECK(refusal(R"({"not":{}})") == "schema: #/not: this keyword is not supported");
    CHECK(refusal(R"({"type":"number","multipleOf":3})") ==
          "schema: #/multipleOf: this keyword is not supported");
    CHECK(refusal(R"({"type":"number","minimum":0.5})") ==
          "schema: #/minimum: of a number, only integers are supported");
    CHECK(refusal(R"({"type":"string","format":"regex"})") ==
          "schema: #/format: expected date, time, date-time, uuid, email or ipv4");
    CHECK(refusal(R"({"anyOf":[{"type":"null"}],"minimum":1})") ==
          "schema: #/minimum: not supported beside the keyword that decides here");
    CHECK(refusal(R"({"$ref":"#/$defs/x"})") == "schema: #/$ref: there is no #/$defs/x");
    CHECK(refusal(R"({"$ref":"other.json"})") ==
          "schema: #/$ref: expected a path within the document, as in #/$defs/name");
    CHECK(refusal(R"({"oneOf":[{"type":"integer"},{"type":"number"}]})")
              .starts_with("schema: #/oneOf: alternatives 0 and 1 may both be satisfied"));
    CHECK(refusal(R"({"type":"text"})").starts_with("schema: #/type: expected object"));
    CHECK(refusal("[]") == "schema: # is an array, expected a schema: an object, true or false");
    CHECK(refusal("{").starts_with("schema: line 1, column 2"));
    CHECK(refusal("false") == "schema: nothing of finite length satisfies it");
    CHECK(refusal(R"({"$ref":"#"})") == "schema: nothing of finite length satisfies it");
    CHECK(refusal(R"({"anyOf":[{"$ref":"#"},{"type":"null"}]})") ==
          "schema: #/anyOf/0: a reference that leads to itself");
    CHECK(refusal(R"({"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"]})") ==
          "schema: nothing of finite length satisfies it");
    CHECK(refusal(R"({"type":"string","maxLength":999999})").starts_with("schema: #/maxLength: "));
    CHECK(refusal(R"({"type":"array","minItems":99999999,"items":{}})")
              .starts_with("schema: #/minItems: "));
    CHECK(refusal(R"({"type":"string","pattern":"(a"})") ==
          "schema: #/pattern: regular expression (a: at byte 2: a group that does not end");
    std::string deep;
    for (int i = 0; i < 220; ++i) deep += R"({"type":"array","minItems":1,"items":)";
    deep += "{}" + std::string(220, '}');
    CHECK(refusal(deep) == "schema: its values nest deeper than 200 levels");
}

TEST_CASE("a limit below the shortest answer is an error before anything is written") {
    Constraint c = good(AnswerShape::json(
        R"({"type":"object","properties":{"capital":{"type":"string"}},"required":["capital"]})"));
    const auto refused = c.begin(2);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().text.starts_with("a limit of 2 tokens: the shortest answer"));
    CHECK(c.begin(20));
}

TEST_CASE("an answer that is far too long is not written out to say so") {
    // 50 MB of brackets, from a schema of two kilobytes.
    const std::string defs = R"("$defs":{)" + doubled(23) + "}}";
    Constraint c = good(AnswerShape::json(R"({"$ref":"#/$defs/d22",)" + defs));
    const auto refused = c.begin(100);
    REQUIRE_FALSE(refused);
    CHECK(
        refused.error().text.starts_with("a limit of 100 tokens: the shortest answer of the form "
                                         "that was asked for takes at least "));
    // Beside something short, none of it can be begun.
    plays(R"({"anyOf":[{"type":"boolean"},{"$ref":"#/$defs/d22"}],)" + defs, 1, 10);
}

TEST_CASE("lengths beyond what is counted are refused, and do not wrap around") {
    // Four members of 2^30 bytes: together, 2^32 and some.
    const std::string long_name(120, 'k');
    const auto key = [&](std::size_t i) { return numbered(long_name.c_str(), i); };
    CHECK(refusal(R"({"type":"object","properties":{)" +
                  list(4, [&](std::size_t i) { return key(i) + ":" + reference("d", 27); }) +
                  R"(},"required":[)" + list(4, key) + R"(],"$defs":{)" + doubled(28) + "}}") ==
          "schema: nothing of finite length satisfies it");
}

TEST_CASE("a chain of references ends at 256 and not with the stack") {
    const auto chain = [](std::size_t n) {
        return R"({"$ref":"#/$defs/r0","$defs":{)" +
               list(n,
                    [&](std::size_t i) {
                        return numbered("r", i) + ":" +
                               (i + 1 < n ? reference("r", i + 1) : R"({"type":"boolean"})");
                    }) +
               "}}";
    };
    CHECK(refusal(chain(15000)) ==
          "schema: schemas within schemas, references followed, lead more than 256 deep");
    CHECK(refusal(chain(256)) ==
          "schema: schemas within schemas, references followed, lead more than 256 deep");
    plays(chain(255), 1, 5, false);
}

TEST_CASE("a schema that would take too much memory or time is refused where it does") {
    std::string nested;
    for (int i = 0; i < 240; ++i) nested += R"({"type":"array","minItems":50000,"items":)";
    CHECK(refusal(nested + "{}" + std::string(240, '}')) ==
          "schema: it needs more than 200000 states, which is too large");
    // Where all members may be left out, each may follow each before it.
    const auto wide = [](std::size_t) {
        return R"({"type":"object","properties":{)" +
               list(2000, [](std::size_t i) { return numbered("p", i) + R"(:{"const":1})"; }) +
               "}}";
    };
    CHECK(refusal(R"({"anyOf":[)" + list(4, wide) + "]}") ==
          "schema: #/anyOf/3: it needs more than 5000000 edges, which is too large");
    CHECK(refusal(R"({"type":"object","properties":{")" + std::string(300000, 'k') +
                  R"(":{}},"additionalProperties":{}})") ==
          "schema: #/properties: names of more than 200000 bytes");
    // Names that are there many times, and more than may be.
    const auto required = [](std::size_t names, std::size_t n) {
        return R"({"type":"object","additionalProperties":{"const":1},"required":[)" +
               list(n, [&](std::size_t i) { return numbered("p", i % names); }) + "]}";
    };
    CHECK(good(AnswerShape::json(required(2000, 100000))).begin(100000));
    CHECK(refusal(required(100000, 100000)) ==
          "schema: #/properties: expected at most 2000 of them");
    CHECK(refusal(R"({"type":"object","properties":{)" +
                  list(100000, [](std::size_t i) { return numbered("p", i) + ":{}"; }) + "}}") ==
          "schema: #/properties: expected at most 2000 of them");
    // A type that is said again says no more.
    const std::string strings = list(500, [](std::size_t) { return std::string(R"("string")"); });
    CHECK(good(AnswerShape::json(R"({"minLength":9000,"type":[)" + strings + "]}")).begin(10000));
}

TEST_CASE("alternatives that take too long to compare are refused") {
    // Each member of 300 may be the one that excludes, and so may each of theirs.
    const auto level = [](const char* name, std::size_t i) {
        const auto key = [](std::size_t k) { return numbered("p", k); };
        return numbered(name, i) + R"(:{"type":"object","properties":{)" +
               list(300, [&](std::size_t k) { return key(k) + ":" + reference(name, i + 1); }) +
               R"(},"required":[)" + list(300, key) + "]}";
    };
    const auto levels = [&](const char* name) {
        return list(4, [&](std::size_t i) { return level(name, i); }) + "," + numbered(name, 4) +
               R"(:{"type":"null"})";
    };
    CHECK(refusal(R"({"oneOf":[{"$ref":"#/$defs/a0"},{"$ref":"#/$defs/b0"}],"$defs":{)" +
                  levels("a") + "," + levels("b") + "}}") ==
          "schema: #/oneOf: it takes too long to see that alternatives 0 and 1 exclude each other; "
          "use anyOf");
    const std::string members = list(10000, [](std::size_t i) { return numbered("k", i) + ":0"; });
    CHECK(refusal(R"({"oneOf":[{"const":{)" + members + R"(}},{"const":{)" + members + "}}]}")
              .starts_with("schema: #/oneOf: it takes too long"));
}

TEST_CASE("types, formats, numbers and keys of a schema draw on its limit of work") {
    const auto read = [](const std::string& schema, std::size_t work, bool call) -> std::string {
        const auto tree = *parse_json(schema, "schema");
        constrain::Grammar g;
        g.add_rule();
        g.work.take(constrain::WorkLimit::max_work - work);
        if (call) {
            const auto done = constrain::add_arguments(g, &tree, 0, g.add_state(true), "f");
            return done ? "" : done.error().text;
        }
        const auto rule = constrain::add_json_schema(g, tree);
        return rule ? "" : rule.error().text;
    };
    const auto takes = [&](const std::string& schema, std::size_t work, const std::string& error,
                           bool call = false) {
        CAPTURE(schema);
        CHECK(read(schema, 10 * work, call).empty());
        const std::string refused = read(schema, work, call);
        CHECK_MESSAGE(refused.starts_with(error), refused);
        CHECK_MESSAGE(refused.find("too long") != std::string::npos, refused);
    };
    const auto types = [](const char* type) {
        return R"({"type":[)" +
               list(600, [&](std::size_t) { return '"' + std::string(type) + '"'; }) + "]}";
    };
    takes(R"({"oneOf":[)" + types("null") + "," + types("string") + "]}", 1000,
          "schema: #/oneOf: it takes too long to see that alternatives 0 and 1 exclude");
    takes(R"({"format":"email"})", 4000, "schema: #/format: regular expression ");
    takes(R"({"type":"number"})", 1000, "schema: #/type: regular expression ");
    takes(R"({"additionalProperties":{"type":"null"}})", 4000, "f: #/additionalProperties: ", true);
}

TEST_CASE("memory that ends while a keyword is read is no fault of the schema") {
    const JsonValue schema(rapidjson::kObjectType);
    constrain::WorkLimit work;
    const constrain::detail::SchemaDocument document(schema, "schema", work);
    const Error ended =
        document.refuse("#", "pattern", Error{Errc::out_of_memory, "out of memory"});
    CHECK(ended.code == Errc::out_of_memory);
    CHECK(ended.text == "schema: #/pattern: out of memory");
    CHECK(document.refuse("#", "pattern", Error{Errc::bad_format, "a ("}).code ==
          Errc::unsupported);
}

TEST_CASE("the patterns of a schema share one limit of work") {
    const auto slow = [](std::size_t) {
        return R"({"type":"string","pattern":"^((?:)" + std::string(1000, 'a') + R"(){0}){700}$"})";
    };
    CHECK(shaped(AnswerShape::json(R"({"anyOf":[)" + list(2, slow) + "]}")));
    CHECK(refusal(R"({"anyOf":[)" + list(9, slow) + "]}").ends_with("it takes too long to read"));
}

TEST_CASE("an ambiguity that is there many times leads to an end") {
    const auto same = [](std::size_t) { return std::string(R"({"$ref":"#/$defs/d"})"); };
    Constraint c = good(AnswerShape::json(R"({"anyOf":[)" + list(40000, same) +
                                          R"(],"$defs":{"d":{"enum":[11,"22"]}}})"));
    REQUIRE(c.begin(10));
    std::mt19937 random(1);
    const std::string text = play(c, random, 10).text;
    CHECK_MESSAGE((text == "11" || text == "\"22\""), text);
}

TEST_CASE("thousands of alternatives at once still lead to an end") {
    // Each of its own kind, and with nearly all tokens.
    const auto other = [](std::size_t i) {
        return R"({"type":"string","pattern":"^[^\\u4)" + std::to_string(1000 + i).substr(1) +
               "]*$\"}";
    };
    plays(R"({"anyOf":[)" + list(999, other) + "]}", 1, 3, false);
}

TEST_CASE("what a schema calls its parts is shown as it may be printed") {
    CHECK(refusal(R"({"\u001b[31m":1})") == "schema: #/\\x1b[31m: this keyword is not supported");
    CHECK(refusal(R"({"type":"object","properties":{"a\u001b":{"\n":1}}})") ==
          "schema: #/properties/a\\x1b/\\x0a: this keyword is not supported");
    CHECK(refusal(R"({"$ref":"#/\u0007"})") == "schema: #/$ref: there is no #/\\x07");
    CHECK(refusal(R"({"type":"string","pattern":"\u001b("})") ==
          "schema: #/pattern: regular expression \\x1b(: at byte 2: a group that does not end");
    const std::string name(1000, 'n');
    CHECK(refusal(R"({"properties":{")" + name + R"(":{"x":1}}})") ==
          "schema: #/properties/" + name.substr(0, 60) + ".../x: this keyword is not supported");
}

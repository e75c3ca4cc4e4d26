#include "carat/constrain/regex.hpp"

#include "carat/text/unicode.hpp"

#include <doctest/doctest.h>

#include <cstdio>
#include <random>
#include <regex>
#include <string>
#include <string_view>

using namespace carat;
using constrain::RegexMatch;

namespace {

bool matches(const constrain::CharAutomaton& a, std::string_view text) {
    std::uint32_t state = 0;
    while (!text.empty()) {
        const auto c = unicode::first_code_point(text);
        state = a.next(state, c.value);
        if (state == constrain::CharAutomaton::none) return false;
        text.remove_prefix(c.length);
    }
    return a.states[state].final;
}
bool matches(std::string_view expression, std::string_view text,
             RegexMatch match = RegexMatch::whole) {
    const auto a = constrain::regex(expression, match);
    REQUIRE_MESSAGE(a, a.error().text);
    return matches(*a, text);
}
std::string refusal(std::string_view expression) {
    const auto a = constrain::regex(expression);
    REQUIRE_FALSE(a);
    return a.error().text.substr(a.error().text.find(": at byte ") + 2);
}

}  // namespace

TEST_CASE("an expression matches as a backtracking matcher says") {
    std::mt19937 random(5);
    const auto pick = [&](std::string_view from) { return from[random() % from.size()]; };
    for (int i = 0; i < 400; ++i) {
        std::string expression;
        int open = 0;
        for (std::size_t n = 1 + random() % 8; n-- > 0;) {
            switch (random() % 8) {
                case 0:
                    expression += "[a-b]";
                    break;
                case 1:
                    expression += "[^a]";
                    break;
                case 2:
                    expression += "(";
                    ++open;
                    expression += pick("abc");
                    break;
                case 3:
                    expression += "a{1,3}";
                    break;
                case 4:
                    expression += "(?:b|ca)*";
                    break;
                case 5:
                    expression += "c?|";
                    expression += pick("abc");
                    break;
                case 6:
                    expression += "\\d+";
                    break;
                default:
                    expression += pick("abc1.");
            }
            if (open > 0 && random() % 3 == 0) --open, expression += ")+";
        }
        expression.append(static_cast<std::size_t>(open), ')');
        CAPTURE(expression);
        const std::regex reference(expression, std::regex::ECMAScript);
        const auto whole = constrain::regex(expression);
        const auto inside = constrain::regex(expression, RegexMatch::inside);
        REQUIRE(whole);
        REQUIRE(inside);
        for (int k = 0; k < 60; ++k) {
            std::string text;
            for (std::size_t n = random() % 9; n-- > 0;) text += pick("abc12");
            CAPTURE(text);
            CHECK(matches(*whole, text) == std::regex_match(text, reference));
            CHECK(matches(*inside, text) == std::regex_search(text, reference));
        }
    }
}

TEST_CASE("anchors, classes and escapes") {
    CHECK(matches("^ab$", "xab", RegexMatch::inside) == false);
    CHECK(matches("ab$", "xab", RegexMatch::inside));
    CHECK(matches("^a|b$", "xb", RegexMatch::inside));
    CHECK(matches("[\\w.-]+@\\S", "a.b-c@é"));
    CHECK(matches("[^\\d\\s]", "x"));
    CHECK_FALSE(matches("[^\\d\\s]", " "));
    CHECK(matches("\\u00e9\\x41\\.\\/", "éA./"));
    CHECK(matches(".", "😀"));
    CHECK_FALSE(matches(".", "\n"));
    CHECK(matches("a{0}b{2,}", "bbb"));
    CHECK(matches("", ""));
}

TEST_CASE("what is no expression, or too large, is refused with its place") {
    CHECK(refusal("a)") == "at byte 1: a ) that nothing opens");
    CHECK(refusal("[a") == "at byte 2: a [ that does not end");
    CHECK(refusal("*a") == "at byte 0: a quantifier with nothing before it");
    CHECK(refusal("a**") == "at byte 2: a quantifier behind a quantifier");
    CHECK(refusal("a{2,1}") == "at byte 6: a count whose end is below its start");
    CHECK(refusal("\\bword") == "at byte 0: \\b is not supported");
    CHECK(refusal("(?=a)").starts_with("at byte 1: look-around"));
    CHECK(refusal("(a)\\1") == "at byte 3: \\1 is not supported");
    CHECK(refusal("a\\") == "at byte 2: a \\ at the end");
    CHECK(refusal("((a{1000}){1000}){1000}").ends_with("states"));
    CHECK_FALSE(constrain::regex("(a|b)*a(a|b){30}"));  // 2^31 states
    CHECK_FALSE(constrain::regex(std::string(100000, '(')));
    CHECK_FALSE(constrain::regex("\xff"));
}

TEST_CASE("an expression that takes too long to read is refused before it does") {
    std::string many = "[";
    for (int i = 0; i < 3000; ++i) {
        const char32_t c = 0x4E00 + 2 * static_cast<char32_t>(i);
        for (const auto byte : {0xE0 | c >> 12, 0x80 | (c >> 6 & 0x3F), 0x80 | (c & 0x3F)})
            many += static_cast<char>(static_cast<unsigned char>(byte));
    }
    CHECK(constrain::regex(many + "]{20}"));
    CHECK(refusal(many + "]{49000}") == "at byte 0: it takes too long to read");
    CHECK(refusal("((?:" + std::string(3000, 'a') + "){0}){49000}") ==
          "at byte 0: it takes too long to read");
    // Ranges within ranges: each cuts all around it.
    std::string nested;
    for (unsigned i = 0; i < 8000; ++i) {
        char one[32];
        std::snprintf(one, sizeof one, "[\\u%04x-\\u%04x]|", 0x100 + i, 0xD000 - i);
        nested += one;
    }
    const auto refused = constrain::regex(nested);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().text.ends_with("...: it takes too long to read"));
    CHECK(refusal(std::string(1000000, '|')).ends_with("it needs more than 50000 states"));
    CHECK_FALSE(constrain::regex("(a|b)*a(a|b){14}"));  // 2^15 states
    const auto states = constrain::regex("(a|b)*a(a|b){14}");
    CHECK(states.error().text ==
          "regular expression (a|b)*a(a|b){14}: it needs more than 20000 states");
}

TEST_CASE("an expression is shown as it may be printed") {
    const auto refused = constrain::regex("\x1b[31m" + std::string(100, 'a') + "(");
    REQUIRE_FALSE(refused);
    CHECK(refused.error().text.starts_with("regular expression \\x1b[31maaa"));
    CHECK(refusal("\\é") == "at byte 0: \\é is not supported");
}

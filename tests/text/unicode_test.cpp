#include "carat/text/unicode.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace carat;

TEST_CASE("only shortest forms of scalar values are valid UTF-8") {
    for (const std::string_view good :
         {"", "a", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80",
          "\xEF\xBF\xBD", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"}) {
        CHECK(unicode::is_valid(good));
    }
    for (const std::string_view bad :
         {"\x80", "\xC0\x80", "\xC1\xBF", "\xC2", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xED\xBF\xBF",
          "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "a\xE2\x82",
          "\xE2\x28\xA1"}) {
        CHECK_FALSE(unicode::is_valid(bad));
    }
}

TEST_CASE("every code point survives a round trip") {
    for (char32_t c = 0; c <= 0x10FFFF; ++c) {
        if (c >= 0xD800 && c < 0xE000) continue;
        std::string text;
        unicode::append(text, c);
        const auto back = unicode::first_code_point(text);
        if (back.value != c || back.length != text.size()) FAIL("U+" << static_cast<unsigned>(c));
    }
    std::string text;
    unicode::append(text, 0xD800);
    unicode::append(text, 0x110000);
    CHECK(text == "\xEF\xBF\xBD\xEF\xBF\xBD");
}

TEST_CASE("a bad byte becomes one replacement character") {
    CHECK(unicode::repaired("a\xFFz\xE2\x82") == "a\xEF\xBF\xBDz\xEF\xBF\xBD\xEF\xBF\xBD");
    CHECK(unicode::repaired("\xC3\xA9") == "\xC3\xA9");
}

TEST_CASE("trimming takes Unicode white space and nothing else") {
    CHECK(unicode::trim(" \t\r\n\v\f\x1C\x1F"
                        "a b\xC2\x85\xC2\xA0\xE3\x80\x80\xE2\x80\xA8") == "a b");
    CHECK(unicode::trim("\xE2\x80\x8Bz\xEF\xBB\xBF") == "\xE2\x80\x8Bz\xEF\xBB\xBF");
    CHECK(unicode::trim(" \n ") == "");
    CHECK(unicode::trim("") == "");
    CHECK(unicode::trim("\x80\x80 ") == "\x80\x80");
    CHECK(unicode::trim(" \xA0") == "\xA0");  // half a character is no space
}

TEST_CASE("letter case is Unicode's") {
    CHECK(unicode::upper("stra\xC3\x9F"
                         "e \xC3\xA9\xEF\xAC\x83 x1") ==
          "STRASSE \xC3\x89"
          "FFI X1");
    CHECK(unicode::lower("\xC3\x84"
                         "B\xCE\xA3\xC4\xB0") ==
          "\xC3\xA4"
          "b\xCF\x83i\xCC\x87");
    CHECK(unicode::upper("a\xFF") == "A\xEF\xBF\xBD");
    CHECK(unicode::is_word(U'_'));
    CHECK(unicode::is_word(U'\u00E9'));
    CHECK_FALSE(unicode::is_word(U'-'));
}

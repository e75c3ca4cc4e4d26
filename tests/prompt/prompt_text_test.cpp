#include "carat/prompt/prompt_text.hpp"

#include <doctest/doctest.h>

using namespace carat;

TEST_CASE("user text is marked, joined where it touches, and nothing where it is empty") {
    PromptText p;
    p.user("");
    p.control("ab");
    p.user("c");
    p.user("");
    p.user("de");
    p.control("");
    p.quoted("f");
    CHECK(p.text == "abcde<|\"|>f<|\"|>");
    REQUIRE(p.user_text.size() == 2);
    CHECK(p.user_text[0] == TextRange{2, 5});
    CHECK(p.user_text[1] == TextRange{10, 11});
}

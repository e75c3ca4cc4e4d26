#include "carat/base/printable.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace carat;

TEST_CASE("a stranger's name keeps what a terminal shows and nothing that it obeys") {
    CHECK(printable("model.safetensors") == "model.safetensors");
    CHECK(printable("\u2581Z\u00fcrich \u6f22") == "\u2581Z\u00fcrich \u6f22");
    CHECK(printable("a\n\x1b[2Jb\x7f") == "a\\x0a\\x1b[2Jb\\x7f");
    CHECK(printable("a\u009b2Jb") == "a\\xc2\\x9b2Jb");  // a control sequence in one character
    CHECK(printable("exe\u202ecod") ==
          "exe\\xe2\\x80\\xaecod");  // what follows would run backwards
    CHECK(printable("a\u2028b") == "a\\xe2\\x80\\xa8b");
    CHECK(printable("a\xff\xc3") == "a\\xff\\xc3");
    CHECK(printable(std::string("a\0b", 3)) == "a\\x00b");
    CHECK(printable("") == "");
}

TEST_CASE("a name that is too long is cut between characters") {
    CHECK(printable("abcdef", 6) == "abcdef");
    CHECK(printable("abcdefg", 6) == "abcdef...");
    CHECK(printable("abcd\u6f22", 6) == "abcd...");
    CHECK(printable("abc\u6f22", 6) == "abc\u6f22");
}

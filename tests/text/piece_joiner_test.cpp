#include "carat/text/piece_joiner.hpp"

#include <doctest/doctest.h>

using namespace carat;

TEST_CASE("pieces come out at once, bytes when their run has ended") {
    PieceJoiner j;
    CHECK(j.add_piece("\xE2\x96\x81the\xE2\x96\x81\xE2\x96\x81") == " the  ");
    j.add_byte(0xC3);
    j.add_byte(0xA9);
    CHECK(j.add_piece("x") == "\xC3\xA9x");
    j.add_byte(0xC3);
    CHECK(j.add_piece("") == "\xEF\xBF\xBD");
    j.add_byte('a');
    j.add_byte(0xFF);
    CHECK(j.finish() == "\xEF\xBF\xBD\xEF\xBF\xBD");
    CHECK(j.finish().empty());
}

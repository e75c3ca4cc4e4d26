#include "carat/text/added_tokens.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace carat;

namespace {

/// Every match as "id:begin-end ".
std::string matches(const AddedTokenMatcher& m, std::string_view text,
                    AddedTokens which = AddedTokens::all, std::vector<TextRange> user = {}) {
    std::string out;
    std::size_t at = 0;
    while (const auto match = m.find(text, at, which, user)) {
        out += std::to_string(match->id) + ":" + std::to_string(match->range.begin) + "-" +
               std::to_string(match->range.end) + " ";
        at = match->range.end;
    }
    return out;
}

}  // namespace

TEST_CASE("the leftmost token wins, then the longest") {
    const AddedTokenMatcher m({{"<a", 1}, {"<a>", 2}, {"a><", 3}, {"\n", 4, false}});
    CHECK(matches(m, "x<a><a\n") == "2:1-4 1:4-6 4:6-7 ");
    CHECK(matches(m, "xa><a>") == "3:1-4 ");
    CHECK(matches(m, "<a>\n", AddedTokens::ordinary) == "4:3-4 ");
    CHECK(matches(m, "<a>\n", AddedTokens::none).empty());
    CHECK(matches(m, "").empty());
    CHECK(matches(AddedTokenMatcher(), "<a>").empty());
}

TEST_CASE("a special token in user text is not seen, a shorter one beside it is") {
    const AddedTokenMatcher m({{"<a", 1}, {"<a>", 2}, {"\n", 4, false}});
    CHECK(matches(m, "<a>\n<a>", AddedTokens::all, {{2, 3}}) == "1:0-2 4:3-4 2:4-7 ");
    CHECK(matches(m, "<a>\n<a>", AddedTokens::all, {{0, 4}}) == "4:3-4 2:4-7 ");
    CHECK(matches(m, "<a>\n<a>", AddedTokens::all, {{0, 1}, {1, 1}, {3, 7}}) == "4:3-4 ");
}

TEST_CASE("tokens swallow white space and respect words where they say so") {
    const AddedTokenMatcher m({{"<l>", 1, true, true},
                               {"<r>", 2, true, false, true},
                               {"w", 3, true, false, false, true}});
    CHECK(matches(m, "a \n<l> b") == "1:1-6 ");
    CHECK(matches(m, "<r> \t<l> b") == "2:0-5 1:5-8 ");
    CHECK(matches(m, "w aw wa \xC3\xA9w w. _w w") == "3:0-1 3:12-13 3:18-19 ");
}

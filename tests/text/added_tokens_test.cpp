#include "carat/text/added_tokens.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <set>
#include <string>
#include <string_view>
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

TEST_CASE("what is found is what a loop over all tokens finds, whatever their bytes") {
    std::mt19937 random(7);
    const std::string_view bytes = "ab\xC3\xA9\n";
    const auto word = [&](std::size_t most) {
        std::string out(1 + random() % most, 'a');
        for (char& c : out) c = bytes[random() % bytes.size()];
        return out;
    };
    std::size_t found = 0;
    for (int i = 0; i < 300; ++i) {
        std::set<std::string> words;
        for (std::size_t t = random() % 12; t > 0; --t) words.insert(word(5));
        std::vector<AddedToken> tokens;
        for (const std::string& text : words)
            tokens.push_back({text, static_cast<std::int32_t>(tokens.size()), random() % 2 == 0});
        std::shuffle(tokens.begin(), tokens.end(), random);
        const std::string text = word(60);
        const std::size_t begin = random() % text.size();
        const std::vector<TextRange> user{{begin, begin + random() % (text.size() - begin + 1)}};
        std::string wanted;
        for (std::size_t at = 0; at < text.size();) {
            const AddedToken* longest = nullptr;
            for (const AddedToken& token : tokens) {
                const std::size_t end = at + token.text.size();
                const bool touches = user[0].begin < end && at < user[0].end;
                if (text.compare(at, token.text.size(), token.text) == 0 &&
                    !(token.special && touches) &&
                    (longest == nullptr || token.text.size() > longest->text.size()))
                    longest = &token;
            }
            if (longest == nullptr) {
                ++at;
                continue;
            }
            const std::size_t end = at + longest->text.size();
            wanted += std::to_string(longest->id) + ":" + std::to_string(at) + "-" +
                      std::to_string(end) + " ";
            at = end;
            ++found;
        }
        CAPTURE(text);
        CHECK(matches(AddedTokenMatcher(tokens), text, AddedTokens::all, user) == wanted);
    }
    CHECK(found > 1000);
}

TEST_CASE("a token that is there twice is special where one of both says so") {
    for (const bool first : {true, false}) {
        const AddedTokenMatcher m({{"<a>", 1, first}, {"<a>", 1, !first}});
        CHECK(matches(m, "<a><a>") == "1:0-3 1:3-6 ");
        CHECK(matches(m, "<a><a>", AddedTokens::all, {{3, 6}}) == "1:0-3 ");
        CHECK(matches(m, "<a>", AddedTokens::ordinary).empty());
    }
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

#include "carat/constrain/matcher.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>

using namespace carat;
using constrain::Grammar;
using constrain::Matcher;

TEST_CASE("what a matcher remembers is counted with its positions, and forgotten but for one set") {
    // After an a, in thousands of states at once.
    Grammar g;
    g.add_rule();
    constexpr std::size_t n = 5000;
    for (std::size_t i = 0; i < n; ++i) {
        const std::uint32_t state = g.add_state(true);
        g.connect(g.rules[0].start, 'a', 'a', state);
        g.connect(state, 'b', 'b', state);
    }
    REQUIRE(g.finish());
    Matcher m(g);
    const Matcher::Id start = m.at(g.rules[0].start, Matcher::bottom);
    const std::size_t before = m.size();
    Matcher::Id many = m.next(start, 'a');
    REQUIRE(many != Matcher::dead);
    CHECK(m[many].positions.size() == n);
    CHECK(m.size() > before + n / 100);
    CHECK(m.next(many, 'b') == many);
    const std::size_t with_both = m.size();
    many = m.keep_only(many);
    CHECK(m.size() < with_both);
    CHECK(m[many].positions.size() == n);
}

TEST_CASE("a shortest way out is as long as it costs, or ends where it is told to") {
    Grammar g;
    g.add_rule();
    g.literal(g.rules[0].start, "abcdefghij", g.add_state(true));
    REQUIRE(g.finish());
    Matcher m(g);
    const Matcher::Id start = m.at(g.rules[0].start, Matcher::bottom);
    CHECK(m[start].cost == 10);
    CHECK(m.way_out(start, 100).size() == 10);
    CHECK(m.way_out(start, 4).size() == 4);
}

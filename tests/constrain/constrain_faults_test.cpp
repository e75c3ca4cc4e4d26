// The system refuses memory while a form is read: an error. While a constraint is asked or told:
// asked and told again, it says what it would have said.
#include "carat/constrain/answer_shape.hpp"
#include "carat/constrain/char_automaton.hpp"
#include "carat/constrain/constraint.hpp"
#include "carat/constrain/matcher.hpp"
#include "carat/constrain/work_limit.hpp"
#include "constrain/play.hpp"
#include "support/faults.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#if defined(__cpp_exceptions)
using namespace carat;
using namespace carat::test;

namespace {

std::vector<std::int32_t> ids(TokenMask mask) {
    std::vector<std::int32_t> out;
    for (std::int32_t id = 0; id < pocket_tokenizer().vocab_size(); ++id)
        if (mask.allows(static_cast<std::size_t>(id))) out.push_back(id);
    return out;
}
std::vector<std::int32_t> allowed(Constraint& c, std::size_t tokens_left) {
    return ids(c.allowed(tokens_left));
}
/// f until it has the memory that it wants: how often it had not.
template <class F>
std::size_t again(F&& f) {
    return fail_until_good([&] {
        return memory_errors([&]() -> Result<void> {
            f();
            return {};
        });
    });
}
AnswerShape nested_values() {
    return AnswerShape::json(
        R"({"type":"object","properties":{"name":{"type":"string"},"n":{"type":"number"},
        "list":{"type":"array","items":{}}},"required":["name","list"]})");
}
/// More letters than a matcher remembers sets.
AnswerShape long_text() { return AnswerShape::choices({std::string(25000, 'a')}); }

}  // namespace

TEST_CASE("memory that ends while a form is read is an error") {
    const Constraint made = good(AnswerShape::choices({"nothing at all"}));
    const auto tools = *parse_json(
        R"([{"function":{"name":"f","parameters":{"properties":{"a":{"type":"string"}}}}}])",
        "tools");
    for (const AnswerShape& shape :
         {AnswerShape::json(R"({"type":"object","properties":{"a":{"type":"string","pattern":"b"},
                                "n":{"type":"number"}},"additionalProperties":{}})"),
          AnswerShape::regex("[a-z]{3}"), AnswerShape::choices({"yes", "no"}),
          AnswerShape::calls()}) {
        CHECK(fail_until_good([&] { return shaped(shape, &tools); }) > 10);
    }
    CHECK(fail_until_good([&, c = made]() mutable { return c.begin(14); }) > 3);
}

TEST_CASE("the edges of a state take memory now and then, not for each alternative") {
    constrain::WorkLimit work;
    constrain::CharNfa nfa(work);
    const std::uint32_t state = nfa.add();
    const constrain::CharSet chars = {{'a', 'b'}, {'d', 'e'}};
    allocations_left = 50;
    const auto done = memory_errors([&]() -> Result<void> {
        for (int i = 0; i < 10000; ++i) nfa.connect(state, chars, state);
        return {};
    });
    allocations_left = never;
    CHECK(done);
}

TEST_CASE("whichever allocations fail while an output is constrained, all masks stay the same") {
    for (const std::size_t limit : {400u, 40u}) {  // 40: the end is near from the start
        CAPTURE(limit);
        Constraint undisturbed = good(nested_values()), c = undisturbed;
        REQUIRE(undisturbed.begin(limit));
        std::size_t failures = fail_until_good([&] { return c.begin(limit); });
        std::mt19937 random(7);
        for (std::size_t step = 0; step < 40 && undisturbed.alive(); ++step) {
            CAPTURE(step);
            const auto expected = allowed(undisturbed, limit - step);
            TokenMask mask;
            failures += again([&] { mask = c.allowed(limit - step); });
            REQUIRE(ids(mask) == expected);
            const std::int32_t chosen = expected[random() % expected.size()];
            undisturbed.accept(chosen);
            failures += again([&] { c.accept(chosen); });
            REQUIRE(c.complete() == undisturbed.complete());
        }
        CHECK(failures > 200);
    }
}

TEST_CASE("one allocation that fails anywhere leaves the masks that come later") {
    constexpr std::size_t limit = 100, steps = 12;
    Constraint undisturbed = good(nested_values());
    REQUIRE(undisturbed.begin(limit));
    std::vector<std::vector<std::int32_t>> masks;
    std::vector<std::int32_t> chosen;
    std::mt19937 random(7);
    for (std::size_t step = 0; step < steps; ++step) {
        masks.push_back(allowed(undisturbed, limit - step));
        chosen.push_back(masks.back()[random() % masks.back().size()]);
        undisturbed.accept(chosen.back());
    }
    for (std::size_t n = 0; n < 3000; n += 1 + n / 20) {
        CAPTURE(n);
        Constraint c = undisturbed;
        std::size_t left = n;
        const auto once = [&](auto&& f) {
            allocations_left = left;
            const bool good = memory_errors([&]() -> Result<void> { return f(); }).has_value();
            left = allocations_left;
            allocations_left = never;
            if (good) return;
            left = never;
            REQUIRE(f());
        };
        once([&] { return c.begin(limit); });
        for (std::size_t step = 0; step < steps; ++step) {
            CAPTURE(step);
            TokenMask mask;
            once([&]() -> Result<void> { return mask = c.allowed(limit - step), Result<void>(); });
            REQUIRE(ids(mask) == masks[step]);
            once([&]() -> Result<void> { return c.accept(chosen[step]), Result<void>(); });
        }
    }
}

TEST_CASE("memory that is refused while sets are forgotten leaves the one that is kept") {
    constrain::Grammar g;
    g.add_rule();
    const std::uint32_t call = g.add_rule(true), value = g.add_rule();
    const std::uint32_t inside = g.add_state(), behind = g.add_state();
    g.call(g.rules[0].start, value, g.add_state(true));
    g.call(g.rules[value].start, call, g.add_state(true));
    g.literal(g.rules[value].start, "1", g.add_state(true));
    g.literal(g.rules[call].start, "[", inside);
    g.call(inside, value, behind);
    g.literal(behind, "]", g.add_state(true));
    REQUIRE(g.finish());
    constrain::Matcher m(g);
    auto set = m.at(g.rules[0].start, constrain::Matcher::bottom);
    for (int i = 0; i < 50; ++i) set = m.next(set, '[');
    REQUIRE(set != constrain::Matcher::dead);
    CHECK(again([&] { set = m.keep_only(set); }) > 50);
    CHECK(m[set].cost == 51);
    set = m.next(set, '1');
    for (int i = 0; i < 50; ++i) {
        REQUIRE(set != constrain::Matcher::dead);
        CHECK_FALSE(m[set].ended);
        set = m.next(set, ']');
    }
    CHECK(m[set].ended);
}

TEST_CASE("memory that is refused when much is remembered leaves an output, or none") {
    constexpr std::size_t limit = 30000, most = 20000;  // Constraint::max_size
    const std::int32_t a = pocket_tokenizer().id_of("a").value();
    Constraint c = good(long_text());
    REQUIRE(c.begin(limit));
    for (std::size_t n = 1; n < most; ++n) c.accept(a);
    const auto last = allowed(c, limit);  // looks further than it remembers
    Constraint other = c;                 // which begins anew
    CHECK(again([&] { c.accept(a); }) > 3);
    CHECK(c.alive());
    CHECK(allowed(c, limit) == last);

    REQUIRE(other.begin(limit));
    for (std::size_t n = 1; n < most; ++n) other.accept(a);
    CHECK(allowed(other, limit) == last);
    allocations_left = 0;
    const auto begun = other.begin(limit);
    allocations_left = never;
    REQUIRE_FALSE(begun);
    CHECK(begun.error().code == Errc::out_of_memory);
    CHECK_FALSE(other.alive());
    CHECK(allowed(other, limit).size() <= 2);  // the end
    REQUIRE(other.begin(limit));
    CHECK(allowed(other, limit) == last);
}
#endif

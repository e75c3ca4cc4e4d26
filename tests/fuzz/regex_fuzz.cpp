// Regular expressions: the automaton of one, and outputs that are bound to it.
#include "carat/constrain/regex.hpp"
#include "carat/text/unicode.hpp"
#include "play.hpp"

using namespace carat;

namespace {

bool matches(const constrain::CharAutomaton& a, std::string_view text) {
    std::uint32_t state = 0;
    while (!text.empty()) {
        const auto c = unicode::first_code_point(text);
        state = a.next(state, c.value);
        if (c.length == 0 || state == constrain::CharAutomaton::none) return false;
        text.remove_prefix(c.length);
    }
    return a.states[state].final;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string text(test::text_of(data, size));
    test::good(constrain::regex(text, constrain::RegexMatch::inside));
    const auto whole = constrain::regex(text);
    if (!test::good(whole)) return 0;
    auto answer = make_constraint(AnswerShape::regex(text), test::small_trie());
    if (!test::good(answer)) return 0;
    for (const std::size_t limit : {1u, 7u, 40u, 200u})
        if (const auto said = test::play(*answer, limit, test::seed_of(text) + limit))
            test::hold(matches(*whole, *said), "an output matches");
    return 0;
}

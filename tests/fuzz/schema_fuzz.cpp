// JSON schemas: of an answer, and of a tool's arguments. Whatever is taken bounds outputs that are
// JSON, at any token limit.
#include "carat/constrain/json_schema.hpp"
#include "carat/prompt/call_syntax.hpp"
#include "play.hpp"

using namespace carat;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string text(test::text_of(data, size));
    const std::uint64_t seed = test::seed_of(text);
    auto answer = make_constraint(AnswerShape::json(text), test::small_trie());
    if (test::good(answer))
        for (const std::size_t limit : {1u, 7u, 40u, 200u})
            if (const auto said = test::play(*answer, limit, seed + limit))
                test::hold(test::good(parse_json(*said, "output")), "an output is JSON");

    const auto tools = parse_json(
        R"([{"type":"function","function":{"name":"f","parameters":)" + text + "}}]", "tools");
    if (!test::good(tools)) return 0;
    auto calls = make_constraint(AnswerShape::calls(), test::small_trie(), &*tools);
    if (test::good(calls))
        for (const std::size_t limit : {9u, 60u}) test::play(*calls, limit, seed + limit);
    return 0;
}

// The token mask of one step: what `allowed` and `accept` cost for each token of an answer, with a
// vocabulary of Gemma 4's size. `first`: the answer is the first of its form, and every state new;
// `again`: one like it was given before. `worst_us` is the dearest single token, `us` the mean.
//
// A decode step of E2B takes 36 ms (q4_0) to 90 ms (bf16) at two threads: see README.md. Of the
// shorter one, 3 % are 1100 us.
#include "carat/constrain/answer_shape.hpp"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using carat::constrain::TokenTrie;

/// Made up, with the lengths and the beginnings that tokens of a large vocabulary have.
std::shared_ptr<const TokenTrie> vocabulary() {
    static const auto trie = [] {
        constexpr std::size_t size = 262144;
        std::mt19937 random(1);
        std::set<std::string> known;
        for (int b = 0; b < 256; ++b) known.emplace(1, static_cast<char>(b));
        for (int n = 0; n < 1000; ++n) known.insert(std::to_string(n));
        for (const char* text : {"{\"", "\":", "\": ", "\",", "\", \"", "\"}", "\"]", "]}", "}}",
                                 "},{\"", "},", "true", "false", "null", "://", "\\n", "\\\""})
            known.insert(text);
        std::vector<std::string> syllables;
        for (const char a : std::string("bcdfghklmnprstvwz"))
            for (const char b : std::string("aeiou"))
                for (const char* c : {"", "n", "r", "s"})
                    syllables.push_back(std::string{a, b} + c);
        while (known.size() < size - 8) {
            std::string word(random() % 2 == 0 ? " " : "");
            for (std::size_t n = 1 + random() % 4; n-- > 0;) {
                if (random() % 8 == 0) {  // a letter of another alphabet
                    word += static_cast<char>(0xD0 + random() % 2);
                    word += static_cast<char>(0x80 + random() % 64);
                } else {
                    word += syllables[random() % syllables.size()];
                }
            }
            if (random() % 64 == 0) word += "\",";
            if (random() % 16 == 0) word[0] = static_cast<char>(std::toupper(word[0]));
            known.insert(word);
        }
        std::vector<std::string> bytes(known.begin(), known.end());
        std::map<std::string, std::int32_t> specials;
        for (const char* text : {"<turn|>", "<eos>", "<|tool_call>", "<tool_call|>", "<|\"|>",
                                 "<|tool_response>", "<|channel>", "<channel|>"}) {
            specials.emplace(text, static_cast<std::int32_t>(bytes.size()));
            bytes.emplace_back();
        }
        return TokenTrie::of(std::move(bytes), specials);
    }();
    return trie;
}

constexpr const char* person = R"({"type":"object","properties":{
    "name":{"type":"string","maxLength":40},"born":{"type":"string","format":"date"},
    "height":{"type":"number","minimum":0,"maximum":3},"about":{"type":"string"},
    "friends":{"type":"array","items":{"type":"object","properties":{
        "name":{"type":"string"},"since":{"type":"integer"},"close":{"type":"boolean"}},
        "required":["name","since"],"additionalProperties":false},"minItems":2},
    "mail":{"type":"string","format":"email"},"more":{}},
    "required":["name","born","height","about","friends","mail"],"additionalProperties":false})";

const carat::JsonValue& tools() {
    static const carat::Json tree = [] {
        std::string text = "[";
        for (const char* name : {"get_weather", "set_timer", "search"})
            text += std::string(text.size() > 1 ? "," : "") +
                    R"({"type":"function","function":{"name":")" + name + R"(","parameters":)" +
                    person + "}}";
        auto read = carat::parse_json(text + "]", "tools");
        return *std::move(read);
    }();
    return tree;
}

carat::Constraint made(int form) {
    using Shape = carat::AnswerShape;
    const Shape shapes[] = {
        Shape::json(person), Shape::json("{}"), Shape::calls(),
        Shape::regex("([A-Z][a-z ]{2,30}[.,;] ?)+"),
        Shape::choices({"yes", "no", "neither of them", "both of them", "perhaps"})};
    return *carat::make_constraint(shapes[form], vocabulary(), &tools());
}

/// An answer by chance, of tokens that do not end it while others may follow.
std::vector<std::int32_t> answer(carat::Constraint c, std::size_t limit) {
    std::mt19937 random(2);
    std::vector<std::int32_t> ids, all;
    if (!c.begin(limit)) return ids;
    while (ids.size() < limit && !(ids.size() > 1 && c.complete() && random() % 8 == 0)) {
        const carat::TokenMask mask = c.allowed(limit - ids.size());
        all.clear();
        for (std::size_t id = 0; id < vocabulary()->vocab_size(); ++id)
            if (mask.allows(id)) all.push_back(static_cast<std::int32_t>(id));
        std::int32_t id = all[random() % all.size()];
        const auto call = vocabulary()->special("<|tool_call>");
        if (random() % 16 == 0 && mask.allows(static_cast<std::size_t>(*call))) id = *call;
        if (const auto quote = vocabulary()->special("<|\"|>");
            random() % 6 == 0 && mask.allows(static_cast<std::size_t>(*quote)))
            id = *quote;
        if (random() % 6 == 0 && mask.allows('"')) {
            for (const std::int32_t one : all)
                if (vocabulary()->bytes(one) == "\"") id = one;
        }
        ids.push_back(id);
        c.accept(id);
        if (vocabulary()->bytes(id).empty() && c.complete() && c.allowed(1).allows(0)) break;
    }
    return ids;
}

void mask(benchmark::State& state, int form, bool again) {
    constexpr std::size_t limit = 200;
    carat::Constraint shared = made(form);
    const std::vector<std::int32_t> ids = answer(shared, limit);
    if (ids.empty()) return state.SkipWithError("no answer");
    double worst = 0, sum = 0;
    std::size_t tokens = 0;
    const auto give = [&](carat::Constraint& c) {
        if (!c.begin(limit)) return;
        for (std::size_t i = 0; i < ids.size(); ++i) {
            const auto start = Clock::now();
            const carat::TokenMask mask = c.allowed(limit - i);
            benchmark::DoNotOptimize(mask.words().data());
            c.accept(ids[i]);
            const double us =
                std::chrono::duration<double, std::micro>(Clock::now() - start).count();
            worst = std::max(worst, us);
            sum += us;
            ++tokens;
        }
    };
    if (again) {
        give(shared);
        worst = sum = 0, tokens = 0;
    }
    for (auto _ : state) {
        if (again) {
            give(shared);
        } else {
            carat::Constraint fresh = shared;
            give(fresh);
        }
    }
    state.counters["tokens"] = static_cast<double>(ids.size());
    state.counters["us"] = sum / static_cast<double>(tokens);
    state.counters["worst_us"] = worst;
}
#define FORM(name, form)                                                               \
    BENCHMARK_CAPTURE(mask, name##_first, form, false)->Unit(benchmark::kMillisecond); \
    BENCHMARK_CAPTURE(mask, name##_again, form, true)->Unit(benchmark::kMillisecond)
FORM(schema, 0);
FORM(any_json, 1);
FORM(calls, 2);
FORM(regex, 3);
FORM(choices, 4);

/// From a schema to a constraint, once for a form.
void compile(benchmark::State& state) {
    vocabulary();
    for (auto _ : state) benchmark::DoNotOptimize(made(0));
}
BENCHMARK(compile)->Unit(benchmark::kMillisecond);

}  // namespace

#include "carat/generate/generate.hpp"

#include "support/generated_weights.hpp"
#include "support/tiny_models.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace carat::test {
namespace {

using Model = TextModel<tiny::a, weights::f32>;
using Input = SessionInput<Model>;

constexpr std::array<std::int32_t, 5> prompt{2, 5, 9, 3, 7};

struct Generated {
    StopReason reason{};
    std::vector<std::int32_t> ids;
    std::size_t size = 0;  ///< of the session afterwards
};

struct Setup {
    MadeUp<Model> made;
    Serial serial;

    Session<Model> session(std::size_t context = 64) {
        auto s = Session<Model>::create(made.weights, serial, {.context_tokens = context});
        REQUIRE(s);
        return std::move(*s);
    }
    static Sampler sampler(SamplerOptions options = {.greedy = true}) {
        auto s = Sampler::create(16, std::move(options));
        REQUIRE(s);
        return std::move(*s);
    }
    Generated run(const GenerateOptions& options, SamplerOptions how = {.greedy = true},
                  std::size_t context = 64) {
        auto s = session(context);
        auto draw = sampler(std::move(how));
        Generated g;
        const auto r = generate(s, Input{.ids = prompt}, draw, options,
                                [&](std::int32_t id) { g.ids.push_back(id); });
        REQUIRE(r);
        g.reason = *r;
        g.size = s.size();
        return g;
    }
};

TEST_CASE_FIXTURE(Setup,
                  "as many tokens as asked for, each the largest logit of what came before") {
    const Generated g = run({.max_tokens = 20, .stop_ids = {}});
    CHECK(g.reason == StopReason::max_tokens);
    REQUIRE(g.ids.size() == 20);
    CHECK(g.size == prompt.size() + 19);  // the last is not fed back
    std::vector<std::int32_t> all(prompt.begin(), prompt.end());
    for (const std::int32_t id : g.ids) {
        auto s = session();
        const auto z = s.append(all);
        REQUIRE(z);
        CHECK(std::max_element(z->begin(), z->end()) - z->begin() == id);
        all.push_back(id);
    }
    CHECK(run({.max_tokens = 0}).ids.empty());
    CHECK(run({.max_tokens = 1, .stop_ids = {}}).ids.size() == 1);
}

TEST_CASE_FIXTURE(Setup, "a stop id is shown and ends it, whichever of them comes first") {
    const std::vector<std::int32_t> all = run({.max_tokens = 20, .stop_ids = {}}, {.seed = 5}).ids;
    const std::int32_t stop = all[9];
    const auto first = std::find(all.begin(), all.end(), stop);
    const Generated g = run({.max_tokens = 20, .stop_ids = {-1, stop, 99}}, {.seed = 5});
    CHECK(g.reason == StopReason::stop_token);
    CHECK(g.ids == std::vector<std::int32_t>(all.begin(), first + 1));
    // A stop id that comes last of all is a stop all the same.
    const auto place = static_cast<std::size_t>(first - all.begin());
    CHECK(run({.max_tokens = place + 1, .stop_ids = {stop}}, {.seed = 5}).reason ==
          StopReason::stop_token);
}

TEST_CASE_FIXTURE(Setup, "a full context ends it, and every token of it was used") {
    const Generated g = run({.max_tokens = 100, .stop_ids = {}}, {.greedy = true}, 12);
    CHECK(g.reason == StopReason::context_full);
    CHECK(g.size == 12);
    CHECK(g.ids.size() == 12 - prompt.size() + 1);
    CHECK(run({.max_tokens = 8, .stop_ids = {}}, {.greedy = true}, 12).reason ==
          StopReason::max_tokens);
}

TEST_CASE_FIXTURE(Setup, "the caller ends it with false, and the session goes on from there") {
    const std::vector<std::int32_t> all = run({.max_tokens = 10, .stop_ids = {}}).ids;
    auto s = session();
    auto draw = sampler();
    std::vector<std::int32_t> ids;
    const auto take = [&](std::size_t n) {
        return [&ids, n](std::int32_t id) {
            ids.push_back(id);
            return ids.size() < n;
        };
    };
    const auto r =
        generate(s, Input{.ids = prompt}, draw, {.max_tokens = 10, .stop_ids = {}}, take(4));
    REQUIRE(r);
    CHECK(*r == StopReason::caller);
    CHECK(ids == std::vector<std::int32_t>(all.begin(), all.begin() + 4));
    const std::int32_t last = ids.back();
    REQUIRE(generate(s, Input{.ids = std::span(&last, 1)}, draw, {.max_tokens = 6, .stop_ids = {}},
                     take(100)));
    CHECK(ids == all);
}

TEST_CASE_FIXTURE(Setup, "a cancelled prompt and a bad one are errors, and nothing is generated") {
    auto s = session();
    auto draw = sampler();
    const auto never = [](std::int32_t) { FAIL("a token was generated"); };
    const auto cancelled = generate(s, Input{.ids = prompt}, draw, {}, never,
                                    [](std::size_t, std::size_t) { return false; });
    REQUIRE_FALSE(cancelled);
    CHECK(cancelled.error().code == Errc::cancelled);
    const std::int32_t wrong = 16;
    const auto bad = generate(s, Input{.ids = std::span(&wrong, 1)}, draw, {}, never);
    REQUIRE_FALSE(bad);
    CHECK(bad.error().code == Errc::out_of_range);
    CHECK(s.size() == 0);
}

TEST_CASE_FIXTURE(Setup, "one seed gives one text, and other seeds others") {
    const GenerateOptions options{.max_tokens = 20, .stop_ids = {}};
    CHECK(run(options, {.seed = 1}).ids == run(options, {.seed = 1}).ids);
    std::set<std::vector<std::int32_t>> texts;
    for (std::uint64_t seed = 0; seed < 5; ++seed) texts.insert(run(options, {.seed = seed}).ids);
    CHECK(texts.size() == 5);
}

TEST_CASE_FIXTURE(Setup, "a suppressed token never comes, greedy or drawn") {
    const GenerateOptions options{.max_tokens = 30, .stop_ids = {}};
    const std::int32_t often = run(options).ids[0];
    for (const bool greedy : {true, false}) {
        const auto ids = run(options, {.greedy = greedy, .suppress_tokens = {often}}).ids;
        CHECK(std::count(ids.begin(), ids.end(), often) == 0);
        CHECK(ids.size() == 30);
    }
}

TEST_CASE_FIXTURE(Setup, "the penalty counts the prompt and what was generated") {
    // So strong a penalty that no token comes twice before all have come.
    const auto ids =
        run({.max_tokens = 11, .stop_ids = {}}, {.greedy = true, .repetition_penalty = 1e6f}).ids;
    std::set<std::int32_t> all(prompt.begin(), prompt.end());
    all.insert(ids.begin(), ids.end());
    CHECK(all.size() > prompt.size() + 3);  // positive logits become tiny, negative ones huge
    auto s = session();
    auto draw = sampler({.greedy = true, .repetition_penalty = 1e6f});
    std::vector<std::int32_t> again;
    for (const std::int32_t id : prompt) draw.observe(id);
    auto z = s.append(prompt);
    for (std::size_t i = 0; i < ids.size(); ++i) {
        REQUIRE(z);
        again.push_back(draw(*z));
        draw.observe(again.back());
        z = s.append(std::span(&again.back(), 1));
    }
    CHECK(again == ids);
}

TEST_CASE_FIXTURE(Setup,
                  "weights that make no numbers are an error, not the first token for ever") {
    float& damaged = const_cast<float*>(made.weights.norm.data())[3];  // made.memory's own
    const float whole = damaged;
    const auto fault = [&](bool greedy) {
        auto s = session();
        auto draw = sampler({.greedy = greedy});
        std::size_t told = 0;
        const auto r = generate(s, Input{.ids = prompt}, draw, {.max_tokens = 9},
                                [&](std::int32_t) { ++told; });
        REQUIRE_FALSE(r);
        CHECK(r.error().code == Errc::bad_format);
        CHECK(told == 0);
        return r.error().text;
    };
    for (const bool greedy : {true, false}) {
        // An infinity too, of which the soft cap makes logits like any others.
        for (const float value : {std::nanf(""), HUGE_VALF, -HUGE_VALF}) {
            CAPTURE(value);
            damaged = value;
            CHECK(fault(greedy) ==
                  "the hidden state after 5 tokens is not finite: the weights are damaged");
        }
        damaged = whole;
        auto s = session();
        auto draw = sampler({.greedy = greedy});
        std::size_t told = 0;
        const auto r = generate(s, Input{.ids = prompt}, draw, {.max_tokens = 9},
                                [&](std::int32_t) { damaged = ++told == 3 ? HUGE_VALF : whole; });
        REQUIRE_FALSE(r);
        CHECK(told == 3);
        CHECK(r.error().text ==
              "the hidden state after 8 tokens is not finite: the weights are damaged");
        damaged = whole;
    }
}

TEST_CASE_FIXTURE(Setup, "a head that makes no numbers of a hidden state is an error") {
    const std::vector<float> embeds(prompt.size() * Model::hidden, 0.5f);
    auto* head = const_cast<float*>(made.weights.embed_tokens.data());
    std::fill_n(head, Model::vocab * Model::hidden, std::nanf(""));
    auto s = session();
    auto draw = sampler();
    const auto r =
        generate(s,
                 Input{.ids = prompt,
                       .embeds = Rows<const float, Model::hidden>(embeds.data(), prompt.size())},
                 draw, {.max_tokens = 9}, [](std::int32_t) {});
    REQUIRE_FALSE(r);
    CHECK(r.error().text == "the logits after 5 tokens are not finite: the weights are damaged");
}

TEST_CASE_FIXTURE(Setup, "where no allowed token has a number, none that is forbidden is taken") {
    struct Only {
        std::array<std::uint64_t, 1> words{1u << 7};
        std::size_t accepted = 0;
        TokenMask allowed(std::size_t) { return std::span<const std::uint64_t>(words); }
        void accept(std::int32_t) { ++accepted; }
    } only;
    const std::vector<float> embeds(prompt.size() * Model::hidden, 0.5f);
    auto* head = const_cast<float*>(made.weights.embed_tokens.data());
    std::fill_n(head + 7 * Model::hidden, Model::hidden, std::nanf(""));
    for (const bool greedy : {true, false}) {
        auto s = session();
        auto draw = sampler({.greedy = greedy});
        const auto r = generate(
            s,
            Input{.ids = prompt,
                  .embeds = Rows<const float, Model::hidden>(embeds.data(), prompt.size())},
            draw, {.max_tokens = 9}, [](std::int32_t) {}, {}, only);
        REQUIRE_FALSE(r);
        CHECK(r.error().text == "none of the tokens allowed after 5 tokens has a finite logit");
        CHECK(only.accepted == 0);
    }
}

TEST_CASE("every reason to stop has a name") {
    CHECK(std::string(name_of(StopReason::stop_token)) == "stop_token");
    CHECK(std::string(name_of(StopReason::max_tokens)) == "max_tokens");
    CHECK(std::string(name_of(StopReason::context_full)) == "context_full");
    CHECK(std::string(name_of(StopReason::caller)) == "caller");
}

}  // namespace
}  // namespace carat::test

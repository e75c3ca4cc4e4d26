#include "carat/generate/generate.hpp"
#include "carat/parallel/thread_pool.hpp"
#include "support/generated_weights.hpp"
#include "support/tiny_models.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <new>
#include <span>
#include <vector>

namespace carat::test {
namespace {

using A = TextModel<tiny::a, weights::f32>;
constexpr std::array<std::int32_t, 3> prompt{2, 5, 9};

struct Made {
    MadeUp<A> weights;
    Serial serial;
    Session<A> session;
    Sampler sampler;

    explicit Made(std::size_t context = 32)
        : session(*Session<A>::create(weights.weights, serial, {.context_tokens = context})),
          sampler(*Sampler::create(A::vocab, {.greedy = true})) {}
};

/// Allows one token after another, whatever the model thinks of it, and writes down what it hears.
struct Dictation {
    std::vector<std::int32_t> script;
    std::vector<std::int32_t> heard{};
    std::vector<std::size_t> left{};
    std::array<std::uint64_t, TokenMask::words_for(A::vocab)> words{};

    TokenMask allowed(std::size_t tokens_left) {
        left.push_back(tokens_left);
        const auto id = static_cast<std::size_t>(script[heard.size()]);
        words.fill(0);
        words[id / 64] = std::uint64_t{1} << (id % 64);
        return TokenMask(words);
    }
    void accept(std::int32_t id) { heard.push_back(id); }
};

}  // namespace

TEST_CASE("tokens asked for one at a time are those that generate tells") {
    Made a, b;
    const GenerateOptions options{.max_tokens = 6, .stop_ids = {}};
    std::vector<std::int32_t> told, asked;
    const auto stop = generate(a.session, {.ids = prompt}, a.sampler, options,
                               [&](std::int32_t id) { told.push_back(id); });
    REQUIRE(stop);
    CHECK(*stop == StopReason::max_tokens);
    Generation<A> generation(b.session, b.sampler, options);
    REQUIRE(generation.read({.ids = prompt}));
    while (true) {
        const auto id = generation.next();
        REQUIRE(id);
        if (!*id) break;
        asked.push_back(**id);
    }
    CHECK(generation.stop_reason() == StopReason::max_tokens);
    CHECK(asked == told);
    CHECK(a.session.size() == 8);
    CHECK(b.session.size() == 8);
}

TEST_CASE("a filter has the last word, and is told how many tokens are left") {
    Made made;
    Dictation dictation{{7, 1, 4, 4, 3}};
    const auto stop = generate(
        made.session, {.ids = prompt}, made.sampler, {.max_tokens = 9, .stop_ids = {3}},
        [](std::int32_t) {}, {}, dictation);
    REQUIRE(stop);
    CHECK(*stop == StopReason::stop_token);
    CHECK(dictation.heard == dictation.script);
    CHECK(dictation.left == std::vector<std::size_t>{9, 8, 7, 6, 5});

    Made small(5);  // of the context, two places are free, and one more token needs none
    Dictation cut{{7, 1, 4, 4, 3}};
    const auto full = generate(
        small.session, {.ids = prompt}, small.sampler, {.max_tokens = 9, .stop_ids = {}},
        [](std::int32_t) {}, {}, cut);
    REQUIRE(full);
    CHECK(*full == StopReason::context_full);
    CHECK(cut.left == std::vector<std::size_t>{3, 2, 1});
}

#if defined(__cpp_exceptions)
TEST_CASE("a filter whose memory ends is an error, and can be asked again") {
    struct Greedy {
        std::size_t after;
        TokenMask allowed(std::size_t) {
            if (after == 0) throw std::bad_alloc();
            return {};
        }
        void accept(std::int32_t) { --after; }
    };
    std::vector<std::int32_t> expected;
    Made reference;
    REQUIRE(generate(reference.session, {.ids = prompt}, reference.sampler,
                     {.max_tokens = 4, .stop_ids = {}},
                     [&](std::int32_t id) { expected.push_back(id); }));
    for (const std::size_t after : {0u, 2u}) {
        CAPTURE(after);
        Made made;
        Greedy filter{after};
        Generation<A> generation(made.session, made.sampler, {.max_tokens = 4, .stop_ids = {}},
                                 filter);
        REQUIRE(generation.read({.ids = prompt}));
        std::vector<std::int32_t> told;
        while (told.size() < after) told.push_back(**generation.next());
        const auto failed = generation.next();
        REQUIRE_FALSE(failed);
        CHECK(failed.error().code == Errc::out_of_memory);
        CHECK(failed.error().text == "the next token: out of memory");
        filter.after = expected.size();  // there is memory again
        while (told.size() < expected.size()) told.push_back(**generation.next());
        CHECK(told == expected);
        CHECK_FALSE(*generation.next());
    }
}
#endif

}  // namespace carat::test

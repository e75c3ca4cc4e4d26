// One step of a drafter: the golden numbers of spec/speculative.md section 10, and what a step
// reads of the model that it drafts for.
#include "carat/model/drafter.hpp"

#include "carat/generate/session.hpp"
#include "support/generated_weights.hpp"
#include "support/patch_tap.hpp"
#include "support/tiny_models.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <set>
#include <span>
#include <vector>

namespace carat::test {
namespace {

using A = TextModel<tiny::a, weights::f32>;
using Centroids = Drafter<tiny::drafter(tiny::a, 4), A>;
using Plain = Drafter<tiny::drafter(tiny::a, 0), A>;

constexpr std::array<std::int32_t, 7> ids{2, 5, 9, 3, 7, 1, 4};

void check(std::span<const float> actual, std::initializer_list<double> expected) {
    REQUIRE(actual.size() == expected.size());
    std::size_t i = 0;
    for (const double e : expected) {
        CAPTURE(i);
        CHECK(std::abs(static_cast<double>(actual[i++]) - e) < 1e-5);
    }
}

/// The model after seven tokens, and a drafter with its memory.
template <class Draft>
struct Drafting {
    MadeUp<A> model;
    MadeUpDrafter<Draft> drafter;
    Serial serial;
    Session<A> session;
    Arena arena;
    typename Draft::Scratch scratch;
    std::vector<float> logits, state;
    DraftRound round;

    explicit Drafting(std::span<const std::int32_t> prompt = ids)
        : session(*Session<A>::create(model.weights, serial, {.context_tokens = 16})) {
        MemoryPlan plan;
        Draft::Scratch::take(plan, 16, 1);
        arena = Arena(plan.bytes());
        scratch = Draft::Scratch::take(arena, 16, 1);
        const auto z = session.append(prompt);
        REQUIRE(z);
        logits.assign(z->begin(), z->end());
        REQUIRE(session.final_norms().rows() == 1);
        const auto norm = session.final_norms().row(0).span();
        state.assign(norm.begin(), norm.end());
        start(DraftRound::behind(session.size(), tiny::a.sliding_window, session.key_mask()));
    }
    void start(const DraftRound& r) {
        round = r;
        Draft::begin(round, scratch);
    }
    std::int32_t step(std::int32_t token) {
        const std::int32_t next = Draft{}.step(drafter.weights, session.weights(), session.cache(),
                                               round, token, state, scratch, serial);
        const auto left = scratch.state.row(0).span();
        state.assign(left.begin(), left.end());
        return next;
    }
};

}  // namespace

TEST_CASE("two steps of the tiny drafter give the golden numbers, all tokens scored") {
    Drafting<Plain> d;
    CHECK(std::max_element(d.logits.begin(), d.logits.end()) - d.logits.begin() == 11);
    CHECK(d.round.position == 7);
    CHECK(d.round.sliding == nn::Visible{5, 7});
    CHECK(d.round.full == nn::Visible{0, 7});
    d.step(11);
    check(d.state,
          {-0.183000, 0.073938, -0.321835, 0.273631, -0.002627, -0.582478, -0.998438, 0.185558});
    check(d.scratch.head.z.span(),
          {-0.456491, -0.780934, 0.050455, -0.155186, -0.628917, -0.665207, 0.325923, -0.111748,
           -0.353538, -0.128947, -0.010184, 0.476780, -0.005146, -0.596955, 0.710755, 0.383586});
    d.step(14);
    check(d.scratch.head.z.span(),
          {0.340070, 1.071764, -1.111059, 0.320943, -0.063855, 0.713552, 0.204946, -0.260104,
           -0.111820, 0.665791, -0.148294, -0.767486, 0.802358, -0.311807, -0.169275, 0.335344});
}

TEST_CASE("the centroid head scores the tokens of its two best centroids and drafts the best") {
    Drafting<Centroids> d;
    const auto scored = [&] {
        std::set<std::int32_t> tokens;
        for (std::size_t i = 0; i < Centroids::config.scored_tokens(); ++i)
            tokens.insert(Centroids::Head::token(d.drafter.weights.head, d.scratch.head, i));
        return tokens;
    };
    CHECK(d.step(11) == 14);
    CHECK(scored() == std::set<std::int32_t>{3, 8, 13, 2, 15, 4, 9, 14});
    const std::array<float, 16> dense{-0.456491f, -0.780934f, 0.050455f,  -0.155186f,
                                      -0.628917f, -0.665207f, 0.325923f,  -0.111748f,
                                      -0.353538f, -0.128947f, -0.010184f, 0.476780f,
                                      -0.005146f, -0.596955f, 0.710755f,  0.383586f};
    for (std::size_t i = 0; i < 8; ++i) {
        const std::int32_t id = Centroids::Head::token(d.drafter.weights.head, d.scratch.head, i);
        CHECK(std::abs(d.scratch.head.z[i] - dense[static_cast<std::size_t>(id)]) < 1e-5f);
    }
    CHECK(d.step(14) == 1);
    // Centroids 2 and 1.
    CHECK(scored() == std::set<std::int32_t>{11, 0, 5, 10, 7, 12, 1, 6});
}

TEST_CASE("a step reads the last owning layer of each type, as far as its mask, and its position") {
    const auto run = [](auto&& change) {
        Drafting<Plain> d;
        change(d);
        d.step(11);
        return d.state;
    };
    const auto plain = run([](auto&) {});
    const auto spoil = [](const auto& cache, std::size_t index) {
        std::array<float, 8> big{};
        big.fill(3.0f);
        cache.put_key(0, index, big.data());
        cache.put_value(0, index, big.data());
    };
    // Sliding layers 0 and 1 own keys, and layer 1 is the last; layer 2 is the only full owner.
    CHECK(run([&](auto& d) { spoil(d.session.cache().sliding[0], 6); }) == plain);
    CHECK(run([&](auto& d) { spoil(d.session.cache().sliding[1], 6); }) != plain);
    CHECK(run([&](auto& d) { spoil(d.session.cache().sliding[1], 5); }) != plain);
    CHECK(run([&](auto& d) { spoil(d.session.cache().sliding[1], 4); }) == plain);
    CHECK(run([&](auto& d) { spoil(d.session.cache().sliding[1], 7); }) == plain);
    CHECK(run([&](auto& d) { spoil(d.session.cache().full[0], 0); }) != plain);
    CHECK(run([&](auto& d) { spoil(d.session.cache().full[0], 7); }) == plain);
    CHECK(run([](auto& d) {
              d.round.position = 8;
              d.start(d.round);
          }) != plain);
    // The same state and token give the same, whichever step of the round it is.
    CHECK(run([](auto& d) {
              const auto state = d.state;
              d.step(3);
              d.state = state;
          }) == plain);
}

TEST_CASE("a hidden state that a tap puts in place of another is what the draft is made of") {
    Drafting<Plain> d;
    check_patching(Plain::layers + 1, [&](std::size_t which, auto& tap) {
        Plain{}.step(d.drafter.weights, d.session.weights(), d.session.cache(), d.round,
                     which == 0 ? 11 : 3, d.state, d.scratch, d.serial, tap);
        const auto z = d.scratch.head.z.span();
        return std::vector<float>(z.begin(), z.end());
    });
}

TEST_CASE("behind few tokens a drafter sees all of them, and padding never") {
    CHECK(DraftRound::behind(1, 3, {}).sliding == nn::Visible{0, 1});
    CHECK(DraftRound::behind(2, 3, {}).sliding == nn::Visible{0, 2});
    CHECK(DraftRound::behind(3, 3, {}).sliding == nn::Visible{1, 3});
    const auto run = [](std::span<const std::uint8_t> mask) {
        Drafting<Plain> d{std::span<const std::int32_t>(ids).first(2)};
        d.round.key_mask = mask;
        d.step(11);
        return d.state;
    };
    const std::array<std::uint8_t, 2> all{1, 1}, second{0, 1};
    CHECK(run(all) == run({}));
    CHECK(run(second) != run({}));
}

TEST_CASE("weights that are no numbers draft some token of the vocabulary") {
    constexpr float nan = std::numeric_limits<float>::quiet_NaN();
    const std::array<float, 6> norm{nan, nan, nan, nan, nan, nan};
    Drafting<Centroids> d;
    d.drafter.weights.norm = View<const float, 6>(norm.data());
    std::int32_t token = 11;
    for (int i = 0; i < 3; ++i) {
        token = d.step(token);
        CHECK((token >= 0 && token < 16));
    }
    Drafting<Plain> p;
    p.drafter.weights.norm = View<const float, 6>(norm.data());
    CHECK(p.step(11) == 0);
}

}  // namespace carat::test

#include "carat/generate/sampler.hpp"

#include "carat/checkpoint/mapped_file.hpp"
#include "carat/checkpoint/safetensors.hpp"
#include "support/random.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace carat::test {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

Sampler sampler(std::size_t vocab, SamplerOptions options) {
    auto made = Sampler::create(vocab, std::move(options));
    if (!made) FAIL(made.error().text);
    return std::move(*made);
}
std::string refusal(SamplerOptions options, Errc code = Errc::invalid_argument) {
    const auto made = Sampler::create(8, std::move(options));
    REQUIRE_FALSE(made);
    CHECK(made.error().code == code);
    return made.error().text;
}

/// The reference's filters: four rows of logits, one of them with ties.
struct Reference {
    MappedFile map;
    Safetensors tensors;

    Reference() {
        const std::string path = CARAT_SOURCE_DIR "/tests/fixtures/hf/sampling.safetensors";
        auto file = MappedFile::open(path);
        REQUIRE(file);
        map = std::move(*file);
        auto read = Safetensors::read(map.bytes(), "sampling.safetensors");
        REQUIRE(read);
        tensors = std::move(*read);
    }
    template <class T>
    std::vector<std::vector<T>> rows(const std::string& name) const {
        const StoredTensor* t = tensors.find(name);
        REQUIRE(t != nullptr);
        REQUIRE(t->dtype == dtype_of<T>);
        std::vector<std::vector<T>> out(t->shape[0], std::vector<T>(t->shape[1]));
        for (std::size_t r = 0; r < out.size(); ++r)
            std::memcpy(out[r].data(), t->data + r * t->shape[1] * sizeof(T),
                        t->shape[1] * sizeof(T));
        return out;
    }
};

TEST_CASE("what every filter leaves is what the reference's leaves, ties included") {
    const Reference reference;
    const std::map<std::string, SamplerOptions> settings{
        {"temperature_0.7", {.temperature = 0.7f}},
        {"top_k_1", {.top_k = 1}},
        {"top_k_5", {.top_k = 5}},
        {"top_p_0.5", {.top_p = 0.5f}},
        {"top_p_0.95", {.top_p = 0.95f}},
        {"min_p_0.1", {.min_p = 0.1f}},
        {"repetition_1.3", {.repetition_penalty = 1.3f}},
        {"gemma_default", {.temperature = 1.0f, .top_k = 64, .top_p = 0.95f}},
        {"all",
         {.temperature = 0.8f,
          .top_k = 40,
          .top_p = 0.9f,
          .min_p = 0.02f,
          .repetition_penalty = 1.2f}}};
    const auto logits = reference.rows<float>("logits");
    const auto ids = reference.rows<std::int32_t>("input_ids");
    for (const auto& setting : settings) {
        const std::string& name = setting.first;
        CAPTURE(name);
        const auto expected = reference.rows<float>(name + ".probs");
        Sampler s = sampler(logits[0].size(), setting.second);
        for (std::size_t row = 0; row < logits.size(); ++row) {
            CAPTURE(row);
            s.reset();
            for (const std::int32_t id : ids[row]) s.observe(id);
            std::vector<float> actual(logits[row].size());
            float last = 1.0f;
            for (const Candidate& c : s.candidates(logits[row])) {
                CHECK(c.probability <= last);
                last = c.probability;
                actual[static_cast<std::size_t>(c.id)] = c.probability;
            }
            // Which of equals are left, where not all are, the reference's sort leaves open: so
            // many of each logit must be, with its probability.
            const auto by_logit = [&](const std::vector<float>& p) {
                std::vector<std::pair<float, float>> pairs;
                for (std::size_t i = 0; i < p.size(); ++i) pairs.emplace_back(logits[row][i], p[i]);
                std::sort(pairs.begin(), pairs.end());
                return pairs;
            };
            const auto ours = by_logit(actual), theirs = by_logit(expected[row]);
            for (std::size_t i = 0; i < ours.size(); ++i) {
                CAPTURE(ours[i].first);
                CHECK((ours[i].second > 0.0f) == (theirs[i].second > 0.0f));
                CHECK(std::abs(ours[i].second - theirs[i].second) <= 1e-6f);
            }
        }
    }
}

TEST_CASE("the same seed draws the same tokens, another seed others, and reset starts over") {
    const auto logits = Elements<float>::random(50, 1, 0, 2.0f);
    const std::span<const float> z(logits.data(), 50);
    Sampler a = sampler(50, {.seed = 7}), b = sampler(50, {.seed = 7}),
            c = sampler(50, {.seed = 8});
    std::vector<std::int32_t> from_a, from_b, from_c, again;
    for (int i = 0; i < 100; ++i) {
        from_a.push_back(a(z));
        from_b.push_back(b(z));
        from_c.push_back(c(z));
    }
    CHECK(from_a == from_b);
    CHECK(from_a != from_c);
    a.reset();
    for (int i = 0; i < 100; ++i) again.push_back(a(z));
    CHECK(again == from_a);
}

TEST_CASE("of many tokens the same are left as by sorting them all, with few sorted") {
    constexpr std::size_t n = 9000;
    const auto logits = Elements<float>::random(n, 3, 0, 3.0f);
    for (std::size_t i = 0; i < n; i += 7) logits[i] = logits[i / 7];  // some are equal
    const std::span<const float> z(logits.data(), n);
    std::vector<std::size_t> order(n);
    for (std::size_t i = 0; i < n; ++i) order[i] = i;
    std::sort(order.begin(), order.end(),
              [&](std::size_t a, std::size_t b) { return z[a] != z[b] ? z[a] > z[b] : a > b; });
    double total = 0.0;
    for (const float x : z) total += std::exp(static_cast<double>(x - z[order[0]]));
    for (const SamplerOptions& o :
         {SamplerOptions{}, SamplerOptions{.top_p = 0.2f}, SamplerOptions{.top_p = 0.7f},
          SamplerOptions{.min_p = 0.5f}, SamplerOptions{.min_p = 0.01f},
          SamplerOptions{.top_p = 0.9f, .min_p = 0.1f}, SamplerOptions{.top_k = 100}}) {
        Sampler s = sampler(n, o);
        const auto left = s.candidates(z);
        std::size_t kept = 0;
        double above = 0.0;
        const auto weight = [&](std::size_t i) {
            return std::exp(static_cast<double>(z[order[i]] - z[order[0]]));
        };
        if (o.top_k > 0) {
            for (kept = o.top_k; kept < n && z[order[kept]] == z[order[o.top_k - 1]];) ++kept;
        } else {
            while (kept < n && (o.top_p == 1.0f || above < static_cast<double>(o.top_p) * total) &&
                   (kept == 0 || weight(kept) >= static_cast<double>(o.min_p)))
                above += weight(kept++);
        }
        REQUIRE(left.size() == kept);
        std::size_t wrong = 0;
        for (std::size_t i = 0; i < kept; ++i)
            wrong += static_cast<std::size_t>(left[i].id) == order[i] ? 0u : 1u;
        CHECK(wrong == 0);
    }
}

TEST_CASE("tokens are drawn as often as their probability says") {
    const float logits[] = {std::log(0.1f), std::log(0.6f), -infinity, std::log(0.3f)};
    Sampler s = sampler(4, {.seed = 3});
    std::vector<int> counts(4);
    for (int i = 0; i < 20000; ++i) ++counts[static_cast<std::size_t>(s(logits))];
    CHECK(std::abs(counts[0] - 2000) < 200);  // some five standard deviations
    CHECK(std::abs(counts[1] - 12000) < 350);
    CHECK(counts[2] == 0);
    CHECK(std::abs(counts[3] - 6000) < 330);
}

TEST_CASE("greedy takes the largest logit, of equals the lowest id, and never a suppressed one") {
    const float logits[] = {1.0f, 5.0f, 2.0f, 5.0f, 4.0f};
    Sampler greedy = sampler(5, {.greedy = true});
    CHECK(greedy(logits) == 1);
    Sampler without = sampler(5, {.greedy = true, .suppress_tokens = {1, 3}});
    CHECK(without(logits) == 4);
    Sampler drawn = sampler(5, {.suppress_tokens = {0, 1, 3, 4}});
    for (int i = 0; i < 20; ++i) CHECK(drawn(logits) == 2);
}

TEST_CASE("a repetition penalty pushes seen tokens down whatever their sign, greedy too") {
    const float positive[] = {3.0f, 2.0f, 1.0f}, negative[] = {-3.0f, -1.0f, -1.5f};
    Sampler s = sampler(3, {.greedy = true, .repetition_penalty = 2.0f});
    CHECK(s(positive) == 0);
    s.observe(0);
    CHECK(s(positive) == 1);
    s.reset();
    CHECK(s(positive) == 0);
    s.observe(1);
    CHECK(s(negative) == 2);
    s.observe(-1);  // no token
    s.observe(3);
    CHECK(s(negative) == 2);
}

TEST_CASE("one candidate is left at least, however strict the filters") {
    const auto logits = Elements<float>::random(20, 1);
    const std::span<const float> z(logits.data(), 20);
    const auto best = static_cast<std::int32_t>(std::max_element(z.begin(), z.end()) - z.begin());
    for (const SamplerOptions& o :
         {SamplerOptions{.top_k = 1}, SamplerOptions{.top_p = 1e-30f},
          SamplerOptions{.min_p = 1.0f}, SamplerOptions{.temperature = 1e-6f, .top_p = 0.5f}}) {
        Sampler s = sampler(20, o);
        const auto left = s.candidates(z);
        REQUIRE(left.size() == 1);
        CHECK(left[0].id == best);
        CHECK(left[0].probability == 1.0f);
    }
}

TEST_CASE("the coldest temperature there is draws the best token, the hottest any") {
    const float logits[] = {-20.0f, 25.0f, 24.0f};
    Sampler cold = sampler(3, {.temperature = std::numeric_limits<float>::denorm_min()});
    for (int i = 0; i < 20; ++i) CHECK(cold(logits) == 1);
    Sampler hot = sampler(3, {.temperature = std::numeric_limits<float>::max()});
    std::vector<int> counts(3);
    for (int i = 0; i < 300; ++i) ++counts[static_cast<std::size_t>(hot(logits))];
    for (const int n : counts) CHECK(n > 50);
}

TEST_CASE("a NaN among the logits is never chosen, and of nothing but NaN nothing is") {
    const float nan = std::numeric_limits<float>::quiet_NaN();
    const float some[] = {nan, -4.0f, nan, -5.0f}, none[] = {nan, nan, nan, nan};
    for (const bool greedy : {true, false}) {
        Sampler s = sampler(4, {.greedy = greedy});
        for (int i = 0; i < 20; ++i) CHECK(s(some) % 2 == 1);
        CHECK(s(none) == -1);
    }
    const std::vector<std::uint64_t> words{1u << 2};
    for (SamplerOptions o : {SamplerOptions{.greedy = true}, {}, {.top_k = 3}, {.top_p = 0.5f}}) {
        CHECK(sampler(4, o)(some, TokenMask(words)) == -1);  // not 1, which is forbidden
        o.suppress_tokens = {2};
        const float all[] = {3.0f, 2.0f, 1.0f, 0.0f};
        CHECK(sampler(4, o)(all, TokenMask(words)) == -1);
    }
}

TEST_CASE("a mask leaves the tokens that it allows, greedy and drawn, suppressed ones excepted") {
    std::vector<float> logits(70);
    for (std::size_t i = 0; i < logits.size(); ++i) logits[i] = static_cast<float>(i % 13);
    const std::vector<std::uint64_t> words{1u << 3 | 1u << 12, 1u << 2};
    const TokenMask mask{words};
    CHECK(mask.restricts());
    CHECK_FALSE(TokenMask().restricts());
    CHECK(TokenMask().allows(1u << 20));
    CHECK(mask.allows(66));
    CHECK_FALSE(mask.allows(65));
    CHECK_FALSE(mask.allows(128));
    auto greedy = Sampler::create(logits.size(), {.greedy = true});
    REQUIRE(greedy);
    CHECK((*greedy)(logits) == 12);
    CHECK((*greedy)(logits, mask) == 12);
    auto without = Sampler::create(logits.size(), {.greedy = true, .suppress_tokens = {12}});
    REQUIRE(without);
    CHECK((*without)(logits, mask) == 3);
    auto drawn = Sampler::create(logits.size(), {.temperature = 10.0f});
    REQUIRE(drawn);
    CHECK(drawn->candidates(logits, mask).size() == 3);
    for (int i = 0; i < 100; ++i)
        CHECK(mask.allows(static_cast<std::size_t>((*drawn)(logits, mask))));
    CHECK(drawn->candidates(logits, TokenMask(std::span(words).first(1))).size() == 2);
}

TEST_CASE("an option out of its range is refused in a sentence") {
    CHECK(refusal({.temperature = 0.0f}) ==
          "temperature is 0.000000, expected a number above 0 (or greedy decoding)");
    CHECK(refusal({.temperature = -1.0f}).find("temperature is -1") == 0);
    CHECK(refusal({.temperature = infinity}).find("temperature is inf") == 0);
    CHECK(refusal({.temperature = std::nanf("")}).find("temperature is ") == 0);
    CHECK(refusal({.top_p = 0.0f}) == "top_p is 0.000000, expected above 0 and at most 1");
    CHECK(refusal({.top_p = 1.5f}).find("top_p is 1.5") == 0);
    CHECK(refusal({.top_p = std::nanf("")}).find("top_p is ") == 0);
    CHECK(refusal({.min_p = -0.1f}) == "min_p is -0.100000, expected 0 to 1");
    CHECK(refusal({.min_p = 1.1f}).find("min_p is 1.1") == 0);
    CHECK(refusal({.repetition_penalty = 0.0f}) ==
          "repetition_penalty is 0.000000, expected a number above 0");
    CHECK(refusal({.repetition_penalty = infinity}).find("repetition_penalty is inf") == 0);
    CHECK(refusal({.suppress_tokens = {3, 8}}, Errc::out_of_range) ==
          "suppress_tokens has id 8, expected 0 to 7");
    CHECK(refusal({.suppress_tokens = {-1}}, Errc::out_of_range) ==
          "suppress_tokens has id -1, expected 0 to 7");
    CHECK(refusal({.suppress_tokens = {0, 1, 2, 3, 4, 5, 6, 7}}) ==
          "suppress_tokens leaves none of 8 tokens to choose from");
    CHECK(Sampler::create(8, {.suppress_tokens = {0, 1, 2, 3, 4, 5, 6, 6, 6}}));
}

TEST_CASE("greedy decoding reads no option of drawing, whatever it is, but penalties") {
    const std::vector<float> logits{0, 2, 1};
    for (const SamplerOptions& o :
         {SamplerOptions{.greedy = true, .temperature = 0.0f},  // as generation_config.json has it
          SamplerOptions{.greedy = true, .temperature = std::nanf("")},
          SamplerOptions{.greedy = true, .top_p = 0.0f},
          SamplerOptions{.greedy = true, .min_p = -1.0f}}) {
        auto greedy = Sampler::create(3, o);
        REQUIRE(greedy);
        CHECK((*greedy)(logits) == 1);
    }
    CHECK(refusal({.greedy = true, .repetition_penalty = 0.0f}).find("repetition_penalty") == 0);
}

}  // namespace
}  // namespace carat::test

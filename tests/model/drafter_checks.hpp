/// \file
/// What the reference's assistants draft, and what generating with them must not change, for one of
/// the fixtures' pairs.
#pragma once

#include "carat/gemma4.hpp"
#include "carat/gemma4_drafter.hpp"
#include "carat/generate/generate.hpp"
#include "carat/parallel/thread_pool.hpp"
#include "support/fixture.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace carat::test {

template <class Gemma, DrafterConfig D>
struct DrafterChecks {
    using Assistant = Gemma4Drafter<D, Gemma>;
    using Draft = typename Assistant::Draft;
    using Session = typename Gemma::Session;

    std::string folder, drafter_folder;
    Gemma model;
    Assistant drafter;
    ThreadPool pool{2};

    explicit DrafterChecks(const std::string& name)
        : folder(name),
          drafter_folder("assistant-" + name),
          model(open<Gemma>(folder)),
          drafter(open<Assistant>(drafter_folder)) {}

    template <class T>
    static T open(const std::string& name) {
        auto opened = T::open(fixture_path(name));
        if (!opened) FAIL(opened.error().text);
        return std::move(*opened);
    }
    Session session(std::size_t chunk = 128) {
        auto s = model.session(pool, {.context_tokens = 128, .chunk_tokens = chunk});
        REQUIRE(s);
        return std::move(*s);
    }

    /// What a step shows: hidden states, and probabilities by cache index.
    struct Seen : NoTap {
        static constexpr bool hidden_states = true, attentions = true;
        std::array<std::vector<float>, Draft::layers + 1> hidden;
        std::array<std::vector<float>, Draft::layers> attended;
        std::size_t keys = 0;
        void hidden_state(std::size_t entry, std::size_t, std::span<const float> x) {
            hidden[entry].assign(x.begin(), x.end());
        }
        void attention(std::size_t layer, std::size_t, std::size_t head, std::size_t first,
                       std::span<const float> p) {
            attended[layer].resize((head + 1) * keys);
            std::copy(p.begin(), p.end(),
                      attended[layer].begin() + static_cast<std::ptrdiff_t>(head * keys + first));
        }
    };

    /// Logits of all tokens as the reference gives them: those that were not scored are one below
    /// the least that was.
    std::vector<float> all_logits(const typename Draft::Scratch& s) {
        const std::span<const float> z = s.head.z.span();
        const float least = *std::min_element(z.begin(), z.end());
        std::vector<float> all(Gemma::Text::vocab, least - 1.0f);
        for (std::size_t i = 0; i < z.size(); ++i)
            all[static_cast<std::size_t>(Draft::Head::token(drafter.weights().head, s.head, i))] =
                z[i];
        return all;
    }

    /// Five steps on the reference's keys and values, with the window that it gives its drafters:
    /// two keys more than a model's own token would see.
    void steps() {
        const Fixture f(drafter_folder, "draft");
        const auto prompt = f.ints("prompt_ids");
        Session s = session();
        const auto logits = s.append(prompt);
        REQUIRE(logits);
        CHECK(std::max_element(logits->begin(), logits->end()) - logits->begin() ==
              f.ints("first_token")[0]);
        put(f, "sliding_attention", s.cache().sliding.back(), prompt.size());
        put(f, "full_attention", s.cache().full.back(), prompt.size());

        MemoryPlan plan;
        Draft::Scratch::take(plan, 128, 2);
        Arena arena(plan.bytes());
        const auto scratch = Draft::Scratch::take(arena, 128, 2);
        DraftRound round =
            DraftRound::behind(s.size(), Gemma::Text::config.sliding_window, s.key_mask());
        CHECK(static_cast<std::int32_t>(round.position) == f.ints("position")[0]);
        round.sliding.begin -= 2;
        Draft::begin(round, scratch);

        std::int32_t token = f.ints("first_token")[0];
        std::vector<float> state = f.floats("target_hidden");
        for (int step = 0; step < 5; ++step) {
            const std::string name = "step." + std::to_string(step) + ".";
            Seen seen;
            seen.keys = prompt.size();
            token = Draft{}.step(drafter.weights(), s.weights(), s.cache(), round, token, state,
                                 scratch, pool, seen);
            f.check(name + "inputs", scratch.input.row(0).span());
            f.check(name + "logits", all_logits(scratch));
            f.check(name + "feedback", scratch.state.row(0).span());
            CHECK(token == f.ints(name + "token")[0]);
            const auto left = scratch.state.row(0).span();
            state.assign(left.begin(), left.end());
            if (step > 0) continue;
            for (std::size_t l = 0; l <= Draft::layers; ++l)
                f.check(name + "hidden." + std::to_string(l), seen.hidden[l]);
            for (std::size_t l = 0; l < Draft::layers; ++l) {
                seen.attended[l].resize(D.text.num_attention_heads * prompt.size());
                f.check(name + "attention." + std::to_string(l), seen.attended[l]);
            }
        }
    }

    /// Greedy and sampled, with any number of drafts, whatever the chunk: the same tokens. The
    /// greedy ones are the reference's.
    void generation() {
        const Fixture f(drafter_folder, "draft");
        const auto prompt = f.ints("prompt_ids");
        const auto reference = f.ints("greedy_ids");
        const auto run = [&](Session& s, const SamplerOptions& how, std::size_t tokens,
                             LogitsSource<typename Gemma::Text>* source) {
            auto sampler = *Sampler::create(Gemma::Text::vocab, how);
            std::vector<std::int32_t> ids;
            REQUIRE(generate(
                s, {.ids = prompt}, sampler, {.max_tokens = tokens, .stop_ids = {}},
                [&](std::int32_t id) { ids.push_back(id); }, {}, {}, source));
            return ids;
        };
        CHECK(drafter.draft_tokens() == 4);
        for (const SamplerOptions& how :
             {SamplerOptions{.greedy = true}, SamplerOptions{.top_k = 8, .seed = 5}}) {
            Session plain = session();
            const auto expected = run(plain, how, 80, nullptr);
            if (how.greedy) CHECK(std::equal(reference.begin(), reference.end(), expected.begin()));
            for (const std::size_t drafts : {1u, 3u, 4u, 8u}) {
                CAPTURE(drafts);
                Session s = session(16);
                auto source = drafter.speculation(s, {.draft_tokens = drafts, .adapt = false});
                REQUIRE(source);
                CHECK(run(s, how, 80, &*source) == expected);
                CHECK(source->stats().drafted > 0);
                CHECK(s.size() == plain.size());
            }
        }
    }

    /// The planned bytes are those taken.
    void memory() {
        CHECK(drafter.memory_bytes() <= Assistant::weight_bytes());
        CHECK(drafter.memory_bytes() + 64 * 64 >= Assistant::weight_bytes());
        Session s = session();
        const auto source = drafter.speculation(s);
        REQUIRE(source);
        CHECK(source->memory_bytes() ==
              Assistant::speculation_bytes({.context_tokens = 128}, 2, 4));
    }

  private:
    template <class Cache>
    static void put(const Fixture& f, const std::string& type, const Cache& cache,
                    std::size_t tokens) {
        const auto k = f.floats("kv." + type + ".k"), v = f.floats("kv." + type + ".v");
        REQUIRE(k.size() == Cache::heads * tokens * Cache::row);
        std::vector<float> own(Cache::row);
        for (std::size_t head = 0; head < Cache::heads; ++head)
            for (std::size_t t = 0; t < tokens; ++t) {
                const std::size_t at = (head * tokens + t) * Cache::row;
                if (t + 15 >= tokens || type == "full_attention") {  // what the model left there
                    cache.key(head, t, own.data());
                    for (std::size_t i = 0; i < Cache::row; ++i)
                        CHECK(std::abs(own[i] - k[at + i]) < 1e-3f);
                }
                cache.put_key(head, t, k.data() + at);
                cache.put_value(head, t, v.data() + at);
            }
    }
};

}  // namespace carat::test

// What an assistant is worth: greedy decoding with it and without, in turns.
#pragma once

#include "carat/generate/generate.hpp"
#include "timed_model.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <span>
#include <string>
#include <vector>

struct DraftingOptions {
    std::string assistant{};
    double agree = 1;                          ///< share of the replayed guesses that are right
    std::size_t draft_tokens = 0, rounds = 3;  ///< 0: as the assistant's files say
    bool always = false;                       ///< as many drafts, also where it is slower
};

#if CARAT_DRAFT
using Draft = Assistant::Draft;

/// An assistant whose guesses are replaced by what it is told, and that takes as long as before.
struct Replaying : Draft {
    struct Weights {
        const Draft::Weights* drafter;
        std::vector<std::int32_t> says;  ///< by cache index
        mutable std::size_t position = 0, next = 0;
    };
    static std::int32_t step(const Weights& w, const Target::Weights& target,
                             const Target::Cache& cache, const carat::DraftRound& round,
                             std::int32_t token, std::span<const float> state, const Scratch& s,
                             carat::ExecutorRef executor) {
        const std::int32_t guess =
            Draft{}.step(*w.drafter, target, cache, round, token, state, s, executor);
        if (w.position != round.position) w.next = 0;
        w.position = round.position;
        const std::size_t at = round.position + ++w.next;
        return at < w.says.size() ? w.says[at] : guess;
    }
};

struct Decoded {
    std::vector<std::int32_t> ids{};
    double tok_s = 0;
};

/// Greedy tokens behind a prompt, and how fast they came.
template <class Clock>
carat::Result<Decoded> decode(TimedModel<Clock>& bench, std::size_t depth, std::size_t gen,
                              carat::LogitsSource<Model::Text>* source) {
    auto sampler = carat::Sampler::create(Model::Text::vocab, {.greedy = true});
    if (!sampler) return sampler.error();
    bench.session().clear();
    carat::Generation<Model::Text> generation(bench.session(), *sampler,
                                              {.max_tokens = gen + 1, .stop_ids = {}}, {}, source);
    if (auto read = generation.read({.ids = bench.tokens(depth)}); !read) return read.error();
    Decoded d;
    typename Clock::time_point start;
    while (true) {
        const auto id = generation.next();
        if (!id) return id.error();
        if (!*id) break;
        if (d.ids.empty()) start = Clock::now();  // the first comes with the prompt
        d.ids.push_back(**id);
    }
    d.tok_s = static_cast<double>(gen) / Clock::seconds_since(start);
    return d;
}

inline double median(std::vector<double> all) {
    std::sort(all.begin(), all.end());
    return all[all.size() / 2];
}

/// Milliseconds of a call with 1, 2, … tokens that all get logits, after `depth` tokens, and last
/// of one step of the assistant.
template <class Clock>
carat::Result<std::vector<double>> costs(TimedModel<Clock>& bench, const Assistant& assistant,
                                         std::size_t depth, std::size_t most, std::size_t rounds) {
    Model::Session& session = bench.session();
    session.clear();
    if (auto read = session.append(bench.tokens(depth)); !read) return read.error();
    carat::MemoryPlan plan;
    Draft::Scratch::take(plan, session.context_tokens(), session.executor().concurrency());
    carat::Arena arena(plan.bytes());
    const auto scratch =
        Draft::Scratch::take(arena, session.context_tokens(), session.executor().concurrency());
    std::vector<std::vector<double>> all(most + 2);
    for (std::size_t round = 0; round < rounds; ++round) {
        for (std::size_t n = 1; n <= most + 1; ++n) {
            const auto ids = bench.tokens(n);
            const auto start = Clock::now();
            auto done = session.append({.ids = ids, .logits_to_keep = 0},
                                       [](std::size_t, std::span<const float>) {});
            if (!done) return done.error();
            all[n - 1].push_back(1000 * Clock::seconds_since(start));
            session.rewind(depth);
        }
        const auto drafts = carat::DraftRound::behind(depth, Model::Text::config.sliding_window,
                                                      session.key_mask());
        Draft::begin(drafts, scratch);
        const auto start = Clock::now();
        Draft{}.step(assistant.weights(), session.weights(), session.cache(), drafts, 5,
                     session.final_norms().row(0).span(), scratch, session.executor());
        all.back().push_back(1000 * Clock::seconds_since(start));
    }
    std::vector<double> ms;
    for (auto& one : all) ms.push_back(median(one));
    return ms;
}

/// Greedy decoding in turns, see generate.cpp; prints one JSON line.
template <class Clock>
carat::Result<void> time_drafting(const Model& model, const DraftingOptions& a, std::size_t depth,
                                  std::size_t gen, std::size_t threads) {
    carat::ThreadPool pool(threads);
    const auto assistant = Assistant::open(a.assistant, {}, {.executor = pool});
    if (!assistant) return assistant.error();
    TimedModel<Clock> bench(model, depth + gen + 1 + carat::DraftPace::most_drafts);
    if (auto started = bench.start(threads); !started) return started;
    const std::size_t most = a.draft_tokens > 0 ? a.draft_tokens : assistant->draft_tokens();
    const carat::SpeculationOptions options{.draft_tokens = most, .adapt = !a.always};
    const auto ms = costs(bench, *assistant, depth, most, 4 * a.rounds);
    if (!ms) return ms.error();
    std::vector<double> plain, drafted, agreeing;
    carat::DraftStats drafts, agreed;
    bool same = true;
    for (std::size_t round = 0; round < a.rounds; ++round) {
        const auto expected = decode(bench, depth, gen, nullptr);
        if (!expected) return expected.error();
        plain.push_back(expected->tok_s);

        auto source = carat::Speculation<Draft, Clock>::create(assistant->weights(),
                                                               bench.session(), options);
        if (!source) return source.error();
        const auto with = decode(bench, depth, gen, &*source);
        if (!with) return with.error();
        drafted.push_back(with->tok_s);
        drafts = source->stats();
        same = same && with->ids == expected->ids;

        const auto prompt = bench.tokens(depth);
        Replaying::Weights told{&assistant->weights(), {prompt.begin(), prompt.end()}};
        std::uint32_t state = 7;
        for (const std::int32_t id : expected->ids) {
            state = state * 1664525u + 1013904223u;
            const bool right = static_cast<double>(state >> 8) < a.agree * 0x1p24;
            told.says.push_back(right ? id : id == 0 ? 1 : 0);
        }
        auto replay = carat::Speculation<Replaying, Clock>::create(told, bench.session(), options);
        if (!replay) return replay.error();
        const auto agree = decode(bench, depth, gen, &*replay);
        if (!agree) return agree.error();
        agreeing.push_back(agree->tok_s);
        agreed = replay->stats();
        same = same && agree->ids == expected->ids;
    }
    const auto print = [&](const char* name, const std::vector<double>& tok_s,
                           const carat::DraftStats& s) {
        std::vector<double>
            ratios;  // of turns that follow each other, as the machine's speed changes
        for (std::size_t i = 0; i < plain.size(); ++i) ratios.push_back(tok_s[i] / plain[i]);
        std::printf(
            ", \"%s\": {\"tok_s\": %.2f, \"ratio\": %.3f, \"drafted\": %zu, "
            "\"accepted\": %zu, \"passes\": %zu}",
            name, median(tok_s), median(ratios), s.drafted, s.accepted, s.passes);
    };
    std::printf("{\"plain_tok_s\": %.2f", median(plain));
    print("drafted", drafted, drafts);
    print("agreeing", agreeing, agreed);
    std::printf(", \"same_tokens\": %s, \"assistant_bytes\": %zu, \"call_ms\": [",
                same ? "true" : "false", assistant->memory_bytes());
    for (std::size_t n = 0; n <= most; ++n) std::printf(n == 0 ? "%.1f" : ", %.1f", (*ms)[n]);
    std::printf("], \"step_ms\": %.2f}\n", ms->back());
    return {};
}
#else
template <class Clock>
carat::Result<void> time_drafting(const Model&, const DraftingOptions& a, std::size_t, std::size_t,
                                  std::size_t) {
    return Assistant::open(a.assistant).error();
}
#endif

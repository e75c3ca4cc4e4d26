// Times prompt and generation of a whole model on made-up tokens; prints one JSON line.
//
//   generate --model DIR --prompt 512 --gen 64 --depth 0 --threads 2
//   generate --model DIR --serve        obeys lines on standard input, with one JSON line each:
//       pp N            a prompt of N tokens
//       tg N [DEPTH]    N tokens one by one, after DEPTH tokens of context
//       threads N       threads from now on
//   generate --model DIR --draft DIR --gen 256 --depth 64
//       greedy decoding in turns: plain; with the assistant, whose guesses are as good as its
//       weights; and with its guesses replaced by what the model said before (a share --agree of
//       them), while its steps are computed all the same: what it is good for where it agrees.
//       Needs a build with -DCARAT_DRAFT=<folder of the assistant>
//   generate --model DIR --tokens FILE --logits FILE
//       what the model says after each token of some sequences, one a line, as safetensors:
//       `prompt` where a sequence is read at once, `steps` where it is read token by token
#include "carat/generate/generate.hpp"

#include "../examples/program.hpp"
#include "carat/checkpoint/safetensors_writer.hpp"
#include "carat/parallel/thread_pool.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <iostream>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <sys/resource.h>
#include <vector>

namespace {

struct Arguments {
    std::string model, draft, tokens, logits;
    double agree = 1;
    std::size_t draft_tokens = 0, rounds = 3;
    bool always = false;  // as many drafts
    std::size_t prompt = 512, gen = 64, depth = 0, threads = all_threads(), context = 0;
    bool serve = false, in_place = false;
};

/// The time, or what the program has had of the processor's: for one thread on a machine that does
/// other things as well.
bool processor_time = false;
double seconds() {
    timespec t{};
    clock_gettime(processor_time ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &t);
    return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

class Bench {
  public:
    Bench(const Model& model, std::size_t context_tokens)
        : model_(model), context_tokens_(context_tokens) {}

    /// Starts over, with so many threads.
    carat::Result<void> start(std::size_t threads) {
        session_.reset();
        pool_ = std::make_unique<carat::ThreadPool>(threads);
        auto session = model_.session(*pool_, {.context_tokens = context_tokens_});
        if (!session) return session.error();
        session_.emplace(std::move(*session));
        return {};
    }
    Model::Session& session() { return *session_; }

    /// Tokens a second of a prompt of n tokens into an empty context.
    carat::Result<double> prompt(std::size_t n) {
        session_->clear();
        const double start = seconds();
        if (auto done = session_->append(tokens(n)); !done) return done.error();
        return static_cast<double>(n) / (seconds() - start);
    }
    /// Tokens a second of n tokens one by one, after `depth` tokens of context.
    carat::Result<double> generate(std::size_t n, std::size_t depth) {
        if (session_->size() > depth && !session_->rewind(depth)) session_->clear();
        if (session_->size() < depth)
            if (auto done = session_->append(tokens(depth - session_->size())); !done)
                return done.error();
        const double start = seconds();
        std::int32_t id = 2;
        for (std::size_t i = 0; i < n; ++i) {
            const auto logits = session_->append(std::span(&id, 1));
            if (!logits) return logits.error();
            id = static_cast<std::int32_t>(std::max_element(logits->begin(), logits->end()) -
                                           logits->begin());
        }
        return static_cast<double>(n) / (seconds() - start);
    }

    /// Made up, the same each time.
    std::span<const std::int32_t> tokens(std::size_t n) {
        ids_.resize(n);
        std::uint32_t state = 1;
        for (std::int32_t& id : ids_) {
            state = state * 1664525u + 1013904223u;
            id = static_cast<std::int32_t>(state % Model::Text::vocab);
        }
        return ids_;
    }

  private:
    const Model& model_;
    std::size_t context_tokens_;
    std::unique_ptr<carat::ThreadPool> pool_;
    std::optional<Model::Session> session_;
    std::vector<std::int32_t> ids_;
};

carat::Result<void> serve(Bench& bench) {
    for (std::string line; std::getline(std::cin, line);) {
        std::istringstream words(line);
        std::string what;
        std::size_t n = 0, depth = 0;
        words >> what >> n >> depth;
        if ((what != "pp" && what != "tg" && what != "threads") || n == 0 || n > (1u << 20))
            return carat::Error{
                carat::Errc::invalid_argument,
                "expected \"pp N\", \"tg N [DEPTH]\" or \"threads N\", not \"" + line + '"'};
        if (what == "threads") {
            if (auto started = bench.start(n); !started) return started;
            std::printf("{\"threads\": %zu}\n", n);
        } else {
            const auto rate = what == "pp" ? bench.prompt(n) : bench.generate(n, depth);
            if (!rate) return rate.error();
            std::printf("{\"tok_s\": %.3f}\n", *rate);
        }
        std::fflush(stdout);
    }
    return {};
}

/// Token ids, one sequence a line.
carat::Result<std::vector<std::vector<std::int32_t>>> read_sequences(const std::string& path) {
    std::ifstream file(path);
    if (!file) return carat::Error{carat::Errc::io, path + ": cannot be opened"};
    std::vector<std::vector<std::int32_t>> all;
    for (std::string line; std::getline(file, line);) {
        std::istringstream words(line);
        std::vector<std::int32_t> ids;
        for (std::int32_t id; words >> id;) ids.push_back(id);
        if (ids.empty() || !words.eof())
            return carat::Error{carat::Errc::bad_format,
                                path + ": expected token ids, not \"" + line + '"'};
        all.push_back(std::move(ids));
    }
    return all;
}

carat::Result<void> write_logits(const Arguments& a, const Model& model) {
    const auto sequences = read_sequences(a.tokens);
    if (!sequences) return sequences.error();
    std::size_t longest = 1;
    for (const auto& ids : *sequences) longest = std::max(longest, ids.size());
    Bench bench(model, longest);
    if (auto started = bench.start(a.threads); !started) return started;
    std::vector<float> prompt, steps;
    for (const auto& ids : *sequences) {
        const auto keep = [](std::vector<float>& all) {
            return [&](std::size_t, std::span<const float> z) {
                all.insert(all.end(), z.begin(), z.end());
            };
        };
        bench.session().clear();
        auto done = bench.session().append({.ids = ids, .logits_to_keep = 0}, keep(prompt));
        if (!done) return done;
        bench.session().clear();
        for (const std::int32_t& id : ids) {
            done = bench.session().append({.ids = std::span(&id, 1)}, keep(steps));
            if (!done) return done;
        }
    }
    carat::SafetensorsWriter file;
    const std::size_t rows = prompt.size() / Model::Text::vocab;
    if (auto added = file.add("prompt", {rows, Model::Text::vocab}, std::move(prompt)); !added)
        return added;
    if (auto added = file.add("steps", {rows, Model::Text::vocab}, std::move(steps)); !added)
        return added;
    return file.write(a.logits);
}

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

/// seconds(), for the pace of drafts.
struct BenchClock {
    using time_point =
        std::chrono::time_point<std::chrono::steady_clock, std::chrono::duration<double>>;
    static time_point now() { return time_point(std::chrono::duration<double>(seconds())); }
};

struct Decoded {
    std::vector<std::int32_t> ids{};
    double tok_s = 0;
};

/// Greedy tokens behind a prompt, and how fast they came.
carat::Result<Decoded> decode(Bench& bench, std::size_t depth, std::size_t gen,
                              carat::LogitsSource<Model::Text>* source) {
    auto sampler = carat::Sampler::create(Model::Text::vocab, {.greedy = true});
    if (!sampler) return sampler.error();
    bench.session().clear();
    carat::Generation<Model::Text> generation(bench.session(), *sampler,
                                              {.max_tokens = gen + 1, .stop_ids = {}}, {}, source);
    if (auto read = generation.read({.ids = bench.tokens(depth)}); !read) return read.error();
    Decoded d;
    double start = 0;
    while (true) {
        const auto id = generation.next();
        if (!id) return id.error();
        if (!*id) break;
        if (d.ids.empty()) start = seconds();  // the first comes with the prompt
        d.ids.push_back(**id);
    }
    d.tok_s = static_cast<double>(gen) / (seconds() - start);
    return d;
}

double median(std::vector<double> all) {
    std::sort(all.begin(), all.end());
    return all[all.size() / 2];
}

/// Milliseconds of a call with 1, 2, … tokens that all get logits, after `depth` tokens, and last
/// of one step of the assistant.
carat::Result<std::vector<double>> costs(Bench& bench, const Assistant& assistant,
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
            const double start = seconds();
            auto done = session.append({.ids = ids, .logits_to_keep = 0},
                                       [](std::size_t, std::span<const float>) {});
            if (!done) return done.error();
            all[n - 1].push_back(1000 * (seconds() - start));
            session.rewind(depth);
        }
        const auto drafts = carat::DraftRound::behind(depth, Model::Text::config.sliding_window,
                                                      session.key_mask());
        Draft::begin(drafts, scratch);
        const double start = seconds();
        Draft{}.step(assistant.weights(), session.weights(), session.cache(), drafts, 5,
                     session.final_norms().row(0).span(), scratch, session.executor());
        all.back().push_back(1000 * (seconds() - start));
    }
    std::vector<double> ms;
    for (auto& one : all) ms.push_back(median(one));
    return ms;
}

carat::Result<void> drafting(const Arguments& a, const Model& model, carat::ExecutorRef executor) {
    const auto assistant = Assistant::open(a.draft, {}, {.executor = executor});
    if (!assistant) return assistant.error();
    const std::size_t depth = std::max(a.depth, std::size_t{1});
    Bench bench(model, depth + a.gen + 1 + carat::DraftPace::most_drafts);
    if (auto started = bench.start(a.threads); !started) return started;
    const std::size_t most = a.draft_tokens > 0 ? a.draft_tokens : assistant->draft_tokens();
    const carat::SpeculationOptions options{.draft_tokens = most, .adapt = !a.always};
    const auto ms = costs(bench, *assistant, depth, most, 4 * a.rounds);
    if (!ms) return ms.error();
    std::vector<double> plain, drafted, agreeing;
    carat::DraftStats drafts, agreed;
    bool same = true;
    for (std::size_t round = 0; round < a.rounds; ++round) {
        const auto expected = decode(bench, depth, a.gen, nullptr);
        if (!expected) return expected.error();
        plain.push_back(expected->tok_s);

        auto source = carat::Speculation<Draft, BenchClock>::create(assistant->weights(),
                                                                    bench.session(), options);
        if (!source) return source.error();
        const auto with = decode(bench, depth, a.gen, &*source);
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
        auto replay =
            carat::Speculation<Replaying, BenchClock>::create(told, bench.session(), options);
        if (!replay) return replay.error();
        const auto agree = decode(bench, depth, a.gen, &*replay);
        if (!agree) return agree.error();
        agreeing.push_back(agree->tok_s);
        agreed = replay->stats();
        same = same && agree->ids == expected->ids;
    }
    const auto print = [&](const char* name, double tok_s, const carat::DraftStats& s) {
        std::printf(
            ", \"%s\": {\"tok_s\": %.2f, \"ratio\": %.3f, \"drafted\": %zu, "
            "\"accepted\": %zu, \"passes\": %zu}",
            name, tok_s, tok_s / median(plain), s.drafted, s.accepted, s.passes);
    };
    std::printf("{\"plain_tok_s\": %.2f", median(plain));
    print("drafted", median(drafted), drafts);
    print("agreeing", median(agreeing), agreed);
    std::printf(", \"same_tokens\": %s, \"assistant_bytes\": %zu, \"call_ms\": [",
                same ? "true" : "false", assistant->memory_bytes());
    for (std::size_t n = 0; n <= most; ++n) std::printf(n == 0 ? "%.1f" : ", %.1f", (*ms)[n]);
    std::printf("], \"step_ms\": %.2f}\n", ms->back());
    return {};
}
#else
carat::Result<void> drafting(const Arguments& a, const Model&, carat::ExecutorRef) {
    return Assistant::open(a.draft).error();
}
#endif

carat::Result<void> run(const Arguments& a) {
    const double start = seconds();
    carat::ThreadPool pool(a.threads);
    const auto model = Model::open(a.model, {}, {.executor = pool, .in_place = a.in_place});
    if (!model) return model.error();
    const double load_ms = 1000 * (seconds() - start);
    if (!a.logits.empty()) return write_logits(a, *model);
    if (!a.draft.empty()) return drafting(a, *model, pool);

    const std::size_t needed = std::max({a.prompt, a.depth + a.gen, std::size_t{1}});
    Bench bench(*model, a.context > 0 ? a.context : a.serve ? 4608 : needed);
    if (auto started = bench.start(a.threads); !started) return started;
    const auto first = bench.generate(1, 0);
    if (!first) return first.error();
    const double first_token_ms = 1000 * (seconds() - start);
    const std::size_t planned = model->memory_bytes() + bench.session().memory_bytes();
    if (a.serve) {
        std::printf("{\"load_ms\": %.1f, \"first_token_ms\": %.1f, \"planned_bytes\": %zu}\n",
                    load_ms, first_token_ms, planned);
        std::fflush(stdout);
        return serve(bench);
    }
    double prompt = 0, gen = 0;
    if (a.prompt > 0) {
        const auto rate = bench.prompt(a.prompt);
        if (!rate) return rate.error();
        prompt = *rate;
    }
    if (a.gen > 0) {
        const auto rate = bench.generate(a.gen, a.depth);
        if (!rate) return rate.error();
        gen = *rate;
    }
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    std::printf(
        "{\"load_ms\": %.1f, \"first_token_ms\": %.1f, \"prefill_tok_s\": %.2f, "
        "\"decode_tok_s\": %.2f, \"planned_bytes\": %zu, \"peak_bytes\": %zu}\n",
        load_ms, first_token_ms, prompt, gen, planned,
        static_cast<std::size_t>(usage.ru_maxrss) * 1024);
    return {};
}

}  // namespace

int main(int argc, char** argv) {
    Arguments a;
    CLI::App app("Times a model on made-up tokens.");
    app.add_option("--model", a.model, "folder or GGUF file of the checkpoint")
        ->type_name("PATH")
        ->required();
    app.add_option("--prompt", a.prompt, "tokens of the prompt to time, 0: none");
    app.add_option("--gen", a.gen, "tokens to generate and time, 0: none");
    app.add_option("--depth", a.depth, "tokens in the context before generation");
    app.add_option("--threads", a.threads)->check(CLI::Range(1, 1024));
    app.add_option("--context", a.context,
                   "longest sequence; default: what is needed, 4608 with --serve");
    app.add_flag("--in-place", a.in_place, "weights of a packed checkpoint stay in their file");
    app.add_flag("--serve", a.serve, "obey commands on standard input");
    auto* draft = app.add_option("--draft", a.draft, "folder of the assistant to time");
    app.add_option("--agree", a.agree, "share of its guesses that the replay has right")
        ->check(CLI::Range(0.0, 1.0))
        ->needs(draft);
    app.add_option("--draft-tokens", a.draft_tokens, "guesses at once; default: as its files say")
        ->needs(draft);
    app.add_flag("--always", a.always, "always as many, also where it is slower")->needs(draft);
    app.add_option("--rounds", a.rounds, "turns with an assistant")
        ->check(CLI::Range(1, 1000))
        ->needs(draft);
    app.add_flag("--processor-time", processor_time,
                 "count that: of one thread, on a machine that does other things as well");
    auto* tokens =
        app.add_option("--tokens", a.tokens, "sequences of ids, one a line")->type_name("FILE");
    app.add_option("--logits", a.logits, "where their logits go, a safetensors file")
        ->type_name("FILE")
        ->needs(tokens);
    return run_program(app, argc, argv, "generate", [&] { return run(a); });
}

// Times prompt and generation of a whole model on made-up tokens; prints one JSON line.
//
//   generate --model DIR --prompt 512 --gen 64 --depth 0 --threads 2
//   generate --model DIR --serve        obeys "pp N" and "tg N [DEPTH]" on standard input, one JSON
//   line each
#include "carat/generate/generate.hpp"

#include "../examples/program.hpp"
#include "carat/parallel/thread_pool.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <sstream>
#include <string>
#include <sys/resource.h>
#include <vector>

namespace {

struct Arguments {
    std::string model;
    std::size_t prompt = 512, gen = 64, depth = 0, threads = all_threads(), context = 0;
    bool serve = false;
};

double seconds() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

class Bench {
  public:
    Bench(Model::Session& session) : session_(session) {}

    /// Tokens a second of a prompt of n tokens into an empty context.
    carat::Result<double> prompt(std::size_t n) {
        session_.clear();
        const double start = seconds();
        if (auto done = session_.append(tokens(n)); !done) return done.error();
        return static_cast<double>(n) / (seconds() - start);
    }
    /// Tokens a second of n tokens one by one, after `depth` tokens of context.
    carat::Result<double> generate(std::size_t n, std::size_t depth) {
        if (session_.size() > depth && !session_.rewind(depth)) session_.clear();
        if (session_.size() < depth)
            if (auto done = session_.append(tokens(depth - session_.size())); !done)
                return done.error();
        const double start = seconds();
        std::int32_t id = 2;
        for (std::size_t i = 0; i < n; ++i) {
            const auto logits = session_.append(std::span(&id, 1));
            if (!logits) return logits.error();
            id = static_cast<std::int32_t>(std::max_element(logits->begin(), logits->end()) -
                                           logits->begin());
        }
        return static_cast<double>(n) / (seconds() - start);
    }

  private:
    std::span<const std::int32_t> tokens(std::size_t n) {
        ids_.resize(n);
        std::uint32_t state = 1;
        for (std::int32_t& id : ids_) {
            state = state * 1664525u + 1013904223u;
            id = static_cast<std::int32_t>(state % Model::Text::vocab);
        }
        return ids_;
    }
    Model::Session& session_;
    std::vector<std::int32_t> ids_;
};

carat::Result<void> serve(Bench& bench) {
    for (std::string line; std::getline(std::cin, line);) {
        std::istringstream words(line);
        std::string what;
        std::size_t n = 0, depth = 0;
        words >> what >> n >> depth;
        if ((what != "pp" && what != "tg") || n == 0)
            return carat::Error{carat::Errc::invalid_argument,
                                "expected \"pp N\" or \"tg N [DEPTH]\", not \"" + line + '"'};
        const auto rate = what == "pp" ? bench.prompt(n) : bench.generate(n, depth);
        if (!rate) return rate.error();
        std::printf("{\"tok_s\": %.3f}\n", *rate);
        std::fflush(stdout);
    }
    return {};
}

carat::Result<void> run(const Arguments& a) {
    const double start = seconds();
    carat::ThreadPool pool(a.threads);
    const auto model = Model::open(a.model, {}, {.executor = pool});
    if (!model) return model.error();
    const double load_ms = 1000 * (seconds() - start);
    const std::size_t needed = std::max({a.prompt, a.depth + a.gen, std::size_t{1}});
    auto session = model->session(pool, {.context_tokens = a.context > 0 ? a.context
                                                           : a.serve     ? 4608
                                                                         : needed});
    if (!session) return session.error();
    Bench bench(*session);
    const std::size_t planned = model->memory_bytes() + session->memory_bytes();
    if (a.serve) {
        std::printf("{\"load_ms\": %.1f, \"planned_bytes\": %zu}\n", load_ms, planned);
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
        "{\"load_ms\": %.1f, \"prefill_tok_s\": %.2f, \"decode_tok_s\": %.2f, \"planned_bytes\": "
        "%zu, "
        "\"peak_bytes\": %zu}\n",
        load_ms, prompt, gen, planned, static_cast<std::size_t>(usage.ru_maxrss) * 1024);
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
    app.add_flag("--serve", a.serve, "obey commands on standard input");
    return run_program(app, argc, argv, "generate", [&] { return run(a); });
}

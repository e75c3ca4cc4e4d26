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
#include "time_drafting.hpp"
#include "timed_model.hpp"
#include "write_logits.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <iostream>
#include <sstream>
#include <string>
#include <sys/resource.h>

namespace {

struct Arguments {
    std::string model, tokens, logits;
    std::size_t prompt = 512, gen = 64, depth = 0, threads = all_threads(), context = 0;
    bool serve = false, in_place = false, processor_time = false;
    DraftingOptions drafting;
};

template <class Clock>
carat::Result<void> serve(TimedModel<Clock>& bench) {
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

template <class Clock>
carat::Result<void> run(const Arguments& a) {
    const auto start = Clock::now();
    carat::ThreadPool pool(a.threads);
    const auto model = Model::open(a.model, {}, {.executor = pool, .in_place = a.in_place});
    if (!model) return model.error();
    const double load_ms = 1000 * Clock::seconds_since(start);
    if (!a.logits.empty()) return write_logits(*model, a.tokens, a.logits, pool);
    if (!a.drafting.assistant.empty())
        return time_drafting<Clock>(*model, a.drafting, std::max(a.depth, std::size_t{1}), a.gen,
                                    a.threads);

    const std::size_t needed = std::max({a.prompt, a.depth + a.gen, std::size_t{1}});
    TimedModel<Clock> bench(*model, a.context > 0 ? a.context : a.serve ? 4608 : needed);
    if (auto started = bench.start(a.threads); !started) return started;
    const auto first = bench.generate(1, 0);
    if (!first) return first.error();
    const double first_token_ms = 1000 * Clock::seconds_since(start);
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
    auto* draft =
        app.add_option("--draft", a.drafting.assistant, "folder of the assistant to time");
    app.add_option("--agree", a.drafting.agree, "share of its guesses that the replay has right")
        ->check(CLI::Range(0.0, 1.0))
        ->needs(draft);
    app.add_option("--draft-tokens", a.drafting.draft_tokens,
                   "guesses at once; default: as its files say")
        ->needs(draft);
    app.add_flag("--always", a.drafting.always, "always as many, also where it is slower")
        ->needs(draft);
    app.add_option("--rounds", a.drafting.rounds, "turns with an assistant")
        ->check(CLI::Range(1, 1000))
        ->needs(draft);
    app.add_flag("--processor-time", a.processor_time,
                 "count that: of one thread, on a machine that does other things as well");
    auto* tokens =
        app.add_option("--tokens", a.tokens, "sequences of ids, one a line")->type_name("FILE");
    app.add_option("--logits", a.logits, "where their logits go, a safetensors file")
        ->type_name("FILE")
        ->needs(tokens);
    return run_program(app, argc, argv, "generate", [&] {
        return a.processor_time ? run<ProcessorClock>(a) : run<WallClock>(a);
    });
}

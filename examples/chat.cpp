// The whole: talk with the model.
//
//   chat --model examples/pocket "What is the capital of France?"
//   chat --model examples/pocket                                      (talks until the end of
//   input)
#include "carat/json_writer.hpp"
#include "carat/parallel/thread_pool.hpp"
#include "carat/text/chat_variant.hpp"
#include "carat/text/conversation.hpp"
#include "program.hpp"
#include "prompt_media.hpp"
#include "reply.hpp"

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <string>
#include <unistd.h>
#include <vector>

namespace {

struct Arguments {
    std::string model, prompt, system, tools, messages;
    std::vector<std::string> images, audios, videos;
    double fps = 0;
    bool think = false, greedy = false, json = false;
    double temperature = -1, top_p = -1, min_p = -1;
    std::int64_t top_k = -1;
    std::uint64_t seed = 0;
    std::size_t max_tokens = 512, threads = all_threads(), context = 4096;
};

volatile std::sig_atomic_t interrupted = 0;

carat::Result<carat::Sampler> make_sampler(const Model& model, const Arguments& a) {
    carat::SamplerOptions o = model.sampler_options();
    if (a.temperature >= 0 || a.top_k >= 0 || a.top_p >= 0 || a.min_p >= 0) o.greedy = false;
    if (a.temperature > 0) o.temperature = static_cast<float>(a.temperature);
    if (a.top_k >= 0) o.top_k = static_cast<std::size_t>(a.top_k);
    if (a.top_p >= 0) o.top_p = static_cast<float>(a.top_p);
    if (a.min_p >= 0) o.min_p = static_cast<float>(a.min_p);
    if (a.greedy || a.temperature == 0) o.greedy = true;
    o.seed = a.seed;
    return carat::Sampler::create(Model::Text::vocab, std::move(o));
}

carat::Result<carat::Conversation> first_messages(const Arguments& a) {
    carat::Conversation talk;
    if (!a.messages.empty()) {
        const auto text = carat::read_file(a.messages);
        if (!text) return text.error();
        auto read = carat::Conversation::from_json(*text, a.messages);
        if (!read) return read.error();
        talk = std::move(*read);
    }
    if (!a.tools.empty()) {
        const auto text = carat::read_file(a.tools);
        if (!text) return text.error();
        if (auto set = talk.set_tools(*text, a.tools); !set) return set.error();
    }
    if (!a.system.empty()) talk.system(a.system);
    return talk;
}

/// The first thing the user says: files in the order of their kinds, then the words.
void say(carat::Conversation& talk, const Arguments& a, const std::string& text) {
    const auto absolute = [](const std::string& path) {
        return path.starts_with('/') ? path : std::filesystem::current_path().string() + "/" + path;
    };
    std::vector<carat::ContentPart> parts;
    for (const std::string& path : a.images) parts.push_back(carat::image_part(absolute(path)));
    for (const std::string& path : a.audios) parts.push_back(carat::audio_part(absolute(path)));
    for (const std::string& path : a.videos)
        parts.push_back(carat::video_part(absolute(path), a.fps));
    if (parts.empty()) {
        talk.user(text);
        return;
    }
    parts.push_back(carat::text_part(text));
    talk.user(parts);
}

void print_json(const Turn& turn, double load_ms, std::size_t planned) {
    carat::JsonWriter out;
    out.begin_object();
    const auto ids = [&](const char* name, const std::vector<std::int32_t>& values) {
        out.key(name).begin_array();
        for (const std::int32_t id : values) out.value(id);
        out.end_array();
    };
    ids("input_ids", turn.input_ids);
    ids("token_ids", turn.token_ids);
    out.key("text").value(turn.reply.content).key("thinking").value(turn.reply.thinking);
    out.key("tool_calls").begin_array();
    for (const carat::ToolCall& call : turn.reply.tool_calls)
        out.begin_object()
            .key("name")
            .value(call.name)
            .key("arguments")
            .value(call.arguments)
            .end_object();
    out.end_array().key("stop_reason").value(carat::name_of(turn.stop));
    const auto rate = [](std::size_t n, double ms) {
        return ms > 0 ? 1000.0 * static_cast<double>(n) / ms : 0.0;
    };
    const std::size_t decoded = turn.token_ids.empty() ? 0 : turn.token_ids.size() - 1;
    out.key("timings")
        .begin_object()
        .key("load_ms")
        .value(load_ms)
        .key("media_ms")
        .value(turn.media_ms);
    out.key("prefill_ms").value(turn.prefill_ms).key("decode_ms").value(turn.decode_ms);
    out.key("prefill_tok_s").value(rate(turn.prefilled, turn.prefill_ms));
    out.key("decode_tok_s").value(rate(decoded, turn.decode_ms)).end_object();
    out.key("memory").begin_object().key("planned_bytes").value(planned);
    out.key("peak_bytes").value(peak_bytes()).end_object().end_object();
    std::printf("%s\n", std::string(out.text()).c_str());
}

carat::Result<void> chat(const Arguments& a) {
    const auto variant = carat::chat_variant(a.model);
    if (!variant) return variant.error();
    const auto tokenizer = carat::Tokenizer::open(a.model);
    if (!tokenizer) return tokenizer.error();
    auto talk = first_messages(a);
    if (!talk) return talk.error();

    const Stopwatch load;
    ProgressLine line("loading");
    const auto model = Model::open(
        a.model, [&](std::size_t done, std::size_t total) { return line(done, total); });
    line.clear();
    if (!model) return model.error();
    const double load_ms = load.ms();
    auto sampler = make_sampler(*model, a);
    if (!sampler) return sampler.error();
    carat::ThreadPool pool(a.threads);
    auto session = model->session(pool, {.context_tokens = a.context});
    if (!session) return session.error();

    const carat::ChatOptions format{*variant, a.think};
    PromptMedia<Model> media(*model, a.model, a.messages.empty() ? "." : folder_of(a.messages),
                             pool);
    Speaker speaker(*session, media, *sampler, *tokenizer, model->generation(), a.max_tokens,
                    !a.json, &interrupted);
    const auto answer = [&]() -> carat::Result<void> {
        auto turn = speaker.answer(*talk, format);
        if (!turn) return turn.error();
        if (a.json) print_json(*turn, load_ms, model->memory_bytes() + session->memory_bytes());
        talk->assistant(turn->reply);
        return {};
    };

    if (!a.prompt.empty()) say(*talk, a, a.prompt);
    if (!a.prompt.empty() || !a.messages.empty()) return answer();
    const bool terminal = isatty(STDIN_FILENO) != 0;
    if (terminal)
        std::printf("Ask something; an empty line or Ctrl-D ends, Ctrl-C stops an answer.\n");
    std::size_t turns = 0;
    for (std::string text;; ++turns) {
        if (terminal) std::printf("> "), std::fflush(stdout);
        if (!std::getline(std::cin, text) || (terminal && text.empty())) break;
        if (text.empty()) continue;
        if (turns == 0)
            say(*talk, a, text);
        else
            talk->user(text);
        if (auto done = answer(); !done) return done;
    }
    if (terminal || turns > 0) return {};
    const bool media_given = !a.images.empty() || !a.audios.empty() || !a.videos.empty();
    const char* question =
        media_given ? "Describe this."
                    : "What can you do?";  // nobody is there to ask: show that the model speaks
    if (!a.json) std::printf("> %s\n", question);
    say(*talk, a, question);
    return answer();
}

}  // namespace

int main(int argc, char** argv) {
    Arguments a;
    CLI::App app("Talk with a Gemma 4.");
    app.add_option("--model", a.model, "folder of the checkpoint")->type_name("DIR")->required();
    app.add_option("PROMPT", a.prompt,
                   "one question; without it, one a line until the end of input");
    app.add_option("--image", a.images,
                   "a picture before the first question: PNG, JPEG, GIF, WebP, BMP")
        ->type_name("FILE")
        ->allow_extra_args(false);
    app.add_option("--audio", a.audios, "a sound before the first question")
        ->type_name("FILE")
        ->allow_extra_args(false);
    app.add_option("--video", a.videos,
                   "a video before the first question: a folder of frames or an animated GIF")
        ->type_name("PATH")
        ->allow_extra_args(false);
    app.add_option("--fps", a.fps, "frames a second of the videos, where they do not say it")
        ->check(CLI::PositiveNumber);
    app.add_option("--system", a.system, "instructions for the whole conversation")
        ->type_name("TEXT");
    app.add_flag("--think", a.think, "let the model think before it answers");
    app.add_option("--tools", a.tools, "functions the model may call: a JSON array")
        ->type_name("FILE");
    app.add_option("--messages", a.messages, "a conversation to go on with: {\"messages\": [...]}")
        ->type_name("FILE");
    app.add_flag("--greedy", a.greedy, "always the most probable token");
    app.add_option("--temperature", a.temperature, "0: greedy")->check(CLI::Range(0.0, 100.0));
    app.add_option("--top-k", a.top_k, "0: all")->check(CLI::Range(0, 1 << 30));
    app.add_option("--top-p", a.top_p)->check(CLI::Range(0.0, 1.0));
    app.add_option("--min-p", a.min_p)->check(CLI::Range(0.0, 1.0));
    app.add_option("--seed", a.seed, "of the random choice");
    app.add_option("--max-tokens", a.max_tokens, "of an answer");
    app.add_option("--threads", a.threads, "threads to compute with")->check(CLI::Range(1, 1024));
    app.add_option("--context", a.context, "longest conversation in tokens");
    app.add_flag("--json", a.json, "one JSON object an answer, with ids, timings and memory");
    std::signal(SIGINT, [](int) {
        if (interrupted != 0) std::_Exit(130);  // asked twice
        interrupted = 1;
    });
    return run_program(app, argc, argv, "chat", [&] { return chat(a); });
}

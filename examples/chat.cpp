// The whole: talk with the model.
//
//   chat --model examples/pocket "What is the capital of France?"
//   chat --model examples/pocket                                      (talks until the end of
//   input)
#include "carat/chat.hpp"

#include "carat/json_writer.hpp"
#include "carat/parallel/thread_pool.hpp"
#include "program.hpp"
#include "prompt_media.hpp"
#include "reply.hpp"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <span>
#include <string>
#include <string_view>
#include <unistd.h>
#include <utility>
#include <vector>

namespace {

struct Arguments {
    std::string model, prompt, system, tools, messages;
    std::vector<std::string> images, audios, videos;
    double fps = 0;
    std::size_t max_soft_tokens = 0;
    bool sound = false, think = false, greedy = false, json = false, slide = false;
    double temperature = -1, top_p = -1, min_p = -1;
    std::int64_t top_k = -1;
    std::uint64_t seed = 0;
    std::size_t max_tokens = 512, threads = all_threads(), context = 4096;
};

volatile std::sig_atomic_t interrupted = 0;

carat::SamplerOptions sampling(const Model& model, const Arguments& a) {
    carat::SamplerOptions o = model.sampler_options();
    if (a.temperature >= 0 || a.top_k >= 0 || a.top_p >= 0 || a.min_p >= 0) o.greedy = false;
    if (a.temperature > 0) o.temperature = static_cast<float>(a.temperature);
    if (a.top_k >= 0) o.top_k = static_cast<std::size_t>(a.top_k);
    if (a.top_p >= 0) o.top_p = static_cast<float>(a.top_p);
    if (a.min_p >= 0) o.min_p = static_cast<float>(a.min_p);
    if (a.greedy || a.temperature == 0) o.greedy = true;
    o.seed = a.seed;
    return o;
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
void say(carat::Chat<Model>& talk, const Arguments& a, const std::string& text) {
    const auto absolute = [](const std::string& path) {
        return path.starts_with('/') ? path : std::filesystem::current_path().string() + "/" + path;
    };
    std::vector<carat::ContentPart> parts;
    for (const std::string& path : a.images) parts.push_back(carat::image_part(absolute(path)));
    for (const std::string& path : a.audios) parts.push_back(carat::audio_part(absolute(path)));
    for (const std::string& path : a.videos) {
        parts.push_back(carat::video_part(absolute(path), a.fps));
        if (a.sound) parts.push_back(carat::audio_part(absolute(path)));
    }
    if (parts.empty()) {
        talk.user(text);
        return;
    }
    parts.push_back(carat::text_part(text));
    talk.user(std::span<const carat::ContentPart>(parts));
}

void print_json(const carat::ChatTurn& turn, double load_ms, std::size_t planned) {
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
    out.key("prefill_ms").value(turn.read_ms).key("decode_ms").value(turn.write_ms);
    out.key("prefill_tok_s").value(rate(turn.input_ids.size() - turn.reused, turn.read_ms));
    out.key("decode_tok_s").value(rate(decoded, turn.write_ms)).end_object();
    out.key("memory").begin_object().key("planned_bytes").value(planned);
    out.key("peak_bytes").value(peak_bytes()).end_object().end_object();
    std::printf("%s\n", std::string(out.text()).c_str());
}

/// The program: a chat, and what a person types.
class Program {
  public:
    Program(const Arguments& a, carat::Chat<Model>& chat, double load_ms, std::size_t planned)
        : a_(a), chat_(chat), load_ms_(load_ms), planned_(planned) {}

    carat::Result<void> answer() {
        interrupted = 0;
        ProgressLine line("reading");
        bool thinking = false;
        const auto show = [&](const carat::ReplyEvent& e) {
            using Type = carat::ReplyEvent::Type;
            line.clear();
            if (a_.json) return;
            const bool thought = e.type == Type::thinking;
            if (thought && !shows_thoughts_) return;
            if (!thought && e.type != Type::text) return;
            if (thought != thinking) std::fputs(thought ? "\033[2m" : "\033[0m\n", stdout);
            thinking = thought;
            std::fwrite(e.text.data(), 1, e.text.size(), stdout);
            std::fflush(stdout);
        };
        const auto progress = [&](std::size_t done, std::size_t total) {
            return (done == total || line(done, total)) && interrupted == 0;
        };
        auto turn = chat_.reply(show, progress);
        line.clear();
        if (thinking) std::fputs("\033[0m", stdout);
        if (!turn) return turn.error();
        if (a_.json) {
            print_json(*turn, load_ms_, planned_);
        } else {
            finish(*turn);
        }
        last_ = *std::move(turn);
        return {};
    }

    /// Questions and commands, one a line, until the end of input.
    carat::Result<void> talk() {
        const bool terminal = isatty(STDIN_FILENO) != 0;
        if (terminal) std::printf("Ask something; /help tells the commands, Ctrl-D ends.\n");
        std::size_t turns = 0;
        for (std::string text;;) {
            if (terminal) std::printf("> "), std::fflush(stdout);
            if (!std::getline(std::cin, text) || (terminal && text.empty())) break;
            if (text.empty()) continue;
            ++turns;
            if (terminal && text[0] == '/') {
                command(text);
                continue;
            }
            say(chat_, given_, text);
            given_.images.clear(), given_.audios.clear(), given_.videos.clear();
            auto done = answer();
            if (done) continue;
            chat_.undo();  // of a question that was not answered
            if (!terminal) return done;
            std::printf("[%s]\n", done.error().text.c_str());
        }
        if (terminal || turns > 0) return {};
        const bool media = !a_.images.empty() || !a_.audios.empty() || !a_.videos.empty();
        const char* question =
            media ? "Describe this."
                  : "What can you do?";  // nobody is there to ask: show that the model speaks
        if (!a_.json) std::printf("> %s\n", question);
        say(chat_, a_, question);
        return answer();
    }

  private:
    static void finish(const carat::ChatTurn& turn) {
        std::printf("\n");
        for (const carat::ToolCall& call : turn.reply.tool_calls) {
            carat::JsonWriter arguments;
            arguments.value(call.arguments);
            std::printf("[calls %s %s]\n", call.name.c_str(),
                        std::string(arguments.text()).c_str());
        }
        for (const carat::MalformedCall& call : turn.reply.malformed_calls)
            std::printf("[a call that cannot be read: %s: %s]\n", call.text.c_str(),
                        call.reason.c_str());
        if (turn.stop == carat::StopReason::max_tokens)
            std::printf("[stopped at the token limit]\n");
        if (turn.stop == carat::StopReason::context_full) std::printf("[the context is full]\n");
        if (turn.stop == carat::StopReason::caller) std::printf("[stopped]\n");
        if (turn.forgotten > 0) std::printf("[%zu messages are forgotten]\n", turn.forgotten);
        std::fflush(stdout);
    }

    void command(const std::string& text) {
        const std::size_t blank = std::min(text.find(' '), text.size());
        const std::string name = text.substr(0, blank);
        const std::string rest(carat::unicode::trim(std::string_view(text).substr(blank)));
        const auto report = [](const carat::Result<void>& done, const char* good) {
            std::printf("[%s]\n", done ? good : done.error().text.c_str());
        };
        if (name == "/help") {
            std::printf(
                "/reset        start over\n/undo         take back the last question\n"
                "/save FILE    the conversation, with what the model remembers of it\n"
                "/load FILE    go on with a saved one\n/think        think before answers, or not\n"
                "/image FILE   a picture for the next question; /audio and /video likewise\n"
                "/stats        what the last answer took\nCtrl-C stops an answer\n");
        } else if (name == "/reset") {
            chat_.reset();
            if (!a_.system.empty()) chat_.system(a_.system);
            std::printf("[a new conversation]\n");
        } else if (name == "/undo") {
            const auto undone = chat_.undo();
            std::printf(undone ? "[took back: %s]\n" : "[there is nothing to take back]\n",
                        undone ? undone->c_str() : "");
        } else if ((name == "/save" || name == "/load") && rest.empty()) {
            std::printf("[%s FILE: which file?]\n", name.c_str());
        } else if (name == "/save") {
            report(chat_.save(rest), "saved");
        } else if (name == "/load") {
            report(chat_.load(rest), "loaded");
        } else if (name == "/think") {
            bool& on = chat_.settings().format.enable_thinking;
            on = !on;
            std::printf("[thinking is %s]\n", on ? "on" : "off");
        } else if ((name == "/image" || name == "/audio" || name == "/video") && rest.empty()) {
            std::printf("[%s FILE: which file?]\n", name.c_str());
        } else if (name == "/image" || name == "/audio" || name == "/video") {
            (name == "/image"   ? given_.images
             : name == "/audio" ? given_.audios
                                : given_.videos)
                .push_back(rest);
            std::printf("[comes with the next question]\n");
        } else if (name == "/stats") {
            std::printf(
                "[%zu tokens of prompt, %zu of them remembered, read in %.0f ms; %zu tokens "
                "of answer in %.0f ms; %zu of %zu tokens of context]\n",
                last_.input_ids.size(), last_.reused, last_.read_ms, last_.token_ids.size(),
                last_.write_ms, chat_.session().size(), chat_.session().context_tokens());
        } else {
            std::printf("[no command %s; /help tells them]\n", name.c_str());
        }
    }

    const Arguments& a_;
    Arguments given_ = a_;  // the files that come with the next question
    carat::Chat<Model>& chat_;
    double load_ms_;
    std::size_t planned_;
    bool shows_thoughts_ = isatty(STDOUT_FILENO) != 0;
    carat::ChatTurn last_;
};

carat::Result<void> chat(const Arguments& a) {
    auto talk = first_messages(a);
    if (!talk) return talk.error();
    const Stopwatch load;
    ProgressLine line("loading");
    carat::ThreadPool pool(a.threads);
    const auto model =
        Model::open(a.model, [&](std::size_t done, std::size_t total) { return line(done, total); },
                    {.executor = pool});
    line.clear();
    if (!model) return model.error();
    const double load_ms = load.ms();
    auto chat = carat::Chat<Model>::open(
        *model, a.model, pool,
        {.format = {.enable_thinking = a.think},
         .max_tokens = a.max_tokens,
         .session = {.context_tokens = a.context},
         .full = a.slide ? carat::FullContext::slide : carat::FullContext::stop,
         .sampling = sampling(*model, a)});
    if (!chat) return chat.error();
    chat->start_with(*std::move(talk));
    Program program(a, *chat, load_ms, model->memory_bytes() + chat->session().memory_bytes());
    const std::string folder = a.messages.empty() ? "." : folder_of(a.messages);
    chat->set_media_reader(MediaFiles<Model>(*model, a.model, folder, pool, a.max_soft_tokens));
    if (!a.prompt.empty()) say(*chat, a, a.prompt);
    if (!a.prompt.empty() || !a.messages.empty()) return program.answer();
    return program.talk();
}

}  // namespace

int main(int argc, char** argv) {
    Arguments a;
    CLI::App app("Talk with a Gemma 4.");
    app.add_option("--model", a.model, "folder or GGUF file of the checkpoint")
        ->type_name("PATH")
        ->required();
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
                   "a video before the first question: a file, a folder of frames, an animated GIF")
        ->type_name("PATH")
        ->allow_extra_args(false);
    app.add_option("--fps", a.fps,
                   "frames a second of the videos; else a file says it, and a folder has 24")
        ->check(CLI::PositiveNumber);
    app.add_flag("--sound", a.sound, "let the model hear the videos too");
    add_budget_option(app, a.max_soft_tokens);
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
    app.add_flag("--slide", a.slide, "forget the oldest turns where the context is full");
    app.add_flag("--json", a.json, "one JSON object an answer, with ids, timings and memory");
    std::signal(SIGINT, [](int) {
        if (interrupted != 0) std::_Exit(130);  // asked twice
        interrupted = 1;
    });
    return run_program(app, argc, argv, "chat", [&] { return chat(a); });
}

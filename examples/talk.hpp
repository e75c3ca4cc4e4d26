// A talk with a model: what a person types, questions and commands, and what the model says.
#pragma once

#include "carat/chat.hpp"
#include "carat/format/json_writer.hpp"
#include "line_reader.hpp"
#include "reply.hpp"

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <unistd.h>
#include <utility>
#include <vector>

/// Set by Ctrl-C, which stops an answer; cleared when the next one begins.
inline volatile std::sig_atomic_t interrupted = 0;

inline void stop_answers_by_ctrl_c() {
    std::signal(SIGINT, [](int) {
        if (interrupted != 0) std::_Exit(130);  // asked twice
        interrupted = 1;
    });
}

/// How a terminal is told to write pale; nothing where it should not be, or nobody looks.
inline bool has_colours() {
    const char* terminal = std::getenv("TERM");
    const char* no = std::getenv("NO_COLOR");
    return isatty(STDOUT_FILENO) != 0 && (no == nullptr || *no == '\0') && terminal != nullptr &&
           std::string_view(terminal) != "dumb";
}

/// What is said with a question.
struct Given {
    std::vector<std::string> images, audios, videos;
    double fps = 0;      ///< of the videos; 0: what they say themselves
    bool sound = false;  ///< the videos' sound tracks are heard too
};

/// How a talk goes.
struct TalkOptions {
    std::string system, history;
    Given given{};
    bool json = false;  ///< one object an answer, instead of its text
    double load_ms = 0;
    bool drafts = false;  ///< an assistant guesses
    std::size_t planned_bytes = 0;
};

template <class Model>
class Talk {
  public:
    using Chat = carat::Chat<Model>;

    Talk(Chat& chat, TalkOptions options, carat::AnswerShape shape)
        : chat_(chat), options_(std::move(options)), shape_(std::move(shape)) {}

    /// One question, with the files that were given: in the order of their kinds, before the words.
    void ask(const std::string& text) {
        std::vector<carat::ContentPart> parts;
        Given& given = options_.given;
        for (const std::string& path : given.images)
            parts.push_back(carat::image_part(absolute(path)));
        for (const std::string& path : given.audios)
            parts.push_back(carat::audio_part(absolute(path)));
        for (const std::string& path : given.videos) {
            parts.push_back(carat::video_part(absolute(path), given.fps));
            if (given.sound) parts.push_back(carat::audio_part(absolute(path)));
        }
        given.images.clear(), given.audios.clear(), given.videos.clear();
        if (parts.empty()) {
            chat_.user(text);
            return;
        }
        parts.push_back(carat::text_part(text));
        chat_.user(std::span<const carat::ContentPart>(parts));
    }

    /// The model's next turn, shown while it comes.
    carat::Result<void> answer() {
        interrupted = 0;
        ProgressLine line("reading");
        bool thinking = false;
        const auto pale = [&](bool on) {
            if (on != thinking && colours_) std::fputs(on ? "\033[2m" : "\033[0m", stdout);
            if (!on && thinking) std::fputs("\n", stdout);
            thinking = on;
        };
        const auto show = [&](const carat::ReplyEvent& e) {
            using Type = carat::ReplyEvent::Type;
            line.clear();
            const bool thought = e.type == Type::thinking;
            if (options_.json || (thought ? !shows_thoughts_ : e.type != Type::text)) return;
            pale(thought);
            std::fwrite(e.text.data(), 1, e.text.size(), stdout);
            std::fflush(stdout);
        };
        const auto progress = [&](std::size_t done, std::size_t total) {
            return (done == total || line(done, total)) && interrupted == 0;
        };
        auto turn = chat_.reply(show, progress);
        interrupted = 0;
        line.clear();
        pale(false);
        if (!turn) return turn.error();
        options_.json ? print_json(*turn) : finish(*turn);
        last_ = *std::move(turn);
        return {};
    }

    /// Questions and commands, one a line, until the end of input. Commands are for terminals.
    carat::Result<void> go_on() {
        const bool terminal = on_terminal();
        if (terminal) std::printf("Ask something; /help tells the commands, Ctrl-D ends.\n");
        LineReader lines(options_.history);
        std::size_t turns = 0;
        while (!ended_) {
            const auto text = lines.next("> ");
            if (!text) break;
            if (carat::unicode::trim(*text).empty()) continue;
            ++turns;
            if (terminal && text->starts_with('/')) {
                command(*text);
                continue;
            }
            ask(*text);
            auto done = answer();
            while (terminal && done && !last_.reply.tool_calls.empty() && results(lines))
                done = answer();
            if (done) continue;
            chat_.undo();  // of a question that was not answered
            if (!terminal) return done;
            std::printf("[%s]\n", done.error().text.c_str());
        }
        if (terminal || turns > 0) return {};
        const Given& given = options_.given;
        const bool media = !given.images.empty() || !given.audios.empty() || !given.videos.empty();
        const char* question =
            media ? "Describe this."
                  : "What can you do?";  // nobody is there to ask: show that the model speaks
        if (!options_.json) std::printf("> %s\n", question);
        ask(question);
        return answer();
    }

  private:
    static std::string absolute(const std::string& path) {
        const char* home = std::getenv("HOME");
        if (home != nullptr && path.starts_with("~/")) return home + path.substr(1);
        return path.starts_with('/') ? path : std::filesystem::current_path().string() + "/" + path;
    }

    void print_json(const carat::ChatTurn& turn) const {
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
        for (const carat::ToolCall& call : turn.reply.tool_calls) {
            out.begin_object().key("name").value(call.name);
            out.key("arguments").value(call.arguments).end_object();
        }
        out.end_array().key("stop_reason").value(carat::name_of(turn.stop));
        const auto rate = [](std::size_t n, double ms) {
            return ms > 0 ? 1000.0 * static_cast<double>(n) / ms : 0.0;
        };
        const std::size_t decoded = turn.token_ids.empty() ? 0 : turn.token_ids.size() - 1;
        out.key("timings").begin_object();
        out.key("load_ms").value(options_.load_ms).key("media_ms").value(turn.media_ms);
        out.key("prefill_ms").value(turn.read_ms).key("decode_ms").value(turn.write_ms);
        out.key("prefill_tok_s").value(rate(turn.input_ids.size() - turn.reused, turn.read_ms));
        out.key("decode_tok_s").value(rate(decoded, turn.write_ms)).end_object();
        if (options_.drafts) {
            out.key("drafts").begin_object().key("drafted").value(turn.drafts.drafted);
            out.key("accepted").value(turn.drafts.accepted);
            out.key("passes").value(turn.drafts.passes).end_object();
        }
        out.key("memory").begin_object().key("planned_bytes").value(options_.planned_bytes);
        out.key("peak_bytes").value(peak_bytes()).end_object().end_object();
        std::printf("%s\n", std::string(out.text()).c_str());
    }

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

    /// Asks what the calls of the last answer returned. False where nobody says.
    bool results(LineReader& lines) {
        std::vector<std::string> values;
        for (const carat::ToolCall& call : last_.reply.tool_calls) {
            auto line = lines.next(call.name + " returns (JSON or text, empty: nothing)> ");
            if (!line || carat::unicode::trim(*line).empty()) return false;
            values.push_back(*std::move(line));
        }
        for (std::size_t i = 0; i < values.size(); ++i) {
            const std::string& name = last_.reply.tool_calls[i].name;
            const auto value = carat::parse_json(values[i], name);
            const auto told = value ? chat_.conversation().tool_result(name, *value)
                                    : chat_.conversation().tool_result(name, values[i]);
            if (!told) return false;
        }
        return true;
    }

    // ---- commands

    struct Command {
        const char* name;
        const char* argument;  ///< nothing, a name that must be there, or one in brackets
        const char* help;
        void (Talk::*run)(const std::string&);
    };
    static std::span<const Command> commands() {
        static constexpr std::array<Command, 13> all = {{
            {"/help", "", "these commands", &Talk::help},
            {"/reset", "", "start over", &Talk::reset},
            {"/undo", "", "take back the last question", &Talk::undo},
            {"/save", "FILE", "the conversation, with what the model remembers of it", &Talk::save},
            {"/load", "FILE", "go on with a saved one", &Talk::load},
            {"/image", "FILE", "a picture for the next question", &Talk::image},
            {"/audio", "FILE", "a sound for it", &Talk::audio},
            {"/video", "PATH", "a video for it, a file or a folder of frames", &Talk::video},
            {"/system", "[TEXT]", "start over with other instructions", &Talk::system},
            {"/tools", "[FILE]", "the functions the model may call; those of FILE from now on",
             &Talk::tools},
            {"/think", "[on|off]", "think before answers, or not", &Talk::think},
            {"/stats", "", "what the last answer took", &Talk::stats},
            {"/exit", "", "end, as Ctrl-D does", &Talk::exit},
        }};
        return all;
    }
    void command(const std::string& text) {
        const std::size_t blank = std::min(text.find_first_of(" \t"), text.size());
        const std::string name = text.substr(0, blank);
        const std::string rest(carat::unicode::trim(std::string_view(text).substr(blank)));
        for (const Command& c : commands()) {
            if (name != c.name) continue;
            const std::string_view wants = c.argument;
            if (wants.empty() && !rest.empty()) {
                std::printf("[%s takes nothing more; found '%s']\n", c.name, rest.c_str());
            } else if (rest.empty() && !wants.empty() && !wants.starts_with('[')) {
                std::printf("[%s %s: which one?]\n", c.name, c.argument);
            } else {
                (this->*c.run)(rest);
            }
            return;
        }
        std::printf("[no command %s; /help tells them]\n", name.c_str());
    }

    void help(const std::string&) {
        for (const Command& c : commands())
            std::printf("%-18s%s\n", (std::string(c.name) + " " + c.argument).c_str(), c.help);
        std::printf("Ctrl-C stops an answer. A line that ends in \\ goes on with the next one.\n");
    }
    void reset(const std::string&) {
        chat_.reset();
        if (!options_.system.empty()) chat_.system(options_.system);
        std::printf("[a new conversation]\n");
    }
    void system(const std::string& text) {
        options_.system = text;
        reset(text);
    }
    void undo(const std::string&) {
        const auto undone = chat_.undo();
        std::printf(undone ? "[took back: %s]\n" : "[there is nothing to take back]\n",
                    undone ? undone->c_str() : "");
    }
    void save(const std::string& path) {
        const auto done = chat_.save(absolute(path));
        std::printf("[%s]\n", done ? "saved" : done.error().text.c_str());
    }
    void load(const std::string& path) {
        if (const auto done = chat_.load(absolute(path)); !done) {
            std::printf("[%s]\n", done.error().text.c_str());
            return;
        }
        last_ = {};
        std::printf("[%u messages, %zu tokens of them remembered]\n",
                    chat_.conversation().messages().Size(), chat_.session().size());
    }
    void give(std::vector<std::string>& list, const std::string& path) {
        std::error_code failed;
        if (!std::filesystem::exists(absolute(path), failed)) {
            std::printf("[%s: no such file]\n", path.c_str());
            return;
        }
        list.push_back(path);
        std::printf("[comes with the next question]\n");
    }
    void image(const std::string& path) { give(options_.given.images, path); }
    void audio(const std::string& path) { give(options_.given.audios, path); }
    void video(const std::string& path) { give(options_.given.videos, path); }
    void tools(const std::string& path) {
        if (!path.empty()) {
            const auto text = carat::read_file(absolute(path));
            const auto set = text ? chat_.conversation().set_tools(*text, path)
                                  : carat::Result<void>(text.error());
            const auto bound = set ? chat_.answer_as(shape_) : set;
            if (!bound) {
                std::printf("[%s]\n", bound.error().text.c_str());
                return;
            }
        }
        std::size_t shown = 0;
        for (const carat::JsonValue& tool : carat::json::elements(chat_.conversation().tools())) {
            const carat::JsonValue* function = carat::json::find(tool, "function");
            const auto word = [&](const char* key) {
                return std::string(
                    carat::json::string(carat::json::find(function, key)).value_or(""));
            };
            std::printf("%-18s%s\n", word("name").c_str(), word("description").c_str());
            ++shown;
        }
        if (shown == 0)
            std::printf("[the model may call nothing; /tools FILE declares functions]\n");
    }
    void think(const std::string& word) {
        bool& on = chat_.settings().format.enable_thinking;
        if (!word.empty() && word != "on" && word != "off") {
            std::printf("[/think is on or off; found '%s']\n", word.c_str());
            return;
        }
        on = word.empty() ? !on : word == "on";
        std::printf("[thinking is %s]\n", on ? "on" : "off");
    }
    void stats(const std::string&) {
        if (last_.input_ids.empty()) {
            std::printf("[no answer yet]\n");
            return;
        }
        std::printf(
            "[%zu tokens of prompt, %zu of them remembered, read in %.0f ms; %zu tokens of answer "
            "in %.0f ms; %zu of %zu tokens of context]\n",
            last_.input_ids.size(), last_.reused, last_.read_ms, last_.token_ids.size(),
            last_.write_ms, chat_.session().size(), chat_.session().context_tokens());
        if (options_.drafts)
            std::printf("[%zu tokens guessed, %zu of them right; %zu calls of the model]\n",
                        last_.drafts.drafted, last_.drafts.accepted, last_.drafts.passes);
    }
    void exit(const std::string&) { ended_ = true; }

    Chat& chat_;
    TalkOptions options_;
    carat::AnswerShape shape_;
    bool colours_ = has_colours();
    bool shows_thoughts_ = isatty(STDOUT_FILENO) != 0;
    bool ended_ = false;
    carat::ChatTurn last_;
};

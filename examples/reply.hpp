// One answer of a model in a conversation: prompt in, text streamed out, and what it took.
#pragma once

#include "carat/checkpoint/generation_config.hpp"
#include "carat/generate/generate.hpp"
#include "carat/json_writer.hpp"
#include "carat/text/chat_encode.hpp"
#include "carat/text/chat_parse.hpp"
#include "carat/text/conversation.hpp"
#include "carat/text/stream.hpp"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <string>
#include <string_view>
#include <sys/resource.h>
#include <unistd.h>
#include <vector>

class Stopwatch {
  public:
    [[nodiscard]] double ms() const {
        return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start_)
            .count();
    }

  private:
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// The largest resident size so far, mapped pages of files included.
inline std::size_t peak_bytes() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return static_cast<std::size_t>(usage.ru_maxrss) * 1024;
}

/// "reading 43 %" on a terminal's standard error if work takes long, nothing in a pipe.
class ProgressLine {
  public:
    explicit ProgressLine(const char* what) : what_(what) {}
    bool operator()(std::size_t done, std::size_t total) {
        const auto percent =
            static_cast<int>(100.0 * static_cast<double>(done) / static_cast<double>(total));
        if (isatty(STDERR_FILENO) == 0 || watch_.ms() < 300 || percent == shown_) return true;
        shown_ = percent;
        std::fprintf(stderr, "\r%s %d %%", what_, percent);
        return true;
    }
    void clear() {
        if (shown_ >= 0) std::fprintf(stderr, "\r\033[K");
        shown_ = -1;
    }

  private:
    const char* what_;
    Stopwatch watch_;
    int shown_ = -1;
};

struct Turn {
    std::vector<std::int32_t> input_ids, token_ids;
    carat::Reply reply;
    carat::StopReason stop = carat::StopReason::stop_token;
    std::size_t prefilled = 0;  // tokens of the prompt that the session did not hold already
    double media_ms = 0, prefill_ms = 0, decode_ms = 0;
};

template <class Session, class Media>
class Speaker {
  public:
    Speaker(Session& session, Media& media, carat::Sampler& sampler,
            const carat::Tokenizer& tokenizer, const carat::GenerationConfig& generation,
            std::size_t max_tokens, bool print, volatile std::sig_atomic_t* interrupted)
        : session_(session),
          media_(media),
          sampler_(sampler),
          tokenizer_(tokenizer),
          print_(print),
          interrupted_(interrupted) {
        options_.max_tokens = max_tokens;
        options_.stop_ids = generation.eos_token_ids;
    }

    /// The model's next turn in `talk`. Tokens that the session holds from earlier turns are not
    /// computed again.
    carat::Result<Turn> answer(const carat::Conversation& talk, const carat::ChatOptions& format) {
        Turn turn;
        auto prompt = carat::render_chat(talk.messages(), talk.tools(), format);
        if (!prompt) return prompt.error();
        *interrupted_ = 0;
        ProgressLine looking("encoding media");
        const Stopwatch encoding;
        const auto taken = media_.take(talk.messages(), [&](std::size_t done, std::size_t total) {
            return looking(done, total) && *interrupted_ == 0;
        });
        looking.clear();
        if (!taken) return taken.error();
        turn.media_ms = encoding.ms();
        const auto expanded = media_.expand(*prompt);
        if (!expanded) return expanded.error();
        auto ids = carat::encode_prompt(tokenizer_, *expanded);
        if (!ids) return ids.error();
        turn.input_ids = std::move(*ids);
        const std::size_t kept = keep_prefix(turn.input_ids);
        turn.prefilled = turn.input_ids.size() - kept;

        const bool in_thought = prompt->text.ends_with("<|channel>thought\n");
        carat::ReplyParser parser(in_thought);
        carat::TextStream raw(tokenizer_), shown(tokenizer_, {.skip_special = true});
        bool started = false;
        ProgressLine line("reading");
        const Stopwatch reading;
        Stopwatch decoding = reading;
        const auto show = [&](std::string_view text) {
            while (!started && !text.empty() && (text[0] == ' ' || text[0] == '\n'))
                text.remove_prefix(1);
            started = started || !text.empty();
            std::fwrite(text.data(), 1, text.size(), stdout);
            std::fflush(stdout);
        };
        const auto on_token = [&](std::int32_t id) {
            if (turn.token_ids.empty()) {
                line.clear();
                turn.prefill_ms = reading.ms();
                decoding = Stopwatch();
            }
            turn.token_ids.push_back(id);
            const auto before = parser.state();
            if (auto text = raw.push(id)) parser.push(*text);
            const bool visible =
                before == parser.state() && before == carat::ReplyParser::State::content;
            if (auto text = shown.push(id); text && visible && print_) show(*text);
            return *interrupted_ == 0;
        };
        const auto progress = [&](std::size_t done, std::size_t total) {
            return line(done, total) && *interrupted_ == 0;
        };
        const auto media = media_.inputs(turn.input_ids, kept);
        if (!media) return media.error();
        carat::SessionInput<typename Session::Model> input{
            .ids = std::span(turn.input_ids).subspan(kept), .token_types = media->token_types};
        if (media->soft_tokens.rows() > 0) input.soft_tokens = media->soft_tokens.view();
        const auto stop = carat::generate(session_, input, sampler_, options_, on_token, progress);
        line.clear();
        if (!stop) {
            held_.resize(std::min(held_.size(), session_.size()));
            return stop.error();
        }
        turn.decode_ms = decoding.ms();
        turn.stop = *stop;
        held_ = turn.input_ids;
        held_.insert(held_.end(), turn.token_ids.begin(), turn.token_ids.end());
        held_.resize(session_.size());
        parser.push(raw.finish());
        turn.reply = parser.finish();
        if (print_) finish(turn, shown.finish());
        return turn;
    }

  private:
    /// How many tokens of the prompt the session holds already; the others it holds are forgotten.
    /// At least one is left to compute, since its logits are wanted.
    std::size_t keep_prefix(std::span<const std::int32_t> ids) {
        std::size_t n = 0;
        while (n + 1 < ids.size() && n < held_.size() && ids[n] == held_[n]) ++n;
        if (!session_.rewind(n)) {
            session_.clear();
            n = 0;
        }
        held_.resize(n);
        return n;
    }
    static void finish(const Turn& turn, const std::string& rest) {
        std::printf("%s\n", rest.c_str());
        for (const carat::ToolCall& call : turn.reply.tool_calls) {
            carat::JsonWriter arguments;
            arguments.value(call.arguments);
            std::printf("[calls %s %s]\n", call.name.c_str(),
                        std::string(arguments.text()).c_str());
        }
        if (turn.stop == carat::StopReason::max_tokens)
            std::printf("[stopped at the token limit]\n");
        if (turn.stop == carat::StopReason::context_full) std::printf("[the context is full]\n");
        std::fflush(stdout);
    }

    Session& session_;
    Media& media_;
    carat::Sampler& sampler_;
    const carat::Tokenizer& tokenizer_;
    carat::GenerateOptions options_;
    bool print_;
    volatile std::sig_atomic_t* interrupted_;
    std::vector<std::int32_t> held_;  // ids in the session
};

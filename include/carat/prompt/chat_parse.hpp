/// \file
/// What a model's raw output means: thoughts, the answer, and calls of tools. Source: spec/chat.md,
/// section 13.
#pragma once

#include "carat/prompt/call_syntax.hpp"
#include "carat/text/unicode.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace carat::inline CARAT_ABI {

/// A call that could not be read.
struct MalformedCall {
    std::string text;    ///< what the model wrote, as it stands
    std::string reason;  ///< what is wrong with it
    friend bool operator==(const MalformedCall&, const MalformedCall&) = default;
};

/// A model's output, taken apart. Move only.
struct Reply {
    std::string thinking;                        ///< all thoughts, joined by a newline
    std::string content;                         ///< what is meant for the user
    std::vector<ToolCall> tool_calls;            ///< in order
    std::vector<MalformedCall> malformed_calls;  ///< in order
};

/// Something that happened in a model's output. What an event points to is valid while it is told.
///
/// However the output is cut into pieces, the texts of neighbouring events of one type, joined, are
/// the same, and so is the order of everything else.
struct ReplyEvent {
    enum class Type : std::uint8_t {
        thinking,        ///< `text` is the next part of Reply::thinking
        text,            ///< `text` is the next part of Reply::content
        call_begin,      ///< `text` is the name of the function that is about to be called
        call_argument,   ///< `text` is the next part of the arguments, in the model's own syntax
        call_end,        ///< `call` is the whole call
        call_malformed,  ///< `text` is all of a call that cannot be read, begun or not; and
                         ///< `reason`
        end_of_turn,     ///< `text` is the token that ends it; nothing follows
    };
    Type type = Type::text;
    std::string_view text{};
    std::string_view reason{};
    const ToolCall* call = nullptr;
};

namespace detail {

/// Trims a text that comes in pieces: what may turn out to be white space at the end, or only the
/// first bytes of a character, waits.
class StreamTrimmer {
  public:
    /// emit(text) gets what is certain to be part of the trimmed text.
    template <class Emit>
    void push(std::string_view text, Emit&& emit) {
        waiting_ += text;
        std::string_view ready(waiting_);
        ready.remove_suffix(unfinished(ready));
        if (!started_) {
            const std::size_t space = ready.size() - unicode::trim_left(ready).size();
            waiting_.erase(0, space);
            ready = std::string_view(waiting_).substr(0, ready.size() - space);
        }
        const std::size_t fresh = unicode::trim_right(ready.substr(blank_)).size();
        const std::size_t certain = fresh > 0 ? blank_ + fresh : 0;
        blank_ = ready.size() - certain;
        give(certain, emit);
    }
    /// The end of the text. The trimmer is as new afterwards.
    template <class Emit>
    void finish(Emit&& emit) {
        std::string_view rest(waiting_);
        if (!started_) rest = unicode::trim_left(rest);
        waiting_ = unicode::trim_right(rest);
        give(waiting_.size(), emit);
        waiting_.clear();
        blank_ = 0;
        started_ = false;
    }

  private:
    /// Bytes at the end that are the start of a character.
    static std::size_t unfinished(std::string_view text) {
        for (std::size_t n = 1; n <= 3 && n <= text.size(); ++n) {
            const auto byte = static_cast<std::uint8_t>(text[text.size() - n]);
            if ((byte & 0xC0) == 0x80) continue;
            const std::size_t length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC2 ? 2 : 1;
            return length > n ? n : 0;
        }
        return 0;
    }
    template <class Emit>
    void give(std::size_t n, Emit&& emit) {
        if (n == 0) return;
        started_ = true;
        emit(std::string_view(waiting_).substr(0, n));
        waiting_.erase(0, n);
    }

    std::string waiting_;
    std::size_t blank_ = 0;  // of what waits, bytes at its start that are white space
    bool started_ = false;
};

}  // namespace detail

/// Takes output apart while it comes in, and tells what it finds as soon as it is certain. The text
/// has its control tokens visible (Tokenizer::decode without skip_special) and may be cut anywhere.
/// It never fails and loses nothing: what cannot be read comes back as text. After finish the
/// parser has nothing left to say.
///
///     carat::ReplyParser parser;
///     parser.push(piece, [](const carat::ReplyEvent& e) { … });
class ReplyParser {
  public:
    /// `starts_in_thought` says whether the prompt left a thought open (carat::starts_in_thought).
    explicit ReplyParser(bool starts_in_thought = false)
        : state_(starts_in_thought ? State::thought : State::content) {}

    enum class State { content, thought, call, stopped };
    /// Where the output stands.
    [[nodiscard]] State state() const noexcept { return state_; }

    /// The next part of the output, and on_event(const ReplyEvent&) for what it made certain. What
    /// follows `<turn|>`, `<eos>` or `<|tool_response>` is not looked at.
    template <class OnEvent>
    void push(std::string_view text, OnEvent&& on_event) {
        if (state_ == State::stopped) return;
        buffer_ += text;
        std::size_t done = 0;
        while (state_ != State::stopped && step(done, on_event)) {
        }
        buffer_.erase(0, done);
    }
    void push(std::string_view text) {
        push(text, [](const ReplyEvent&) {});
    }
    /// The same for what is known to come from ordinary tokens: a control token that such a text
    /// spells is text, as in an answer about carat.
    template <class OnEvent>
    void push_text(std::string_view text, OnEvent&& on_event) {
        if (state_ == State::stopped || text.empty()) return;
        body(buffer_, on_event);
        buffer_.clear();
        body(text, on_event);
    }
    /// The next token: `text` is what it made certain (TextStream::push), and `control` its own
    /// spelling if it is a control token, with which the text then ends.
    template <class OnEvent>
    void push_token(std::string_view text, std::string_view control, OnEvent&& on_event) {
        if (!text.ends_with(control)) control = {};
        push_text(text.substr(0, text.size() - control.size()), on_event);
        push(control, on_event);
    }

    /// The end of the output: the events that waited for it, and all that it said.
    template <class OnEvent>
    [[nodiscard]] Reply finish(OnEvent&& on_event) {
        if (state_ != State::stopped) {
            body(buffer_, on_event);
            buffer_.clear();
            close(on_event);
            end(on_event);
            state_ = State::stopped;
        }
        return std::move(reply_);
    }
    [[nodiscard]] Reply finish() {
        return finish([](const ReplyEvent&) {});
    }

    /// What the output has said so far.
    [[nodiscard]] const Reply& so_far() const noexcept { return reply_; }

  private:
    using Type = ReplyEvent::Type;
    enum class Token { open_thought, close_thought, open_call, close_call, stop };
    struct Control {
        std::string_view text;
        Token token;
    };
    static constexpr std::array<Control, 7> controls = {{{"<|channel>", Token::open_thought},
                                                         {"<channel|>", Token::close_thought},
                                                         {"<|tool_call>", Token::open_call},
                                                         {"<tool_call|>", Token::close_call},
                                                         {"<turn|>", Token::stop},
                                                         {"<eos>", Token::stop},
                                                         {"<|tool_response>", Token::stop}}};

    /// Inside of a thought or a call, only its own end counts; the other tokens are text there.
    bool counts(Token token) const noexcept {
        if (token == Token::stop || state_ == State::content) return true;
        return token == (state_ == State::thought ? Token::close_thought : Token::close_call);
    }

    /// Moves text from the buffer, where `done` is the first byte not yet looked at, to the body,
    /// up to the next control token, and acts on the token. False where the buffer holds none; then
    /// what is left in it may be the start of one.
    template <class OnEvent>
    bool step(std::size_t& done, OnEvent& on_event) {
        const std::string_view text = std::string_view(buffer_).substr(done);
        for (std::size_t at = text.find('<'); at != std::string_view::npos;
             at = text.find('<', at + 1)) {
            const std::string_view rest = text.substr(at);
            for (const Control& control : controls) {
                if (!counts(control.token)) continue;
                const bool whole = rest.starts_with(control.text);
                if (!whole && !control.text.starts_with(rest)) continue;
                body(text.substr(0, at), on_event);
                done += at;
                if (!whole) return false;
                done += control.text.size();
                act(control, on_event);
                return true;
            }
        }
        body(text, on_event);
        done = buffer_.size();
        return false;
    }

    template <class OnEvent>
    void act(const Control& control, OnEvent& on_event) {
        close(on_event);
        switch (control.token) {
            case Token::open_thought:
                state_ = State::thought;
                naming_ = true;
                break;
            case Token::open_call:
                state_ = State::call;
                break;
            case Token::close_thought:
            case Token::close_call:
                state_ = State::content;
                break;  // in content a stray one, dropped
            case Token::stop:
                end(on_event);
                state_ = State::stopped;
                on_event(ReplyEvent{Type::end_of_turn, control.text});
                break;
        }
    }

    /// More of the current state's text.
    template <class OnEvent>
    void body(std::string_view text, OnEvent& on_event) {
        switch (state_) {
            case State::content:
                content_.push(text, [&](std::string_view part) { say(part, on_event); });
                break;
            case State::thought:
                name_or_thought(text, on_event);
                break;
            case State::call:
                call(text, on_event);
                break;
            case State::stopped:
                break;
        }
    }

    /// The text of the current state is complete.
    template <class OnEvent>
    void close(OnEvent& on_event) {
        if (state_ == State::thought) {
            if (naming_ && body_ != channel_name) think(body_, on_event);
            body_.clear();
            naming_ = false;
            thought_.finish([&](std::string_view part) { add_thought(part, on_event); });
            in_thought_ = false;
        } else if (state_ == State::call) {
            if (auto call = parse_call(body_)) {
                reply_.tool_calls.push_back(*std::move(call));
                on_event(ReplyEvent{
                    .type = Type::call_end, .text = body_, .call = &reply_.tool_calls.back()});
            } else {
                on_event(ReplyEvent{Type::call_malformed, body_, call.error().text});
                reply_.malformed_calls.push_back({std::move(body_), call.error().text});
            }
            body_.clear();
            told_ = looked_ = 0;
        }
    }

    /// The output is complete.
    template <class OnEvent>
    void end(OnEvent& on_event) {
        content_.finish([&](std::string_view part) { say(part, on_event); });
    }

    template <class OnEvent>
    void say(std::string_view part, OnEvent& on_event) {
        reply_.content += part;
        on_event(ReplyEvent{Type::text, part});
    }

    /// A channel that is entered by its token starts with its name; `thought` is the one that has
    /// no say.
    template <class OnEvent>
    void name_or_thought(std::string_view text, OnEvent& on_event) {
        if (!naming_) return think(text, on_event);
        body_ += text;
        const std::string_view named = "thought\n";
        if (body_.size() < named.size() && named.starts_with(body_)) return;
        naming_ = false;
        think(std::string_view(body_).substr(body_.starts_with(named) ? channel_name.size() : 0),
              on_event);
        body_.clear();
    }
    template <class OnEvent>
    void think(std::string_view text, OnEvent& on_event) {
        thought_.push(text, [&](std::string_view part) { add_thought(part, on_event); });
    }
    template <class OnEvent>
    void add_thought(std::string_view part, OnEvent& on_event) {
        if (!in_thought_ && !reply_.thinking.empty()) {
            reply_.thinking += '\n';
            on_event(ReplyEvent{Type::thinking, "\n"});
        }
        in_thought_ = true;
        reply_.thinking += part;
        on_event(ReplyEvent{Type::thinking, part});
    }

    /// Of a call, its name is told once it is whole, and its arguments as they come.
    template <class OnEvent>
    void call(std::string_view text, OnEvent& on_event) {
        body_ += text;
        if (told_ == 0) {
            const std::size_t brace = body_.find('{', looked_);
            if (brace == std::string::npos) {
                looked_ = std::max(looked_, body_.size());
                return;
            }
            looked_ = std::string::npos;  // what is no call by now will be none
            std::string_view name = std::string_view(body_).substr(0, brace);
            name.remove_prefix(std::min(name.find_first_not_of(" \t\r\n"), name.size()));
            constexpr std::string_view opens = "call:";
            if (!name.starts_with(opens)) return;
            name = unicode::trim(name.substr(opens.size()));
            if (name.empty()) return;
            told_ = brace;
            on_event(ReplyEvent{Type::call_begin, name});
        }
        if (told_ == body_.size()) return;
        on_event(ReplyEvent{Type::call_argument, std::string_view(body_).substr(told_)});
        told_ = body_.size();
    }

    static constexpr std::string_view channel_name = "thought";

    State state_;
    bool naming_ = false;      // in a thought whose channel may still turn out to be named
    bool in_thought_ = false;  // part of the current thought has been told
    std::size_t told_ = 0;     // of the current call, in bytes; 0: nothing
    std::size_t looked_ = 0;   // where the end of its name may be, if it has one
    std::string buffer_;       // not yet looked at, or perhaps the start of a control token
    std::string body_;         // of the current call, or the name of a channel
    detail::StreamTrimmer content_, thought_;
    Reply reply_;
};

/// Takes a whole output apart. Every text has a meaning, so this cannot fail.
[[nodiscard]] Reply parse_reply(std::string_view text, bool starts_in_thought = false);

}  // namespace carat::inline CARAT_ABI

#ifndef CARAT_SEPARATE_COMPILATION
#include "carat/prompt/chat_parse.inl.hpp"
#endif

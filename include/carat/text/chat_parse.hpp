/// \file
/// What a model's raw output means: thoughts, the answer, and calls of tools. Source: spec/chat.md,
/// section 13.
#pragma once

#include "carat/text/call_syntax.hpp"
#include "carat/text/unicode.hpp"

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace carat {

/// A model's output, taken apart. Move only.
struct Reply {
    std::string thinking;                      ///< all thoughts, joined by a newline
    std::string content;                       ///< what is meant for the user
    std::vector<ToolCall> tool_calls;          ///< in order
    std::vector<std::string> malformed_calls;  ///< the raw text of calls that could not be read
};

/// Takes output apart while it comes in. The text has its control tokens visible (Tokenizer::decode
/// without skip_special) and may be cut anywhere. After finish the parser has nothing left to say.
class ReplyParser {
  public:
    /// `starts_in_thought` says whether the prompt left a thought open (carat::starts_in_thought).
    explicit ReplyParser(bool starts_in_thought = false)
        : state_(starts_in_thought ? State::thought : State::content) {}

    enum class State { content, thought, call, stopped };
    /// Where the output stands.
    [[nodiscard]] State state() const noexcept { return state_; }

    /// The next part of the output. What follows `<turn|>`, `<eos>` or `<|tool_response>` is not
    /// looked at.
    void push(std::string_view text) {
        if (state_ == State::stopped) return;
        buffer_ += text;
        std::size_t done = 0;
        while (state_ != State::stopped && step(done)) {
        }
        buffer_.erase(0, done);
    }

    /// The end of the output, and all that it said.
    [[nodiscard]] Reply finish() {
        body_ += buffer_;
        buffer_.clear();
        close();
        state_ = State::stopped;
        reply_.content = unicode::trim(content_);
        return std::move(reply_);
    }

  private:
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
    bool step(std::size_t& done) {
        const std::string_view text = std::string_view(buffer_).substr(done);
        for (std::size_t at = text.find('<'); at != std::string_view::npos;
             at = text.find('<', at + 1)) {
            const std::string_view rest = text.substr(at);
            for (const Control& control : controls) {
                if (!counts(control.token)) continue;
                const bool whole = rest.starts_with(control.text);
                if (!whole && !control.text.starts_with(rest)) continue;
                body_ += text.substr(0, at);
                done += at;
                if (!whole) return false;
                done += control.text.size();
                act(control.token);
                return true;
            }
        }
        body_ += text;
        done = buffer_.size();
        return false;
    }

    void act(Token token) {
        close();
        switch (token) {
            case Token::open_thought:
                state_ = State::thought;
                named_ = true;
                break;
            case Token::open_call:
                state_ = State::call;
                break;
            case Token::close_thought:
            case Token::close_call:
                state_ = State::content;
                break;  // in content a stray one, dropped
            case Token::stop:
                state_ = State::stopped;
                break;
        }
    }

    /// The body of the current state is complete.
    void close() {
        switch (state_) {
            case State::content:
                content_ += body_;
                break;
            case State::thought:
                add_thought(body_);
                break;
            case State::call:
                if (auto call = parse_call(body_)) {
                    reply_.tool_calls.push_back(*std::move(call));
                } else {
                    reply_.malformed_calls.push_back(body_);
                }
                break;
            case State::stopped:
                break;
        }
        body_.clear();
    }

    /// A channel starts with its name; `thought` is the one that has no say.
    void add_thought(std::string_view body) {
        constexpr std::string_view name = "thought";
        if (named_ && (body == name || body.starts_with("thought\n")))
            body.remove_prefix(name.size());
        body = unicode::trim(body);
        if (body.empty()) return;
        if (!reply_.thinking.empty()) reply_.thinking += '\n';
        reply_.thinking += body;
    }

    State state_;
    bool named_ = false;  // the thought was entered by its token, so that a name may follow
    std::string buffer_;  // not yet looked at, or perhaps the start of a control token
    std::string body_;    // of the current state
    std::string content_;
    Reply reply_;
};

/// Takes a whole output apart. Every text has a meaning, so this cannot fail.
[[nodiscard]] inline Reply parse_reply(std::string_view text, bool starts_in_thought = false) {
    ReplyParser parser(starts_in_thought);
    parser.push(text);
    return parser.finish();
}

}  // namespace carat

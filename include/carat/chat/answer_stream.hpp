/// \file
/// The pieces of one answer, as a range.
#pragma once

#include "carat/base/result.hpp"
#include "carat/generate/generate.hpp"
#include "carat/prompt/chat_parse.hpp"

#include <cstddef>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>

namespace carat::inline CARAT_ABI {

/// What Chat::reply() returns: an input range of the text as it comes. Leaving it early ends the
/// answer. The chat must stay where it is meanwhile.
template <class Chat>
class [[nodiscard]] AnswerStream {
  public:
    class Iterator {
      public:
        using value_type = std::string_view;
        using difference_type = std::ptrdiff_t;

        explicit Iterator(AnswerStream* stream) : stream_(stream) {}
        std::string_view operator*() const { return stream_->piece_; }
        Iterator& operator++() { return stream_->advance(), *this; }
        void operator++(int) { ++*this; }
        friend bool operator==(const Iterator& i, std::default_sentinel_t) { return i.done(); }

      private:
        [[nodiscard]] bool done() const { return stream_->over_; }

        AnswerStream* stream_;
    };

    explicit AnswerStream(Chat& chat) : chat_(chat) {}
    AnswerStream(const AnswerStream&) = delete;
    AnswerStream& operator=(const AnswerStream&) = delete;
    ~AnswerStream() {
        if (over_ || !chat_.answer_) return;
        chat_.answer_->turn.stop = StopReason::caller;
        auto finished =
            memory_errors(what, [this]() -> Result<void> { return finish(), Result<void>(); });
        if (!finished) fail(std::move(finished).error());
    }

    Iterator begin() {
        if (auto begun = memory_errors(what, [this] { return chat_.begin({}); }); begun) {
            advance();
        } else {
            fail(std::move(begun).error());
        }
        return Iterator(this);
    }
    static std::default_sentinel_t end() { return {}; }

  private:
    static constexpr std::string_view what = "the answer";

    void fail(Error error) {
        chat_.last_ = std::move(error);
        chat_.answer_.reset();
        over_ = true;
    }
    void finish() {
        auto hear = [this](const ReplyEvent& e) { add(e); };
        chat_.last_ = chat_.end(hear);
    }
    void add(const ReplyEvent& e) {
        if (e.type == ReplyEvent::Type::text) piece_ += e.text;
    }
    void advance() {
        piece_.clear();
        if (!chat_.answer_) {
            over_ = true;
            return;
        }
        auto hear = [this](const ReplyEvent& e) { add(e); };
        auto heard = memory_errors(what, [&]() -> Result<void> {
            while (piece_.empty() && chat_.answer_) {
                auto more = chat_.step(hear, {});
                if (!more) return std::move(more).error();
                if (!*more) finish();
            }
            return {};
        });
        if (!heard) return fail(std::move(heard).error());
        over_ = piece_.empty();
    }

    Chat& chat_;
    std::string piece_;
    bool over_ = false;
};

}  // namespace carat::inline CARAT_ABI

/// \file
/// The pieces of one answer, as a range.
#pragma once

#include "carat/base/result.hpp"
#include "carat/generate/generate.hpp"
#include "carat/text/chat_parse.hpp"

#include <cstddef>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>

namespace carat::inline CARAT_ABI {

/// What Chat::reply() returns: an input range of the text as it comes. Leaving it early ends the
/// answer. The chat must stay where it is meanwhile.
template <class Chat>
class AnswerStream {
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
        finish();
    }

    Iterator begin() {
        if (auto begun = chat_.begin({}); begun) {
            advance();
        } else {
            fail(begun.error());
        }
        return Iterator(this);
    }
    static std::default_sentinel_t end() { return {}; }

  private:
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
        while (piece_.empty() && chat_.answer_) {
            const auto more = chat_.step(hear, {});
            if (!more) return fail(more.error());
            if (!*more) finish();
        }
        over_ = piece_.empty();
    }

    Chat& chat_;
    std::string piece_;
    bool over_ = false;
};

}  // namespace carat::inline CARAT_ABI

/// \file
/// The generation loop: read a prompt, then choose tokens one by one until something says stop.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/generate/logits_source.hpp"
#include "carat/generate/sampler.hpp"
#include "carat/generate/session.hpp"
#include "carat/generate/token_mask.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

namespace carat::inline CARAT_ABI {

enum class StopReason : std::uint8_t {
    stop_token,    ///< one of stop_ids was chosen
    max_tokens,    ///< so many were generated
    context_full,  ///< no room for another token
    caller,        ///< on_token returned false
};

constexpr const char* name_of(StopReason reason) {
    switch (reason) {
        case StopReason::stop_token:
            return "stop_token";
        case StopReason::max_tokens:
            return "max_tokens";
        case StopReason::context_full:
            return "context_full";
        case StopReason::caller:
            return "caller";
    }
    return "unknown";
}

struct GenerateOptions {
    std::size_t max_tokens = 256;
    /// Token 1, the end of a text, alone; a chat model also ends its turn, see
    /// Gemma4::generation().eos_token_ids.
    std::vector<std::int32_t> stop_ids{1};
};

/// A generation that is asked for its tokens one at a time:
///
///     for (;;) {
///         const auto id = generation.next();
///         if (!id) return id.error();
///         if (!*id) break;  // generation.stop_reason() says why
///         use(**id);
///     }
///
/// Session, sampler, filter and source must outlive it. With a source of logits, a Speculation, the
/// tokens are drawn as without one, and in exact arithmetic they are the same; only the session may
/// be ahead between two tokens, until settle().
template <class Model>
class Generation {
  public:
    Generation(Session<Model>& session, Sampler& sampler, const GenerateOptions& options,
               TokenFilter filter = {}, LogitsSource<Model>* source = nullptr)
        : session_(session),
          sampler_(sampler),
          options_(options),
          filter_(filter),
          source_(source) {}
    Generation(const Generation&) = delete;
    Generation& operator=(const Generation&) = delete;
    ~Generation() { settle(); }

    /// Appends `prompt` to the session; tokens follow. Bad input: what Session::append refuses, and
    /// a cancellation through progress.
    Result<void> read(SessionInput<Model> prompt, Progress progress = {}) {
        settle();
        prompt.logits_to_keep = 1;
        prompt.logits_at = {};
        Result<void> done = session_.append(
            prompt, [&](std::size_t, std::span<const float> z) { logits_ = z; }, progress);
        held_ = session_.size();
        if (!done) return done;
        for (const std::int32_t id : prompt.ids) sampler_.observe(id);
        return done;
    }

    /// The next token, a stop token included, or nothing once there is a reason to stop. Each is
    /// fed back when the next one is asked for, so that the session holds all but the last. Bad
    /// input: weights that make the logits no numbers (bad_format), and a filter that has no memory
    /// to say what is allowed (out_of_memory), which may be asked again.
    Result<std::optional<std::int32_t>> next() {
        return memory_errors("the next token", [&] { return choose(); });
    }

    /// The session holds the prompt and the tokens given so far but the last, also with a source:
    /// what that was ahead is taken back. So it is after the last token, and when this ends.
    void settle() noexcept {
        if (source_ != nullptr) source_->settle(session_);
    }

    /// Why there are no more tokens; `caller` as long as there may be.
    [[nodiscard]] StopReason stop_reason() const noexcept { return reason_; }

  private:
    /// Tokens that can still be chosen once the session holds so many.
    [[nodiscard]] std::size_t left(std::size_t held) const noexcept {
        return std::min(options_.max_tokens - generated_, session_.context_tokens() - held + 1);
    }
    /// next(), but a filter without memory may throw.
    Result<std::optional<std::int32_t>> choose() {
        if (given_) {
            if (std::find(options_.stop_ids.begin(), options_.stop_ids.end(), last_) !=
                options_.stop_ids.end())
                return end(StopReason::stop_token);
            if (generated_ >= options_.max_tokens) return end(StopReason::max_tokens);
            if (held_ == session_.context_tokens()) return end(StopReason::context_full);
            const auto logits = source_ != nullptr
                                    ? source_->after(session_, last_, left(held_ + 1))
                                    : session_.append(std::span(&last_, 1));
            if (!logits) return logits.error();
            logits_ = *logits;
            given_ = false;
            ++held_;
        } else if (options_.max_tokens == 0) {
            return end(StopReason::max_tokens);
        }
        const TokenMask allowed = filter_.allowed(left(held_));
        last_ = sampler_(logits_, allowed);
        // The session has looked at what goes into the head. Of logits without a number the sampler
        // has no better one: whoever looks at the choice need not look at all.
        if (const auto at = static_cast<std::size_t>(last_);
            at >= logits_.size() || !std::isfinite(logits_[at])) {
            if (last_ < 0 && allowed.restricts())
                return Error{Errc::bad_format, joined({"none of the tokens allowed after ", held_,
                                                       " tokens has a finite logit"})};
            return Error{Errc::bad_format,
                         joined({"the logits after ", held_,
                                 " tokens are not finite: the weights are damaged"})};
        }
        filter_.accept(last_);
        sampler_.observe(last_);
        ++generated_;
        given_ = true;
        return std::optional(last_);
    }
    std::optional<std::int32_t> end(StopReason reason) {
        settle();
        reason_ = reason;
        return std::nullopt;
    }

    Session<Model>& session_;
    Sampler& sampler_;
    GenerateOptions options_;
    TokenFilter filter_;
    LogitsSource<Model>* source_;
    std::span<const float> logits_{};
    std::int32_t last_ = 0;
    bool given_ = false;  ///< last_ was given, and the session does not hold it
    std::size_t generated_ = 0;
    std::size_t held_ = 0;  ///< tokens that the session holds without those of a source
    StopReason reason_ = StopReason::caller;
};

/// Appends `prompt` to the session, then generates. on_token(id) is called for each token chosen, a
/// stop token included, and may return false to stop; progress while the prompt is read. The last
/// token is not fed back: after it, the session holds the prompt and all generated tokens but the
/// last. `filter` says which tokens may come next; `source`, a Speculation, makes it quicker.
/// Decoding allocates nothing. Bad input: what Session::append refuses, and a cancellation through
/// progress; nothing is generated then. Weights that make the logits no numbers end it with an
/// error (bad_format), and so does a filter that memory ends for (out_of_memory).
template <class Model, class OnToken>
Result<StopReason> generate(Session<Model>& session, SessionInput<Model> prompt, Sampler& sampler,
                            const GenerateOptions& options, OnToken&& on_token,
                            Progress progress = {}, TokenFilter filter = {},
                            LogitsSource<Model>* source = nullptr) {
    Generation<Model> generation(session, sampler, options, filter, source);
    if (const Result<void> read = generation.read(prompt, progress); !read) return read.error();
    while (true) {
        const Result<std::optional<std::int32_t>> id = generation.next();
        if (!id) return id.error();
        if (!*id) return generation.stop_reason();
        if constexpr (std::is_convertible_v<std::invoke_result_t<OnToken&, std::int32_t>, bool>) {
            if (!on_token(**id)) return StopReason::caller;
        } else {
            on_token(**id);
        }
    }
}

}  // namespace carat::inline CARAT_ABI

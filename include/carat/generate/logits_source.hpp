/// \file
/// Where the logits of a generation come from, if not from one call a token.
#pragma once

#include "carat/base/result.hpp"
#include "carat/generate/session.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace carat::inline CARAT_ABI {

/// What drafting has done so far.
struct DraftStats {
    std::size_t drafted = 0;   ///< tokens that were guessed
    std::size_t accepted = 0;  ///< of them, those that the model chose too
    std::size_t passes = 0;    ///< calls of the model, with drafts or without

    friend constexpr bool operator==(const DraftStats&, const DraftStats&) = default;
    friend constexpr DraftStats operator-(const DraftStats& a, const DraftStats& b) {
        return {a.drafted - b.drafted, a.accepted - b.accepted, a.passes - b.passes};
    }
};

struct SpeculationOptions {
    /// Most tokens drafted at once, at most DraftPace::most_drafts; 0: what the assistant's files
    /// say.
    std::size_t draft_tokens = 0;
    /// As many as pay, none where it is slower. False: always draft_tokens.
    bool adapt = true;
};

/// A source may append tokens to the session that nobody has chosen yet; settle() takes them back.
/// What it gives is what Session::append would.
template <class Model>
class LogitsSource {
  public:
    virtual ~LogitsSource() = default;

    /// The logits [vocab_size] after `token`, which follows all that was given to the session or
    /// to this; they stay until the next call. At most `left` tokens will be chosen from now on,
    /// one of them by these logits. Bad input: as Session::append.
    virtual Result<std::span<const float>> after(Session<Model>& session, std::int32_t token,
                                                 std::size_t left) = 0;
    /// The session then holds what was given, and no more.
    virtual void settle(Session<Model>& session) noexcept = 0;
    [[nodiscard]] virtual DraftStats stats() const noexcept = 0;
    /// Another one, for a fork of the session. Bad input: memory that the system refuses.
    [[nodiscard]] virtual Result<std::unique_ptr<LogitsSource>> fork(
        const Session<Model>& session) const = 0;
    /// Bytes of memory of its own.
    [[nodiscard]] virtual std::size_t memory_bytes() const noexcept = 0;

  protected:
    LogitsSource() = default;
    LogitsSource(LogitsSource&&) = default;
    LogitsSource& operator=(LogitsSource&&) = default;
};

}  // namespace carat::inline CARAT_ABI

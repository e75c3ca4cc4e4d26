/// \file
/// Speculation: a drafter guesses some tokens, and one call of the model gives the logits behind
/// all of them. Tokens are then drawn from those logits one by one, as without it, and as long as
/// they are the guessed ones no call is needed. Where one is not, what was read of the guesses
/// behind it is taken back.
///
/// Each token is drawn from the model's own distribution, so that the output is distributed as
/// without drafts. (That a guess d is kept if the draw y from P is d, and is y else, is speculative
/// sampling, Leviathan et al. 2023, with a drafter that is sure of d.) In exact arithmetic, where
/// logits do not depend on how tokens are read, it is the same, token for token.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/result.hpp"
#include "carat/generate/draft_pace.hpp"
#include "carat/generate/logits_source.hpp"
#include "carat/generate/session.hpp"
#include "carat/model/drafter.hpp"
#include "carat/tensor/arena.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

namespace carat::inline CARAT_ABI {

/// Of one session at a time. Takes its memory once. The drafter's weights must outlive it. Clock
/// tells the time, by which the pace decides how many tokens are drafted (generate/draft_pace.hpp).
template <class Drafter, class Clock = std::chrono::steady_clock>
class Speculation final : public LogitsSource<typename Drafter::Target> {
  public:
    using Target = typename Drafter::Target;

    /// Bytes that create() takes, for a session of these options and a number of threads.
    static constexpr std::size_t bytes(std::size_t draft_tokens, std::size_t context_tokens,
                                       std::size_t workers) {
        MemoryPlan plan;
        Memory::take(plan, draft_tokens, context_tokens, workers);
        return plan.bytes();
    }

    /// For `session`, or others that are not longer and do not have more threads. Bad input:
    /// draft_tokens of 0 or too many; a session whose chunk_tokens are too few for a call of
    /// draft_tokens + 1, which is also what its sliding layers can take back (invalid_argument);
    /// memory that the system refuses (out_of_memory).
    static Result<Speculation> create(const typename Drafter::Weights& weights,
                                      const Session<Target>& session, SpeculationOptions options) {
        const std::size_t most = options.draft_tokens;
        if (most == 0 || most > DraftPace::most_drafts)
            return Error{
                Errc::invalid_argument,
                joined({"draft_tokens is ", most, ", expected 1 to ", DraftPace::most_drafts})};
        if (session.chunk_tokens() < most + 1)
            return Error{
                Errc::invalid_argument,
                joined({"drafting ", most, " tokens at once needs chunk_tokens of at least ",
                        most + 1, ", not ", session.chunk_tokens()})};
        Speculation s(weights, session, options);
        const std::size_t size = bytes(most, s.context_, s.workers_);
        s.arena_ = Arena(size);
        if (!s.arena_)
            return Error{Errc::out_of_memory,
                         joined({"drafting takes ", size, " bytes, which the system refused"})};
        s.memory_ = Memory::take(s.arena_, most, s.context_, s.workers_);
        return s;
    }
    /// With the same weights and options, and a pace of its own.
    [[nodiscard]] Result<std::unique_ptr<LogitsSource<Target>>> fork(
        const Session<Target>& session) const override {
        using Fork = std::unique_ptr<LogitsSource<Target>>;
        return memory_errors([&]() -> Result<Fork> {
            Result<Speculation> other = create(*weights_, session, options_);
            if (!other) return std::move(other).error();
            return Fork(std::make_unique<Speculation>(*std::move(other)));
        });
    }

    Result<std::span<const float>> after(Session<Target>& session, std::int32_t token,
                                         std::size_t left) override {
        if (row_ < drafts_ && memory_.ids[row_ + 1] == token) {
            ++stats_.accepted;
            return std::span<const float>(memory_.logits.row(++row_).span());
        }
        close();
        settle(session);
        const auto began = Clock::now();
        const std::size_t drafts = draft(session, token, left);
        ++stats_.passes;
        base_ = session.size();
        if (drafts > 0) {
            const Result<void> done =
                session.append({.ids = memory_.ids.rows(0, drafts + 1).span(), .logits_to_keep = 0},
                               [&](std::size_t row, std::span<const float> z) {
                                   std::copy(z.begin(), z.end(), memory_.logits.row(row).data());
                               });
            if (done) {
                stats_.drafted += drafts;
                row_ = 0;
                drafts_ = drafts;
                open_ = true;
                ms_ = ms_since(began);
                return std::span<const float>(memory_.logits.row(0).span());
            }
            // A guess that the weights make no number of must not end what the model would say.
        }
        row_ = drafts_ = 0;
        const auto logits = session.append(std::span(&token, 1));
        if (logits && drafts == 0) pace_.plain(ms_since(began));
        return logits;
    }

    void settle(Session<Target>& session) noexcept override {
        if (open_ && row_ == drafts_) close();
        open_ = false;
        if (row_ < drafts_) session.rewind(base_ + row_ + 1);
        drafts_ = row_;
    }

    [[nodiscard]] DraftStats stats() const noexcept override { return stats_; }
    [[nodiscard]] const DraftPace& pace() const noexcept { return pace_; }
    [[nodiscard]] std::size_t memory_bytes() const noexcept override { return arena_.size(); }

  private:
    struct Memory {
        typename Drafter::Scratch scratch;
        Rows<float, Target::vocab> logits;  ///< [draft_tokens + 1]
        View<std::int32_t, dynamic> ids;    ///< the token that the model chose, and the drafts

        template <class Space>
        static constexpr Memory take(Space& space, std::size_t draft_tokens, std::size_t context,
                                     std::size_t workers) {
            Memory m;
            m.scratch = Drafter::Scratch::take(space, context, workers);
            m.logits = space.template take<float, dynamic, Target::vocab>(draft_tokens + 1);
            m.ids = space.template take<std::int32_t, dynamic>(draft_tokens + 1);
            return m;
        }
    };

    Speculation(const typename Drafter::Weights& weights, const Session<Target>& session,
                SpeculationOptions options)
        : weights_(&weights),
          options_(options),
          context_(session.context_tokens()),
          workers_(session.executor().concurrency()),
          pace_(options.draft_tokens, !options.adapt) {}

    static double ms_since(typename Clock::time_point began) {
        return std::chrono::duration<double, std::milli>(Clock::now() - began).count();
    }

    /// Tells the pace how a round went, once all of its drafts have met what the model chose.
    void close() noexcept {
        if (open_) pace_.round(drafts_, row_, ms_);
        open_ = false;
    }

    /// Drafts behind `token` into ids; how many. None where the session gives no room for it.
    std::size_t draft(Session<Target>& session, std::int32_t token, std::size_t left) {
        const std::size_t free = session.context_tokens() - session.size();
        const auto norms = session.final_norms();
        if (left < 2 || free < 2 || norms.rows() == 0) return 0;
        if (session.context_tokens() > context_ || session.executor().concurrency() > workers_ ||
            session.chunk_tokens() <= options_.draft_tokens)
            return 0;
        const std::size_t drafts = std::min({pace_.next(), left - 1, free - 1});
        if (drafts == 0) return 0;
        auto round =
            DraftRound::behind(session.size(), Target::config.sliding_window, session.key_mask());
        round.position = static_cast<std::size_t>(session.next_position());
        Drafter::begin(round, memory_.scratch);
        // Of a round the norm before `token` is that of the row which chose it; of a prompt, and of
        // a call without drafts, there is one.
        std::span<const float> state = norms.row(std::min(row_, norms.rows() - 1)).span();
        memory_.ids[0] = token;
        for (std::size_t i = 0; i < drafts; ++i) {
            token = Drafter{}.step(*weights_, session.weights(), session.cache(), round, token,
                                   state, memory_.scratch, session.executor());
            memory_.ids[i + 1] = token;
            state = memory_.scratch.state.row(0).span();
        }
        return drafts;
    }

    const typename Drafter::Weights* weights_;
    SpeculationOptions options_;
    std::size_t context_, workers_;
    Arena arena_;
    Memory memory_;
    DraftPace pace_;
    DraftStats stats_;
    std::size_t base_ = 0;              ///< tokens of the session before the last call
    std::size_t drafts_ = 0, row_ = 0;  ///< of the last call; the row that was given last
    bool open_ = false;                 ///< the pace has not heard of the last call
    double ms_ = 0;                     ///< that it took, with its drafts
};

}  // namespace carat::inline CARAT_ABI

/// \file
/// DraftPace: whether drafting pays, and how many tokens at a time, by what it has cost and brought
/// so far. Results do not depend on it, only time does.
///
/// Tokens of a round of K drafts, of which each is accepted with probability a after those before
/// it: (1 - a^(K+1)) / (1 - a) (Leviathan et al. 2023, eq. 1). K is the one with the most tokens a
/// millisecond. Where that is none, a round is tried now and then: rounds are paid from a budget of
/// lost time, which grows with the time that passes. So drafting that never helps costs about that
/// share.
#pragma once

#include "carat/abi.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

namespace carat::inline CARAT_ABI {

class DraftPace {
  public:
    static constexpr std::size_t most_drafts = 16;

    /// At most `most` drafts at once, at most most_drafts. `fixed`: always so many, whatever it
    /// costs.
    explicit DraftPace(std::size_t most = 0, bool fixed = false)
        : most_(std::min(most, most_drafts)), fixed_(fixed) {}

    /// Drafts for the next call of the model; 0: none.
    [[nodiscard]] std::size_t next() const noexcept {
        if (fixed_ || most_ == 0) return most_;
        // Plain calls are what rounds are compared with: two to begin with, and one now and then,
        // for they become slower with the context.
        if (plain_calls_ < 2 || rounds_since_plain_ >= 32) return 0;
        if (debt_ > budget()) return 0;
        if (rounds_ == 0) return 1;  // the cheapest way to learn what a draft costs
        std::size_t best = 0;
        double rate = 1.0 / plain_;
        for (std::size_t k = 1; k <= most_; ++k)
            if (const double r = tokens(k) / cost(k); r > rate) {
                rate = r;
                best = k;
            }
        if (best > 0) return best;
        const double loss = cost(1) - tokens(1) * plain_;
        return debt_ + loss <= budget() ? 1 : 0;
    }

    /// A call without drafts took so long.
    void plain(double ms) noexcept {
        plain_ = plain_calls_ == 0 ? ms : plain_ + (plain_calls_ < 4 ? 0.5 : 0.25) * (ms - plain_);
        ++plain_calls_;
        rounds_since_plain_ = 0;
        elapsed_ += ms;
    }
    /// A round of so many drafts, of which so many were accepted, took so long, drafts and call.
    void round(std::size_t drafts, std::size_t accepted, double ms) noexcept {
        drafts = std::min(drafts, most_drafts);
        double& known = cost_[drafts];
        known = known == 0 ? ms : known + 0.25 * (ms - known);
        constexpr double keep = 0.95;  // twenty rounds or so count
        accepted_ = keep * accepted_ + static_cast<double>(accepted);
        tried_ = keep * tried_ + static_cast<double>(accepted + (accepted < drafts ? 1 : 0));
        debt_ += ms - static_cast<double>(accepted + 1) * plain_;
        debt_ = std::max(debt_, -4 * plain_);  // what was won long ago must not be lost now
        ++rounds_;
        ++rounds_since_plain_;
        elapsed_ += ms;
    }

    /// How likely a draft is accepted after those before it: as seen, and before anything was as a
    /// usual drafter's.
    [[nodiscard]] double acceptance() const noexcept {
        constexpr double weight = 2, usual = 0.6;
        return (accepted_ + weight * usual) / (tried_ + weight);
    }

  private:
    /// Lost time that is allowed by now. The first trials must be possible in a short answer.
    [[nodiscard]] double budget() const noexcept { return 0.75 * plain_ + 0.015 * elapsed_; }
    [[nodiscard]] double tokens(std::size_t k) const noexcept {
        const double a = acceptance();
        double sum = 1, power = 1;
        for (std::size_t i = 0; i < k; ++i) sum += power *= a;
        return sum;
    }
    /// Of a round of k drafts: as measured, or a straight line from a plain call through the
    /// nearest that was.
    [[nodiscard]] double cost(std::size_t k) const noexcept {
        for (std::size_t away = 0; away < most_drafts; ++away)
            for (const std::size_t known : {k - std::min(k, away), k + away})
                if (known > 0 && known <= most_drafts && cost_[known] > 0)
                    return plain_ + (cost_[known] - plain_) * static_cast<double>(k) /
                                        static_cast<double>(known);
        return plain_;
    }

    std::size_t most_;
    bool fixed_;
    double plain_ = 0;  ///< of a call without drafts
    std::size_t plain_calls_ = 0, rounds_ = 0, rounds_since_plain_ = 0;
    std::array<double, most_drafts + 1> cost_{};  ///< by drafts; 0: not measured
    double accepted_ = 0, tried_ = 0;
    double elapsed_ = 0;
    double debt_ = 0;  ///< time that rounds took beyond what plain calls would have
};

}  // namespace carat::inline CARAT_ABI

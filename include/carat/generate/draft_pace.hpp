/// \file
/// DraftPace: whether drafting pays, and how many tokens at a time, by what it has cost and brought
/// so far. In exact arithmetic, and with quantised weights, results do not depend on it, only time
/// does. With bf16 in fast arithmetic a call of 6 tokens or 13, by the machine, has sums in another
/// order than one of fewer (simd/matmul.hpp): with 5 drafts, or 12, logits differ by their
/// rounding.
///
/// Tokens of a round of K drafts, of which each is accepted with probability a after those before
/// it: (1 - a^(K+1)) / (1 - a) (Leviathan et al. 2023, eq. 1). K is the one with the most tokens a
/// millisecond. Where that is none, a round is tried now and then: rounds are paid from a budget of
/// lost time, a share of the time that passes. So drafting that never helps costs no more than that
/// share, whatever a round costs.
#pragma once

#include "carat/base/abi.hpp"

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
        // for they become slower with the context. While no draft is right, one after each round:
        // a round is little slower than a plain call, and looks free beside one that was slow once.
        const std::size_t rounds = accepted_ < 1 ? 1 : 32;
        if (plain_calls_ < 2 || rounds_since_plain_ >= rounds) return 0;
        const auto affordable = [&](std::size_t k) {  // also if none is accepted
            return debt_ + cost(k) - plain_ <= credit * plain_;
        };
        if (rounds_ == 0) return 1;  // the cheapest way to learn what a draft costs
        std::size_t best = 0;
        double rate = 1.0 / plain_;
        for (std::size_t k = 1; k <= most_; ++k)
            if (const double r = tokens(k) / cost(k); r > rate && affordable(k)) {
                rate = r;
                best = k;
            }
        return best == 0 && affordable(1) ? 1 : best;
    }

    /// A call without drafts took so long.
    void plain(double ms) noexcept {
        // Calls are slow by chance, and never fast.
        plain_ = plain_calls_ == 0 ? ms : plain_ + (ms < plain_ ? 0.75 : 0.25) * (ms - plain_);
        ++plain_calls_;
        rounds_since_plain_ = 0;
        owe(-share * ms);
    }
    /// A round of so many drafts, of which so many were accepted, took so long, drafts and call.
    void round(std::size_t drafts, std::size_t accepted, double ms) noexcept {
        drafts = std::min(drafts, most_drafts);
        // More than as many plain calls is not drafting but something else that the machine did.
        if (plain_calls_ > 0) ms = std::min(ms, 1.25 * plain_ * static_cast<double>(drafts + 1));
        double& known = cost_[drafts];
        known = measured(drafts) ? known + 0.25 * (ms - known) : ms;
        at_[drafts] = ++rounds_;
        constexpr double keep = 0.95;  // twenty rounds or so count
        accepted_ = keep * accepted_ + static_cast<double>(accepted);
        tried_ = keep * tried_ + static_cast<double>(accepted + (accepted < drafts ? 1 : 0));
        owe((1 - share) * ms - static_cast<double>(accepted + 1) * plain_);
        ++rounds_since_plain_;
    }

    /// How likely a draft is accepted after those before it: as seen, and before anything was as a
    /// usual drafter's.
    [[nodiscard]] double acceptance() const noexcept {
        constexpr double weight = 2, usual = 0.6;
        return (accepted_ + weight * usual) / (tried_ + weight);
    }

  private:
    /// Of all time, how much may be lost; and in plain calls, how much before any has passed: the
    /// first trials must be possible in a short answer.
    static constexpr double share = 0.015, credit = 0.75;

    void owe(double ms) noexcept {
        debt_ = std::max(debt_ + ms, -4 * plain_);  // what was won long ago must not be lost now
    }
    [[nodiscard]] double tokens(std::size_t k) const noexcept {
        const double a = acceptance();
        double sum = 1, power = 1;
        for (std::size_t i = 0; i < k; ++i) sum += power *= a;
        return sum;
    }
    /// Of a round of k drafts: as measured lately, or by the nearest that was, from which each
    /// draft less takes its share and each more half of one. That is hopeful, for a machine's tiles
    /// make some numbers of tokens cheaper than others, and only trying tells.
    [[nodiscard]] double cost(std::size_t k) const noexcept {
        for (std::size_t away = 0; away < most_drafts; ++away)
            for (const std::size_t near : {k - std::min(k, away), k + away})
                if (near > 0 && near <= most_drafts && measured(near)) {
                    const double more = (static_cast<double>(k) - static_cast<double>(near)) /
                                        static_cast<double>(near);
                    return plain_ + (cost_[near] - plain_) * (1 + (more > 0 ? more / 2 : more));
                }
        return plain_;
    }
    [[nodiscard]] bool measured(std::size_t k) const noexcept {
        return at_[k] > 0 && rounds_ - at_[k] < 100;
    }

    std::size_t most_;
    bool fixed_;
    double plain_ = 0;  ///< of a call without drafts
    std::size_t plain_calls_ = 0, rounds_ = 0, rounds_since_plain_ = 0;
    std::array<double, most_drafts + 1> cost_{};     ///< by drafts
    std::array<std::size_t, most_drafts + 1> at_{};  ///< the round that measured it; 0: none
    double accepted_ = 0, tried_ = 0;
    /// Time that rounds took beyond what plain calls would have, less what may be lost.
    double debt_ = 0;
};

}  // namespace carat::inline CARAT_ABI

/// \file
/// Sampler: from the logits of one position to the next token, as generation_config.json asks.
///
/// Order of the steps, as in the reference: a mask if there is one, suppressed ids, repetition
/// penalty, temperature, top-k, top-p, min-p, draw. Source: spec/text.md section 16.
#pragma once

#include "carat/base/result.hpp"
#include "carat/generate/sampler_options.hpp"
#include "carat/generate/token_mask.hpp"
#include "carat/simd/select.hpp"
#include "carat/simd/softmax.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <span>
#include <string>
#include <vector>

namespace carat::inline CARAT_ABI {
inline namespace HWY_NAMESPACE {

/// A token that is left after the filters, and its probability.
struct Candidate {
    std::int32_t id = 0;
    float probability = 0.0f;
};

/// Holds what sampling needs, taken once: choosing a token allocates nothing.
class Sampler {
  public:
    /// Bad input: an option out of its range, a suppressed id outside the vocabulary, nothing left
    /// to choose from.
    static Result<Sampler> create(std::size_t vocab_size, SamplerOptions options) {
        return memory_errors("a sampler", [&]() -> Result<Sampler> {
            const auto refuse = [](std::string what) {
                return Error{Errc::invalid_argument, std::move(what)};
            };
            if (!options.greedy) {  // which reads none of them: files say temperature 0 then
                if (!(options.temperature > 0.0f) || !std::isfinite(options.temperature))
                    return refuse("temperature is " + std::to_string(options.temperature) +
                                  ", expected a number above 0 (or greedy decoding)");
                if (!(options.top_p > 0.0f && options.top_p <= 1.0f))
                    return refuse("top_p is " + std::to_string(options.top_p) +
                                  ", expected above 0 and at most 1");
                if (!(options.min_p >= 0.0f && options.min_p <= 1.0f))
                    return refuse("min_p is " + std::to_string(options.min_p) +
                                  ", expected 0 to 1");
            }
            if (!(options.repetition_penalty > 0.0f) || !std::isfinite(options.repetition_penalty))
                return refuse("repetition_penalty is " +
                              std::to_string(options.repetition_penalty) +
                              ", expected a number above 0");
            for (const std::int32_t id : options.suppress_tokens)
                if (id < 0 || static_cast<std::size_t>(id) >= vocab_size)
                    return Error{Errc::out_of_range, "suppress_tokens has id " +
                                                         std::to_string(id) + ", expected 0 to " +
                                                         std::to_string(vocab_size - 1)};
            std::vector<std::int32_t> suppressed = options.suppress_tokens;
            std::sort(suppressed.begin(), suppressed.end());
            suppressed.erase(std::unique(suppressed.begin(), suppressed.end()), suppressed.end());
            if (suppressed.size() == vocab_size)
                return refuse("suppress_tokens leaves none of " + std::to_string(vocab_size) +
                              " tokens to choose from");
            return Sampler(vocab_size, std::move(options));
        });
    }

    /// Tells of a token of the prompt or of the output, for the repetition penalty. Ids outside the
    /// vocabulary are ignored.
    void observe(std::int32_t id) noexcept {
        if (id < 0 || static_cast<std::size_t>(id) >= is_seen_.size()) return;
        if (is_seen_[static_cast<std::size_t>(id)] != 0) return;
        is_seen_[static_cast<std::size_t>(id)] = 1;
        seen_.push_back(id);
    }
    /// Forgets the tokens observed, and starts the seed's numbers over.
    void reset() {
        std::fill(is_seen_.begin(), is_seen_.end(), std::uint8_t{0});
        seen_.clear();
        random_.seed(options_.seed);
    }

    /// The next token for logits [vocab_size], one that the mask allows; -1 where none of those has
    /// a number, suppressed ones apart. NaN counts as smallest.
    std::int32_t operator()(std::span<const float> logits, TokenMask allowed = {}) noexcept {
        if (options_.greedy) {
            adjust(logits, allowed);
            const float* z = adjusted_.data();
            const float largest = simd::max_of(z, adjusted_.size());
            if (largest == lowest) return -1;
            return static_cast<std::int32_t>(simd::find_at_least(z, 0, adjusted_.size(), largest));
        }
        // 53 bits of the generator, whose numbers the C++ standard fixes; its distributions it does
        // not.
        const double u = static_cast<double>(random_() >> 11) * 0x1p-53;
        if (!filters()) {
            scale(logits, allowed);
            return possible_ ? left_[gather(u) - 1].id : -1;
        }
        const auto left = candidates(logits, allowed);
        if (!possible_) return -1;
        double sum = 0.0;
        for (const Candidate& c : left) {
            sum += static_cast<double>(c.probability);
            if (u < sum) return c.id;
        }
        return left.back().id;
    }

    /// What the filters leave of logits [vocab_size], most probable first (of equals the higher id;
    /// the reference leaves their order open), with probabilities that sum to 1. At least one;
    /// valid until the next call.
    std::span<const Candidate> candidates(std::span<const float> logits,
                                          TokenMask allowed = {}) noexcept {
        scale(logits, allowed);
        std::size_t kept;
        if (options_.top_k > 0) {
            const std::size_t n = take_largest(options_.top_k);
            double sum = 0.0, above = 0.0;
            for (std::size_t i = 0; i < n; ++i) sum += static_cast<double>(left_[i].probability);
            for (kept = 0; kept < n && (kept == 0 || above < share() * sum); ++kept)
                above += static_cast<double>(left_[kept].probability);
        } else {
            kept = gather(share());
        }
        if (options_.min_p > 0.0f)  // against the best probability, which is 1 before normalising
            while (kept > 1 && left_[kept - 1].probability < options_.min_p) --kept;
        double sum = 0.0;
        for (std::size_t i = 0; i < kept; ++i) sum += static_cast<double>(left_[i].probability);
        for (std::size_t i = 0; i < kept; ++i)
            left_[i].probability =
                static_cast<float>(static_cast<double>(left_[i].probability) / sum);
        return {left_.data(), kept};
    }

    [[nodiscard]] const SamplerOptions& options() const noexcept { return options_; }

  private:
    Sampler(std::size_t vocab_size, SamplerOptions options)
        : options_(std::move(options)),
          random_(options_.seed),
          is_seen_(vocab_size, std::uint8_t{0}),
          adjusted_(vocab_size),
          left_(vocab_size) {
        seen_.reserve(vocab_size);
    }

    static constexpr float lowest = -std::numeric_limits<float>::infinity();

    [[nodiscard]] bool filters() const noexcept {
        return options_.top_k > 0 || options_.top_p < 1.0f || options_.min_p > 0.0f;
    }
    /// Of the probability, how much top-p keeps: more than there is, if everything.
    [[nodiscard]] double share() const noexcept {
        return options_.top_p < 1.0f ? static_cast<double>(options_.top_p) : HUGE_VAL;
    }

    /// Logits after mask, suppression and penalty, into adjusted_.
    void adjust(std::span<const float> logits, TokenMask allowed) noexcept {
        const std::size_t n = std::min(logits.size(), adjusted_.size());
        simd::copy_numbers(logits.data(), n, adjusted_.data());
        std::fill(adjusted_.begin() + static_cast<std::ptrdiff_t>(n), adjusted_.end(), lowest);
        if (options_.repetition_penalty != 1.0f)
            for (const std::int32_t id : seen_) {
                float& z = adjusted_[static_cast<std::size_t>(id)];
                z = z < 0.0f ? z * options_.repetition_penalty : z / options_.repetition_penalty;
            }
        for (const std::int32_t id : options_.suppress_tokens)
            adjusted_[static_cast<std::size_t>(id)] = lowest;
        if (allowed.restricts()) forbid_others(allowed);
    }
    /// The same, and of what is possible the largest logit. Where nothing is, the first id is:
    /// better than undefined behaviour.
    void scale(std::span<const float> logits, TokenMask allowed) noexcept {
        adjust(logits, allowed);
        largest_ = simd::max_of(adjusted_.data(), adjusted_.size());
        possible_ = largest_ != lowest;
        if (!possible_) largest_ = adjusted_[0] = 0.0f;
    }
    /// Weight of a logit: its probability over the best one's. Differences to the largest, which no
    /// temperature can make overflow.
    [[nodiscard]] float weight(float z) const noexcept {
        return z == largest_ ? 1.0f : std::exp((z - largest_) / options_.temperature);
    }
    void forbid_others(TokenMask allowed) noexcept {
        for (std::size_t first = 0; first < adjusted_.size(); first += 64) {
            const std::size_t word = first / 64, end = std::min(first + 64, adjusted_.size());
            const std::uint64_t bits = word < allowed.words().size() ? allowed.words()[word] : 0;
            if (bits == ~std::uint64_t{0}) continue;
            for (std::size_t i = first; i < end; ++i)
                if ((bits >> (i - first) & 1) == 0) adjusted_[i] = lowest;
        }
    }

    /// The `count` most probable tokens that are possible, and those that equal the last of them,
    /// as in the reference: sorted as candidates() says into left_, with their weights. How many
    /// they are. One pass: what cannot be among the largest any more is not looked at twice.
    std::size_t take_largest(std::size_t count) noexcept {
        const auto before = [](const Candidate& a, const Candidate& b) {
            return a.probability != b.probability ? a.probability > b.probability : a.id > b.id;
        };
        const auto begin = left_.begin();
        std::size_t n = 0, room = 2 * std::min(count, left_.size());
        float least = std::numeric_limits<float>::lowest();
        // Leaves the `count` largest and the equals of the last, which is the least from then on.
        const auto shrink = [&] {
            if (n <= count) return;
            const auto end = begin + static_cast<std::ptrdiff_t>(n),
                       last = begin + static_cast<std::ptrdiff_t>(count - 1);
            std::nth_element(begin, last, end, before);
            least = last->probability;
            n = static_cast<std::size_t>(
                std::partition(last + 1, end,
                               [&](const Candidate& c) { return c.probability == least; }) -
                begin);
            room = std::max(room, 2 * n);
        };
        const float* z = adjusted_.data();
        for (std::size_t i = 0;
             (i = simd::find_at_least(z, i, adjusted_.size(), least)) < adjusted_.size(); ++i) {
            left_[n++] = {static_cast<std::int32_t>(i), z[i]};
            if (n >= room) shrink();
        }
        shrink();
        std::sort(begin, begin + static_cast<std::ptrdiff_t>(n), before);
        for (std::size_t i = 0; i < n; ++i) left_[i].probability = weight(left_[i].probability);
        return n;
    }

    /// Of all tokens that are possible, the most probable that hold at least `share` of the
    /// probability, as take_largest() leaves them; at least one. Sorts no more than it must.
    std::size_t gather(double share) noexcept {
        double total = 0.0;
        std::size_t possible = 0;
        for (const float z : adjusted_)
            if (z != lowest) {
                total += static_cast<double>(weight(z));
                ++possible;
            }
        const float floor = options_.min_p;
        for (std::size_t count = std::isfinite(share) || floor > 0.0f ? 512 : possible;;
             count *= 8) {
            const std::size_t n = take_largest(count);
            double above = 0.0;
            for (std::size_t i = 0; i < n; ++i) {
                above += static_cast<double>(left_[i].probability);
                if (above >= share * total) return i + 1;
            }
            if (n >= possible || left_[n - 1].probability < floor) return n;
        }
    }

    SamplerOptions options_;
    std::mt19937_64 random_;
    std::vector<std::uint8_t> is_seen_;
    std::vector<std::int32_t> seen_;
    std::vector<float> adjusted_;
    float largest_ = 0.0f;         ///< of adjusted_
    bool possible_ = false;        ///< any of it
    std::vector<Candidate> left_;  ///< take_largest() keeps logits where probabilities will be
};

}  // namespace HWY_NAMESPACE
}  // namespace carat::inline CARAT_ABI

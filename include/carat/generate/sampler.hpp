/// \file
/// Sampler: from the logits of one position to the next token, as generation_config.json asks.
///
/// Order of the steps, as in the reference: a mask if there is one, suppressed ids, repetition
/// penalty, temperature, top-k, top-p, min-p, draw. Source: spec/text.md section 16.
#pragma once

#include "carat/generate/token_mask.hpp"
#include "carat/result.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <span>
#include <string>
#include <vector>

namespace carat {

struct SamplerOptions {
    bool greedy =
        false;  ///< the largest logit; of equals the lowest id. Nothing below applies but penalties
    float temperature = 1.0f;  ///< > 0
    std::size_t top_k = 0;     ///< keep logits not below the k-th largest; 0: all
    float top_p = 1.0f;        ///< keep the smallest set of at least this probability; 1: all
    float min_p =
        0.0f;  ///< keep tokens of at least this share of the best one's probability; 0: all
    float repetition_penalty =
        1.0f;  ///< > 0; 1: none. Divides positive logits of tokens seen, multiplies negative ones
    std::uint64_t seed =
        0;  ///< the same seed, options and logits give the same tokens on every machine
    std::vector<std::int32_t> suppress_tokens{};  ///< never chosen, in greedy mode either
};

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
        const auto refuse = [](std::string what) {
            return Error{Errc::invalid_argument, std::move(what)};
        };
        if (!(options.temperature > 0.0f) || !std::isfinite(options.temperature))
            return refuse("temperature is " + std::to_string(options.temperature) +
                          ", expected a number above 0 (or greedy decoding)");
        if (!(options.top_p > 0.0f && options.top_p <= 1.0f))
            return refuse("top_p is " + std::to_string(options.top_p) +
                          ", expected above 0 and at most 1");
        if (!(options.min_p >= 0.0f && options.min_p <= 1.0f))
            return refuse("min_p is " + std::to_string(options.min_p) + ", expected 0 to 1");
        if (!(options.repetition_penalty > 0.0f) || !std::isfinite(options.repetition_penalty))
            return refuse("repetition_penalty is " + std::to_string(options.repetition_penalty) +
                          ", expected a number above 0");
        for (const std::int32_t id : options.suppress_tokens)
            if (id < 0 || static_cast<std::size_t>(id) >= vocab_size)
                return Error{Errc::out_of_range, "suppress_tokens has id " + std::to_string(id) +
                                                     ", expected 0 to " +
                                                     std::to_string(vocab_size - 1)};
        std::vector<std::int32_t> suppressed = options.suppress_tokens;
        std::sort(suppressed.begin(), suppressed.end());
        suppressed.erase(std::unique(suppressed.begin(), suppressed.end()), suppressed.end());
        if (suppressed.size() == vocab_size)
            return refuse("suppress_tokens leaves none of " + std::to_string(vocab_size) +
                          " tokens to choose from");
        return Sampler(vocab_size, std::move(options));
    }

    /// Tells of a token of the prompt or of the output, for the repetition penalty. Ids outside the
    /// vocabulary are ignored.
    void observe(std::int32_t id) noexcept {
        if (id >= 0 && static_cast<std::size_t>(id) < seen_.size())
            seen_[static_cast<std::size_t>(id)] = 1;
    }
    /// Forgets the tokens observed, and starts the seed's numbers over.
    void reset() {
        std::fill(seen_.begin(), seen_.end(), std::uint8_t{0});
        random_.seed(options_.seed);
    }

    /// The next token for logits [vocab_size], one that the mask allows. NaN counts as smallest.
    std::int32_t operator()(std::span<const float> logits, TokenMask allowed = {}) noexcept {
        if (options_.greedy) {
            adjust(logits, allowed);
            return static_cast<std::int32_t>(std::max_element(adjusted_.begin(), adjusted_.end()) -
                                             adjusted_.begin());
        }
        const auto left = candidates(logits, allowed);
        // 53 bits of the generator, whose numbers the C++ standard fixes; its distributions it does
        // not.
        const double u = static_cast<double>(random_() >> 11) * 0x1p-53;
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
        adjust(logits, allowed);
        // Differences to the largest, which no temperature can make overflow.
        const float largest = *std::max_element(adjusted_.begin(), adjusted_.end());
        if (largest != lowest)
            for (float& z : adjusted_)
                z = z == largest ? 0.0f : (z - largest) / options_.temperature;
        const std::size_t n = select();
        const float top = adjusted_[static_cast<std::size_t>(left_[0].id)];
        double sum = 0.0;
        for (std::size_t i = 0; i < n; ++i) {
            left_[i].probability = std::exp(adjusted_[static_cast<std::size_t>(left_[i].id)] - top);
            sum += static_cast<double>(left_[i].probability);
        }
        std::size_t kept = n;
        if (options_.top_p < 1.0f) {
            double above = 0.0;
            for (kept = 0;
                 kept < n && (kept == 0 || above < static_cast<double>(options_.top_p) * sum);
                 ++kept)
                above += static_cast<double>(left_[kept].probability);
        }
        if (options_.min_p > 0.0f)  // against the best probability, which is 1 before normalising
            while (kept > 1 && left_[kept - 1].probability < options_.min_p) --kept;
        sum = 0.0;
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
          seen_(vocab_size, std::uint8_t{0}),
          adjusted_(vocab_size),
          left_(vocab_size) {}

    static constexpr float lowest = -std::numeric_limits<float>::infinity();

    /// Logits after mask, suppression and penalty, into adjusted_.
    void adjust(std::span<const float> logits, TokenMask allowed) noexcept {
        for (std::size_t i = 0; i < adjusted_.size(); ++i) {
            float z = i < logits.size() && !std::isnan(logits[i]) ? logits[i] : lowest;
            if (seen_[i] != 0 && options_.repetition_penalty != 1.0f)
                z = z < 0.0f ? z * options_.repetition_penalty : z / options_.repetition_penalty;
            adjusted_[i] = z;
        }
        for (const std::int32_t id : options_.suppress_tokens)
            adjusted_[static_cast<std::size_t>(id)] = lowest;
        if (allowed.restricts()) forbid_others(allowed);
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

    /// Tokens that top-k leaves, sorted as candidates() says, into left_; how many they are. Sorted
    /// are only those that can matter: with top-p or min-p alone, as many of the largest as it
    /// takes.
    std::size_t select() noexcept {
        std::size_t n = 0;
        for (std::size_t i = 0; i < adjusted_.size(); ++i)
            if (adjusted_[i] != lowest) left_[n++] = {static_cast<std::int32_t>(i), adjusted_[i]};
        if (n == 0) {  // nothing is possible: the first id, rather than undefined behaviour
            adjusted_[0] = 0.0f;
            left_[0] = {0, 0.0f};
            return 1;
        }
        const auto before = [](const Candidate& a, const Candidate& b) {
            return a.probability != b.probability ? a.probability > b.probability : a.id > b.id;
        };
        const auto begin = left_.begin(), end = begin + static_cast<std::ptrdiff_t>(n);
        if (options_.top_k == 0 || options_.top_k >= n) {
            std::sort(begin, end, before);
            return n;
        }
        const auto kth = begin + static_cast<std::ptrdiff_t>(options_.top_k - 1);
        std::nth_element(begin, kth, end, before);
        const float threshold = kth->probability;
        // All that equal the k-th stay, as in the reference.
        const auto kept = std::partition(
            kth + 1, end, [&](const Candidate& c) { return c.probability == threshold; });
        std::sort(begin, kept, before);
        return static_cast<std::size_t>(kept - begin);
    }

    SamplerOptions options_;
    std::mt19937_64 random_;
    std::vector<std::uint8_t> seen_;
    std::vector<float> adjusted_;
    std::vector<Candidate>
        left_;  ///< select() keeps the adjusted logit where the probability will be
};

}  // namespace carat

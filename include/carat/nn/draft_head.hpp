/// \file
/// The two output heads of a drafter. The plain one scores every token; the centroid head finds the
/// centroids nearest to the hidden state and scores their tokens only:
///
///     S = the top_k largest of centroids · h
///     z[id] = embed_tokens[id] · h            for the tokens of the centroids in S
///
/// Source: spec/speculative.md section 3 (Gemma4AssistantMaskedEmbedder of the reference).
#pragma once

#include "carat/config/drafter_config.hpp"
#include "carat/nn/linear.hpp"
#include "carat/simd/select.hpp"
#include "carat/simd/softmax.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

namespace carat::inline CARAT_ABI::nn {
inline namespace HWY_NAMESPACE {

/// Place of the largest of z, which loses its NaNs; the first of equals.
inline std::size_t largest_of(std::span<float> z) {
    simd::copy_numbers(z.data(), z.size(), z.data());
    return simd::find_at_least(z.data(), 0, z.size(), simd::max_of(z.data(), z.size()));
}

/// All tokens.
template <DrafterConfig D, class Policy>
struct PlainHead {
    static constexpr std::size_t hidden = D.text.hidden_size, vocab = D.text.vocab_size;
    using W = typename Policy::embedding;
    using A = Activation<W, Policy::arithmetic>;

    struct Weights {
        Matrix<W, vocab, hidden> embed_tokens;
    };
    struct Scratch {
        Rounded<A, hidden> input;
        View<float, dynamic> z;  ///< [vocab]

        template <class Space>
        static constexpr Scratch take(Space& space) {
            return {Rounded<A, hidden>::take(space, 1), space.template take<float, dynamic>(vocab)};
        }
    };

    /// The logits [vocab] of h [1, hidden].
    std::span<float> forward(const Weights& w, Rows<const float, hidden> h, const Scratch& s,
                             ExecutorRef executor) const {
        project(executor, s.input(h, executor),
                Product{w.embed_tokens, Rows<float, vocab>(s.z.data(), 1)});
        return s.z.span();
    }
    /// The token that the logit at place i is of.
    static std::int32_t token(const Weights&, const Scratch&, std::size_t i) {
        return static_cast<std::int32_t>(i);
    }
};

/// The tokens of some centroids.
template <DrafterConfig D, class Policy>
struct CentroidHead {
    static constexpr std::size_t hidden = D.text.hidden_size, vocab = D.text.vocab_size;
    static constexpr std::size_t count = D.num_centroids, top_k = D.centroid_intermediate_top_k;
    static constexpr std::size_t each = D.centroid_tokens();
    using W = typename Policy::embedding;
    using A = Activation<W, Policy::arithmetic>;
    // Which tokens are looked at hangs on these few weights: they are not worth quantising.
    using CentroidW = std::conditional_t<is_quantized<W>, bf16, W>;
    using CentroidA = Activation<CentroidW, Policy::arithmetic>;
    static_assert(!is_quantized<W> || each % panel_rows == 0,
                  "carat: q8_0 and q4_0 need centroids with a multiple of 16 tokens; keep the "
                  "embedding in bf16");

    struct Weights {
        Matrix<CentroidW, count, hidden> centroids;
        /// Row i is the token token_ordering[i], so that those of a centroid lie together: [vocab,
        /// hidden].
        Matrix<W, vocab, hidden> embed_tokens;
        std::span<const std::int32_t> token_ordering;  ///< [vocab], a permutation
    };
    struct Scratch {
        Rounded<CentroidA, hidden> centroid_input;
        Rounded<A, hidden> input;
        View<float, dynamic> scores;        ///< [count]
        View<std::uint32_t, dynamic> best;  ///< [count], of which the first top_k count
        View<float, dynamic> z;             ///< [top_k · each]

        template <class Space>
        static constexpr Scratch take(Space& space) {
            return {Rounded<CentroidA, hidden>::take(space, 1), Rounded<A, hidden>::take(space, 1),
                    space.template take<float, dynamic>(count),
                    space.template take<std::uint32_t, dynamic>(count),
                    space.template take<float, dynamic>(top_k * each)};
        }
    };

    /// The logits [top_k · each] of h [1, hidden].
    std::span<float> forward(const Weights& w, Rows<const float, hidden> h, const Scratch& s,
                             ExecutorRef executor) const {
        project(executor, s.centroid_input(h, executor),
                Product{w.centroids, Rows<float, count>(s.scores.data(), 1)});
        choose(s);
        const auto input = s.input(h, executor);
        parallel_for(executor, top_k, 1, [&](std::size_t begin, std::size_t end) {
            for (std::size_t i = begin; i < end; ++i) {
                const std::size_t row = s.best[i] * each;
                simd::matmul(w.embed_tokens, row, row + each, input, s.z.data() + i * each, each);
            }
        });
        return s.z.span();
    }
    /// The token that the logit at place i is of.
    static std::int32_t token(const Weights& w, const Scratch& s, std::size_t i) {
        return w.token_ordering[s.best[i / each] * each + i % each];
    }

  private:
    static void choose(const Scratch& s) {
        const float* scores = s.scores.data();
        simd::copy_numbers(scores, count, s.scores.data());  // NaN has no order
        for (std::size_t c = 0; c < count; ++c) s.best[c] = static_cast<std::uint32_t>(c);
        std::uint32_t* best = s.best.data();
        std::nth_element(best, best + (top_k - 1), best + count,
                         [scores](std::uint32_t a, std::uint32_t b) {
                             return scores[a] != scores[b] ? scores[a] > scores[b] : a < b;
                         });
    }
};

template <DrafterConfig D, class Policy>
using DraftHead =
    std::conditional_t<(D.num_centroids > 0), CentroidHead<D, Policy>, PlainHead<D, Policy>>;

}  // namespace HWY_NAMESPACE
}  // namespace carat::inline CARAT_ABI::nn

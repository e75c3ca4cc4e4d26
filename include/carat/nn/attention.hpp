/// \file
/// Attention of one layer kind: sliding or full, with keys and values of its own or an earlier
/// layer's.
///
///     q = rope(rms_norm(q_proj · x)),  k = rope(rms_norm(k_proj · x)),  v = rms_norm(v_proj · x)
///     out = o_proj · softmax(q kᵀ + mask) v                     (the scale of the scores is
///     exactly 1)
///
/// With k_eq_v the value is the raw key projection, before k_norm and rope. Source: spec/text.md
/// section 6.
#pragma once

#include "carat/nn/linear.hpp"
#include "carat/nn/mask.hpp"
#include "carat/nn/rotary_embedding.hpp"
#include "carat/nn/softmax_attention.hpp"
#include "carat/nn/tap.hpp"
#include "carat/simd/norm.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

namespace carat::inline CARAT_ABI::nn {
inline namespace HWY_NAMESPACE {

/// What a call's tokens mean to attention, the same for all layers of a type.
template <LayerKind K>
struct AttentionCall {
    std::size_t first = 0;                   ///< cache index of the first token
    std::span<const Visible> visible;        ///< [tokens]
    std::span<const std::uint8_t> key_mask;  ///< by cache index, 0: padding; empty: nothing is
    RotaryEmbedding<K.head_dim, K.rotary_pairs> rotary;  ///< of these tokens
    std::size_t layer = 0;                               ///< for taps
    std::size_t row = 0;  ///< row of the call's first token in what the caller passed, for taps
};

namespace detail {

/// What a call's token sees, and what becomes of its scores: of no kind, so that kinds with the
/// same heads share the code of softmax(q kᵀ) v.
struct SeenByCall {
    std::span<const Visible> visible;
    Visible operator()(std::size_t t) const { return visible[t]; }
};
template <class Scores>
struct ScoresOfCall {
    const Scores& scores;
    std::size_t first;  ///< cache index of the call's first token
    void operator()(std::size_t t, std::size_t head, std::size_t first_key,
                    std::span<float> z) const {
        scores(first + t, head, first_key, z);
    }
};

template <LayerKind K, class W>
struct QueryWeights {
    Matrix<W, K.q_size(), K.hidden_size> q_proj;
    Matrix<W, K.hidden_size, K.q_size()> o_proj;
    View<const float, K.head_dim> q_norm;
};
template <LayerKind K, class W>
struct KeyWeights : QueryWeights<K, W> {
    Matrix<W, K.kv_size(), K.hidden_size> k_proj;
    View<const float, K.head_dim> k_norm;
};
template <LayerKind K, class W>
struct KeyValueWeights : KeyWeights<K, W> {
    Matrix<W, K.kv_size(), K.hidden_size> v_proj;
};

}  // namespace detail

/// Scores may change the scores, or hide keys that the model would see; its queries and keys are
/// cache indices.
template <LayerKind K, class Policy, class Scores = PlainScores>
struct Attention {
    static_assert(ScoreFunction<Scores>,
                  "carat: the Scores of an Attention must be an nn::ScoreFunction, callable with "
                  "(query, head, first_key, std::span<float> scores)");
    using W = typename Policy::linear;
    using A = Activation<W, Policy::arithmetic>;
    using E = typename Policy::cache;

    static constexpr std::size_t hidden = K.hidden_size, head_dim = K.head_dim;
    static constexpr std::size_t heads = K.heads, kv_heads = K.kv_heads, group = K.group();

    /// A weight that a kind lacks is absent, so that nobody can bind or forget it.
    using Weights = std::conditional_t<
        K.shares_kv, detail::QueryWeights<K, W>,
        std::conditional_t<K.k_eq_v, detail::KeyWeights<K, W>, detail::KeyValueWeights<K, W>>>;
    using Softmax = SoftmaxAttention<E, Policy::arithmetic, kv_heads, group, head_dim>;
    using Cache = typename Softmax::Cache;
    using Call = AttentionCall<K>;

    struct Scratch {
        Rounded<A, hidden> input;
        Rows<float, K.q_size()> q;  ///< and what becomes of it
        Rows<float, K.kv_size()> k, v;
        Rounded<A, K.q_size()> output;
        typename Softmax::Scratch softmax;
        View<float, dynamic> probabilities;  ///< [longest cache], for taps

        /// tokens of a call, threads, slots of the longest cache a layer of this kind reads.
        template <class Space>
        static constexpr Scratch take(Space& space, std::size_t tokens, std::size_t workers,
                                      std::size_t slots) {
            return {Rounded<A, hidden>::take(space, tokens),
                    space.template take<float, dynamic, K.q_size()>(tokens),
                    space.template take<float, dynamic, K.kv_size()>(tokens),
                    space.template take<float, dynamic, K.kv_size()>(tokens),
                    Rounded<A, K.q_size()>::take(space, tokens),
                    Softmax::Scratch::take(space, workers, slots),
                    space.template take<float, dynamic>(slots)};
        }
    };

    [[no_unique_address]] Scores scores{};

    /// x, out [tokens, hidden]; the cache gains the tokens' keys and values if the kind owns them.
    template <Tap T>
    void forward(const Weights& w, const Call& call, Rows<const float, hidden> x,
                 Rows<float, hidden> out, const Cache& cache, const Scratch& s,
                 ExecutorRef executor, T& tap) const {
        project_heads(w, call, s.input(x, executor), cache, s, executor);
        const auto q = s.q.rows(0, x.rows());
        const detail::SeenByCall visible{call.visible};
        const detail::ScoresOfCall<Scores> adjust{scores, call.first};
        if constexpr (T::attentions) show(call, q, visible, cache, s, tap, adjust);
        Softmax{}.forward(q, visible, call.key_mask, cache, q, s.softmax, executor, adjust);
        project(executor, s.output(q, executor), Product{w.o_proj, out});
    }

    /// Only the tokens' keys and values, into the cache: all that is needed of tokens whose output
    /// nobody reads.
    void keys(const Weights& w, const Call& call, Rows<const float, hidden> x, const Cache& cache,
              const Scratch& s, ExecutorRef executor) const requires(!K.shares_kv) {
        project_keys(w, s.input(x, executor), s, executor);
        for_rows(executor, x.rows(), [&](std::size_t t) { put_keys(w, call, t, cache, s); });
    }

  private:
    /// Queries into s.q, keys and values into the cache.
    void project_heads(const Weights& w, const Call& call, ActivationRows<const A, hidden> x,
                       const Cache& cache, const Scratch& s, ExecutorRef executor) const {
        constexpr auto eps = static_cast<float>(K.rms_norm_eps);
        const Product q_proj{w.q_proj, s.q};
        if constexpr (K.shares_kv)
            project(executor, x, q_proj);
        else
            project_keys(w, x, s, executor, q_proj);
        for_rows(executor, x.rows(), [&](std::size_t t) {
            for (std::size_t h = 0; h < heads; ++h) {
                float* q = s.q.row(t).data() + h * head_dim;
                simd::rms_norm(q, w.q_norm.data(), head_dim, eps, q);
                call.rotary.turn(t, q);
            }
            if constexpr (!K.shares_kv) put_keys(w, call, t, cache, s);
        });
    }
    /// With what else is projected from the same x.
    template <class... Others>
    static void project_keys(const Weights& w, ActivationRows<const A, hidden> x, const Scratch& s,
                             ExecutorRef executor, const Others&... others) {
        if constexpr (K.k_eq_v)
            project(executor, x, others..., Product{w.k_proj, s.k});
        else
            project(executor, x, others..., Product{w.k_proj, s.k}, Product{w.v_proj, s.v});
    }
    static void put_keys(const Weights& w, const Call& call, std::size_t t, const Cache& cache,
                         const Scratch& s) {
        constexpr auto eps = static_cast<float>(K.rms_norm_eps);
        for (std::size_t h = 0; h < kv_heads; ++h) {
            float* k = s.k.row(t).data() + h * head_dim;
            float* v = (K.k_eq_v ? s.k : s.v).row(t).data() + h * head_dim;
            float* value = s.v.row(t).data() + h * head_dim;
            simd::rms_norm(v, head_dim, eps, value);
            cache.put_value(h, call.first + t, value);
            simd::rms_norm(k, w.k_norm.data(), head_dim, eps, k);
            call.rotary.turn(t, k);
            cache.put_key(h, call.first + t, k);
        }
    }

    /// Probabilities, which the output is not made of: it never has a whole row of them.
    template <class Seen, Tap T, class Adjust>
    void show(const Call& call, Rows<const float, K.q_size()> q, const Seen& visible,
              const Cache& cache, const Scratch& s, T& tap, const Adjust& adjust) const {
        for (std::size_t t = 0; t < q.rows(); ++t)
            for (std::size_t h = 0; h < heads; ++h) {
                const Visible v = visible(t);
                float* p = s.probabilities.data();
                Softmax{}.probabilities(q, visible, call.key_mask, cache, t, h, s.softmax, p,
                                        adjust);
                tap.attention(call.layer, call.row + t, h, v.begin, {p, v.end - v.begin});
            }
    }
};

}  // namespace HWY_NAMESPACE
}  // namespace carat::inline CARAT_ABI::nn

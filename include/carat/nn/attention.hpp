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

#include "carat/nn/kv_cache.hpp"
#include "carat/nn/linear.hpp"
#include "carat/nn/mask.hpp"
#include "carat/nn/rotary_embedding.hpp"
#include "carat/nn/tap.hpp"
#include "carat/simd/norm.hpp"
#include "carat/simd/softmax.hpp"
#include "carat/simd/weighted_sum.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <type_traits>

namespace carat::nn {
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

template <LayerKind K, class Policy>
struct Attention {
    using W = typename Policy::linear;
    using A = Activation<W, Policy::arithmetic>;
    using E = typename Policy::cache;

    static constexpr std::size_t hidden = K.hidden_size, head_dim = K.head_dim;
    static constexpr std::size_t heads = K.heads, kv_heads = K.kv_heads, group = K.group();

    /// A weight that a kind lacks is absent, so that nobody can bind or forget it.
    using Weights = std::conditional_t<
        K.shares_kv, detail::QueryWeights<K, W>,
        std::conditional_t<K.k_eq_v, detail::KeyWeights<K, W>, detail::KeyValueWeights<K, W>>>;
    using Cache = KvCache<E, kv_heads, head_dim>;
    using Call = AttentionCall<K>;

    /// Query rows scored together: enough for the keys to be read once for many queries, few enough
    /// for their scores to stay in the second-level cache at a sliding layer's length.
    static constexpr std::size_t block_tokens = (16 + group - 1) / group;
    static constexpr std::size_t block_rows = block_tokens * group;

    struct Scratch {
        Rounded<A, hidden> input;
        Rows<float, K.q_size()> q, mixed;
        Rows<float, K.kv_size()> k, v;
        Rounded<A, K.q_size()> output;
        Rows<float, head_dim> values;  ///< [workers · block_rows]
        Rows<E, head_dim>
            queries;  ///< [workers · block_rows]: a block's queries in the cache's type
        View<float, dynamic, dynamic> scores;  ///< [workers · block_rows or heads, longest cache]

        /// tokens of a call, threads, slots of the longest cache a layer of this kind reads.
        template <class Space>
        static constexpr Scratch take(Space& space, std::size_t tokens, std::size_t workers,
                                      std::size_t slots) {
            const std::size_t blocks = std::max(workers * block_rows, heads);
            return {Rounded<A, hidden>::take(space, tokens),
                    space.template take<float, dynamic, K.q_size()>(tokens),
                    space.template take<float, dynamic, K.q_size()>(tokens),
                    space.template take<float, dynamic, K.kv_size()>(tokens),
                    space.template take<float, dynamic, K.kv_size()>(tokens),
                    Rounded<A, K.q_size()>::take(space, tokens),
                    space.template take<float, dynamic, head_dim>(workers * block_rows),
                    space.template take<E, dynamic, head_dim>(blocks),
                    space.template take<float, dynamic, dynamic>(blocks, slots)};
        }
    };

    /// x, out [tokens, hidden]; the cache gains the tokens' keys and values if the kind owns them.
    template <Tap T>
    void forward(const Weights& w, const Call& call, Rows<const float, hidden> x,
                 Rows<float, hidden> out, const Cache& cache, const Scratch& s,
                 ExecutorRef executor, T& tap) const {
        project_heads(w, call, s.input(x, executor), cache, s, executor);
        const auto mixed = s.mixed.rows(0, x.rows());
        attend(call, x.rows(), cache, s, executor, tap);
        project(executor, s.output(mixed, executor), Product{w.o_proj, out});
    }

  private:
    /// Queries into s.q, keys and values into the cache.
    void project_heads(const Weights& w, const Call& call, ActivationRows<const A, hidden> x,
                       const Cache& cache, const Scratch& s, ExecutorRef executor) const {
        constexpr auto eps = static_cast<float>(K.rms_norm_eps);
        if constexpr (K.shares_kv) {
            project(executor, x, Product{w.q_proj, s.q});
        } else if constexpr (K.k_eq_v) {
            project(executor, x, Product{w.q_proj, s.q}, Product{w.k_proj, s.k});
        } else {
            project(executor, x, Product{w.q_proj, s.q}, Product{w.k_proj, s.k},
                    Product{w.v_proj, s.v});
        }
        for_rows(executor, x.rows(), [&](std::size_t t) {
            for (std::size_t h = 0; h < heads; ++h) {
                float* q = s.q.row(t).data() + h * head_dim;
                simd::rms_norm(q, w.q_norm.data(), head_dim, eps, q);
                call.rotary.turn(t, q);
            }
            if constexpr (!K.shares_kv) {
                for (std::size_t h = 0; h < kv_heads; ++h) {
                    float* k = s.k.row(t).data() + h * head_dim;
                    float* v = (K.k_eq_v ? s.k : s.v).row(t).data() + h * head_dim;
                    float* value = s.v.row(t).data() + h * head_dim;
                    simd::rms_norm(v, head_dim, eps, value);
                    simd::convert(value, head_dim, cache.value(h, call.first + t));
                    simd::rms_norm(k, w.k_norm.data(), head_dim, eps, k);
                    call.rotary.turn(t, k);
                    simd::convert(k, head_dim, cache.key(h, call.first + t));
                }
            }
        });
    }

    /// One token: heads share the keys, and threads share the work along the keys. More tokens:
    /// blocks of queries of one key/value head are independent.
    template <Tap T>
    void attend(const Call& call, std::size_t tokens, const Cache& cache, const Scratch& s,
                ExecutorRef executor, T& tap) const {
        if (tokens == 1) return attend_one(call, cache, s, executor, tap);
        const std::size_t blocks = (tokens + block_tokens - 1) / block_tokens;
        const auto part = [&](std::size_t begin, std::size_t end, std::size_t worker) {
            for (std::size_t i = begin; i < end; ++i) {
                const std::size_t t = i % blocks * block_tokens;
                attend_block(call, i / blocks, t, std::min(block_tokens, tokens - t), cache, s,
                             worker, tap);
            }
        };
        if constexpr (T::attentions) {
            part(0, blocks * kv_heads, 0);  // in order, on the caller's thread
        } else {
            parallel_for(executor, blocks * kv_heads, 1, part);
        }
    }

    template <Tap T>
    void attend_block(const Call& call, std::size_t kv, std::size_t first, std::size_t tokens,
                      const Cache& cache, const Scratch& s, std::size_t worker, T& tap) const {
        const auto q = s.queries.rows(worker * block_rows, block_rows);
        const auto p = s.scores.rows(worker * block_rows, block_rows);
        const std::size_t stride = p.extent(1);
        Visible all{std::numeric_limits<std::size_t>::max(), 0};
        for (std::size_t t = 0; t < tokens; ++t) {
            const Visible v = call.visible[first + t];
            all = {std::min(all.begin, v.begin), std::max(all.end, v.end)};
            for (std::size_t g = 0; g < group; ++g)
                simd::convert(query(s, first + t, kv * group + g), head_dim,
                              q.row(t * group + g).data());
        }
        score(cache, kv, q, tokens * group, all.begin, all.end, p.data(), stride, all.begin);
        for (std::size_t t = 0; t < tokens; ++t) {
            const Visible v = call.visible[first + t];
            for (std::size_t g = 0; g < group; ++g) {
                float* row = p.row(t * group + g).data();
                std::fill(row, row + (v.begin - all.begin), 0.0f);
                normalise(call, v, row + (v.begin - all.begin));
                std::fill(row + (v.end - all.begin), row + (all.end - all.begin), 0.0f);
                if constexpr (T::attentions)
                    tap.attention(call.layer, call.row + first + t, kv * group + g, v.begin,
                                  {row + (v.begin - all.begin), v.end - v.begin});
            }
        }
        // Probabilities are zero outside a query's own range, so that the block's rows can share
        // each value read.
        const auto values = s.values.rows(worker * block_rows, block_rows);
        std::fill_n(values.data(), tokens * group * head_dim, 0.0f);
        mix(cache, kv, p.data(), stride, all, tokens * group, 0, head_dim, values.data());
        for (std::size_t t = 0; t < tokens; ++t)
            std::copy_n(values.row(t * group).data(), group * head_dim,
                        mixed(s, first + t, kv * group));
    }

    template <Tap T>
    void attend_one(const Call& call, const Cache& cache, const Scratch& s, ExecutorRef executor,
                    T& tap) const {
        const Visible v = call.visible[0];
        const std::size_t keys = v.end - v.begin, stride = s.scores.extent(1);
        for (std::size_t h = 0; h < heads; ++h)
            simd::convert(query(s, 0, h), head_dim, s.queries.row(h).data());
        parallel_for(executor, keys, 64, [&](std::size_t begin, std::size_t end) {
            for (std::size_t kv = 0; kv < kv_heads; ++kv)
                score(cache, kv, s.queries.rows(kv * group, group), group, v.begin + begin,
                      v.begin + end, s.scores.row(kv * group).data(), stride, v.begin);
        });
        // A head's softmax takes about a nanosecond a key: not worth a second thread below a few
        // thousand.
        parallel_for(executor, heads, 1 + 8192 / (keys + 1),
                     [&](std::size_t begin, std::size_t end) {
                         for (std::size_t h = begin; h < end; ++h)
                             normalise(call, v, s.scores.row(h).data());
                     });
        if constexpr (T::attentions)
            for (std::size_t h = 0; h < heads; ++h)
                tap.attention(call.layer, call.row, h, v.begin, {s.scores.row(h).data(), keys});
        std::fill_n(mixed(s, 0, 0), K.q_size(), 0.0f);
        parallel_for(executor, K.kv_size(), 32, [&](std::size_t begin, std::size_t end) {
            for (std::size_t kv = begin / head_dim; kv * head_dim < end; ++kv) {
                const std::size_t low = std::max(begin, kv * head_dim) - kv * head_dim;
                const std::size_t high = std::min(end - kv * head_dim, head_dim);
                mix(cache, kv, s.scores.row(kv * group).data(), stride, v, group, low, high,
                    mixed(s, 0, kv * group) + low);
            }
        });
    }

    /// scores[r · stride + key - origin] = q[r] · k[key] for the keys [begin, end).
    static void score(const Cache& cache, std::size_t kv, Rows<const E, head_dim> q,
                      std::size_t rows, std::size_t begin, std::size_t end, float* scores,
                      std::size_t stride, std::size_t origin) {
        cache.for_each_run(begin, end, [&](std::size_t key, std::size_t count) {
            simd::matmul(cache.key(kv, key), head_dim, count, q.data(), head_dim, rows, head_dim,
                         scores + (key - origin), stride);
        });
    }
    /// Scores of the keys v, padding excluded, to probabilities.
    static void normalise(const Call& call, Visible v, float* scores) {
        if (!call.key_mask.empty())
            for (std::size_t key = v.begin; key < v.end; ++key)
                if (call.key_mask[key] == 0)
                    scores[key - v.begin] = -std::numeric_limits<float>::infinity();
        simd::softmax(scores, v.end - v.begin);
    }
    /// out[r] += Σ p[r, key - keys.begin] · v[key] over `keys`, columns [low, high) of the values.
    static void mix(const Cache& cache, std::size_t kv, const float* p, std::size_t stride,
                    Visible keys, std::size_t rows, std::size_t low, std::size_t high, float* out) {
        cache.for_each_run(keys.begin, keys.end, [&](std::size_t key, std::size_t count) {
            simd::weighted_sum(p + (key - keys.begin), stride, rows, cache.value(kv, key) + low,
                               head_dim, count, high - low, out, head_dim);
        });
    }

    static const float* query(const Scratch& s, std::size_t t, std::size_t head) {
        return s.q.row(t).data() + head * head_dim;
    }
    static float* mixed(const Scratch& s, std::size_t t, std::size_t head) {
        return s.mixed.row(t).data() + head * head_dim;
    }
};

}  // namespace HWY_NAMESPACE
}  // namespace carat::nn

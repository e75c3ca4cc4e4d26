/// \file
/// Attention of the vision tower: every patch of a picture sees every other.
///
///     q = rope(rms_norm(q_proj · x)),  k = rope(rms_norm(k_proj · x)),  v = rms_norm(v_proj · x)
///     out = o_proj · softmax(q kᵀ) v                            (the scale of the scores is
///     exactly 1)
///
/// Source: spec/vision.md section 7.3.
#pragma once

#include "carat/nn/clipped_linear.hpp"
#include "carat/nn/softmax_attention.hpp"
#include "carat/nn/vision/axial_rotary_embedding.hpp"
#include "carat/simd/norm.hpp"

#include <cstddef>

namespace carat::inline CARAT_ABI::nn::vision {
inline namespace HWY_NAMESPACE {

template <VisionConfig C, class Policy>
struct Attention {
    static_assert(C.num_key_value_heads > 0 && C.num_attention_heads % C.num_key_value_heads == 0,
                  "carat: VisionConfig.num_attention_heads must be a multiple of "
                  "num_key_value_heads, because each key/value head serves one whole group of "
                  "query heads");
    static constexpr std::size_t hidden = C.hidden_size, head_dim = C.head_dim;
    static constexpr std::size_t heads = C.num_attention_heads, kv_heads = C.num_key_value_heads;
    static constexpr std::size_t group = heads / kv_heads;
    static constexpr std::size_t q_size = heads * head_dim, kv_size = kv_heads * head_dim;
    static constexpr bool clipped = C.use_clipped_linears;

    using Query = ClippedLinear<q_size, hidden, clipped, Policy>;
    using Key = ClippedLinear<kv_size, hidden, clipped, Policy>;
    using Output = ClippedLinear<hidden, q_size, clipped, Policy>;
    using Rotary = AxialRotaryEmbedding<head_dim>;

    using X = AttentionOperand<Policy::arithmetic>;
    // No patch is hidden from another, and heads are short: longer tiles are merged less often.
    using Softmax = SoftmaxAttention<X, Policy::arithmetic, kv_heads, group, head_dim, 512>;
    using Cache = typename Softmax::Cache;

    struct Weights {
        typename Query::Weights q_proj;
        typename Key::Weights k_proj, v_proj;
        typename Output::Weights o_proj;
        View<const float, head_dim> q_norm, k_norm;
    };
    struct Scratch {
        typename Query::Scratch input;
        typename Output::Scratch output;
        Rows<float, q_size> q;    ///< and what becomes of it
        Rows<float, kv_size> kv;  ///< keys, then values, as they are projected
        Cache cache;              ///< of one picture
        typename Softmax::Scratch softmax;

        template <class Space>
        static constexpr Scratch take(Space& space, std::size_t patches, std::size_t workers) {
            return {Query::Scratch::take(space, patches),
                    Output::Scratch::take(space, patches),
                    space.template take<float, dynamic, q_size>(patches),
                    space.template take<float, dynamic, kv_size>(patches),
                    Cache::take(space, patches),
                    Softmax::Scratch::take(space, workers, patches)};
        }
    };

    /// x, out [patches, hidden].
    void forward(const Weights& w, const Rotary& rotary, Rows<const float, hidden> x,
                 Rows<float, hidden> out, const Scratch& s, ExecutorRef executor) const {
        const std::size_t n = x.rows();
        const auto q = s.q.rows(0, n);
        const auto kv = s.kv.rows(0, n);
        const auto everything = [n](std::size_t) { return Visible{0, n}; };
        Query{}.forward(w.q_proj, x, q, s.input, executor);
        for_rows(executor, n, [&](std::size_t i) {
            for (std::size_t h = 0; h < heads; ++h) {
                float* head = q.row(i).data() + h * head_dim;
                simd::rms_norm(head, w.q_norm.data(), head_dim, eps, head);
                rotary.turn(i, head);
            }
        });
        Key{}.forward(w.k_proj, x, kv, s.input, executor);
        for_heads(executor, n, [&](std::size_t i, std::size_t h) {
            float* k = kv.row(i).data() + h * head_dim;
            simd::rms_norm(k, w.k_norm.data(), head_dim, eps, k);
            rotary.turn(i, k);
            s.cache.put_key(h, i, k);
        });
        Key{}.forward(w.v_proj, x, kv, s.input, executor);
        for_heads(executor, n, [&](std::size_t i, std::size_t h) {
            float* v = kv.row(i).data() + h * head_dim;
            simd::rms_norm(v, head_dim, eps, v);
            s.cache.put_value(h, i, v);
        });
        Softmax{}.forward(q, everything, {}, s.cache, q, s.softmax, executor);
        Output{}.forward(w.o_proj, q, out, s.output, executor);
    }

  private:
    static constexpr auto eps = static_cast<float>(C.rms_norm_eps);

    /// f(patch, head), a thread taking whole panels of the cache: no other writes near.
    template <class F>
    static void for_heads(ExecutorRef executor, std::size_t n, F&& f) {
        parallel_for(executor, n, simd::panel_width, [&](std::size_t begin, std::size_t end) {
            for (std::size_t i = begin; i < end; ++i)
                for (std::size_t h = 0; h < kv_heads; ++h) f(i, h);
        });
    }
};

}  // namespace HWY_NAMESPACE
}  // namespace carat::inline CARAT_ABI::nn::vision

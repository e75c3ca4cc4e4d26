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
#include "carat/nn/vision/axial_rotary_embedding.hpp"
#include "carat/simd/norm.hpp"
#include "carat/simd/softmax.hpp"
#include "carat/simd/weighted_sum.hpp"

#include <algorithm>
#include <cstddef>

namespace carat::nn::vision {
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

    /// Query rows scored together: their scores at 2520 patches are 160 kB and stay in the
    /// second-level cache.
    static constexpr std::size_t block = 16;
    /// Keys of a block that lie together: with a head of 64 their 16 kB stay in the first-level
    /// cache while all rows of a query block pass, and so do as many values.
    static constexpr std::size_t tile = 64;

    struct Weights {
        typename Query::Weights q_proj;
        typename Key::Weights k_proj, v_proj;
        typename Output::Weights o_proj;
        View<const float, head_dim> q_norm, k_norm;
    };
    struct Scratch {
        typename Query::Scratch input;
        typename Output::Scratch output;
        Rows<float, q_size> q, mixed;
        Rows<float, kv_size> kv;  ///< keys, then values, as they are projected
        /// As the two products of attention read them. Keys lie across in tiles, one row for each
        /// of a head's dimensions, so that a row of scores is a sum of rows like the values' is.
        View<float, dynamic> keys;             ///< [kv_heads, tiles, head_dim, tile]
        View<float, dynamic> values;           ///< [kv_heads, patches, head_dim]
        View<float, dynamic, dynamic> scores;  ///< [workers · block, patches]

        template <class Space>
        static constexpr Scratch take(Space& space, std::size_t patches, std::size_t workers) {
            return {Query::Scratch::take(space, patches),
                    Output::Scratch::take(space, patches),
                    space.template take<float, dynamic, q_size>(patches),
                    space.template take<float, dynamic, q_size>(patches),
                    space.template take<float, dynamic, kv_size>(patches),
                    space.template take<float, dynamic>(kv_size * padded(patches)),
                    space.template take<float, dynamic>(kv_size * patches),
                    space.template take<float, dynamic, dynamic>(workers * block, patches)};
        }
    };

    /// x, out [patches, hidden].
    void forward(const Weights& w, const Rotary& rotary, Rows<const float, hidden> x,
                 Rows<float, hidden> out, const Scratch& s, ExecutorRef executor) const {
        const std::size_t n = x.rows();
        const Rows<float, kv_size> kv = s.kv.rows(0, n);
        Query{}.forward(w.q_proj, x, s.q.rows(0, n), s.input, executor);
        for_rows(executor, n, [&](std::size_t i) {
            for (std::size_t h = 0; h < heads; ++h) {
                float* q = s.q.row(i).data() + h * head_dim;
                simd::rms_norm(q, w.q_norm.data(), head_dim, eps, q);
                rotary.turn(i, q);
            }
        });
        Key{}.forward(w.k_proj, x, kv, s.input, executor);
        for_heads(executor, n, [&](std::size_t i, std::size_t h) {
            float* k = kv.row(i).data() + h * head_dim;
            simd::rms_norm(k, w.k_norm.data(), head_dim, eps, k);
            rotary.turn(i, k);
            float* across = keys(s, h, i / tile * tile, n) + i % tile;
            for (std::size_t d = 0; d < head_dim; ++d) across[d * tile] = k[d];
        });
        Key{}.forward(w.v_proj, x, kv, s.input, executor);
        for_heads(executor, n, [&](std::size_t i, std::size_t h) {
            simd::rms_norm(kv.row(i).data() + h * head_dim, head_dim, eps,
                           s.values.data() + (h * n + i) * head_dim);
        });
        attend(n, s, executor);
        Output{}.forward(w.o_proj, s.mixed.rows(0, n), out, s.output, executor);
    }

  private:
    static constexpr auto eps = static_cast<float>(C.rms_norm_eps);

    static constexpr std::size_t padded(std::size_t n) { return (n + tile - 1) / tile * tile; }
    /// The tile that begins with key `first`.
    static float* keys(const Scratch& s, std::size_t kv, std::size_t first, std::size_t n) {
        return s.keys.data() + (kv * padded(n) + first) * head_dim;
    }

    /// f(patch, head), a thread taking whole heads: it writes memory that no other writes near.
    template <class F>
    static void for_heads(ExecutorRef executor, std::size_t n, F&& f) {
        parallel_for(executor, kv_heads, 1, [&](std::size_t begin, std::size_t end) {
            for (std::size_t h = begin; h < end; ++h)
                for (std::size_t i = 0; i < n; ++i) f(i, h);
        });
    }

    /// Blocks of queries of one head are independent.
    void attend(std::size_t n, const Scratch& s, ExecutorRef executor) const {
        const std::size_t blocks = (n + block - 1) / block;
        parallel_for(executor, blocks * heads, 1,
                     [&](std::size_t begin, std::size_t end, std::size_t worker) {
                         for (std::size_t i = begin; i < end; ++i) {
                             const std::size_t first = i % blocks * block;
                             attend_block(i / blocks, first, std::min(block, n - first), n, s,
                                          worker);
                         }
                     });
    }
    void attend_block(std::size_t head, std::size_t first, std::size_t rows, std::size_t n,
                      const Scratch& s, std::size_t worker) const {
        const std::size_t kv = head / group;
        const auto for_tiles = [n](auto&& f) {
            for (std::size_t key = 0; key < n; key += tile) f(key, std::min(tile, n - key));
        };
        const float* q = s.q.row(first).data() + head * head_dim;
        float* p = s.scores.row(worker * block).data();
        std::fill_n(p, rows * n, 0.0f);
        for_tiles([&](std::size_t key, std::size_t count) {
            simd::weighted_sum(q, q_size, rows, keys(s, kv, key, n), tile, head_dim, count, p + key,
                               n);
        });
        for (std::size_t i = 0; i < rows; ++i) simd::softmax(p + i * n, n);
        float* mixed = s.mixed.row(first).data() + head * head_dim;
        for (std::size_t i = 0; i < rows; ++i) std::fill_n(mixed + i * q_size, head_dim, 0.0f);
        for_tiles([&](std::size_t key, std::size_t count) {
            simd::weighted_sum(p + key, n, rows, s.values.data() + (kv * n + key) * head_dim,
                               head_dim, count, head_dim, mixed, q_size);
        });
    }
};

}  // namespace HWY_NAMESPACE
}  // namespace carat::nn::vision

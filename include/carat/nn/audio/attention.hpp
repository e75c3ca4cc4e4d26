/// \file
/// Local attention of the conformer, with relative positions and a cap on its scores:
///
///     q = q_proj · x · q_scale · softplus(per_dim_scale),  k = k_proj · x · k_scale,  v = v_proj ·
///     x z(t, s) = cap · tanh((q[t] · k[s] + q[t] · r[t - s]) / cap),   r = relative_k_proj ·
///     sinusoids out = post · softmax(z) v
///
/// The reference works in blocks of attention_chunk_size queries and shifts their products with r
/// into place; a frame sees no more than a few before itself, so here each does by itself what
/// comes to the same. Memory is linear in the length. Source: spec/audio.md sections 7.2 and 7.3.
#pragma once

#include "carat/config/audio_config.hpp"
#include "carat/nn/clipped_linear.hpp"
#include "carat/simd/add.hpp"
#include "carat/simd/softmax.hpp"
#include "carat/simd/weighted_sum.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <numbers>

namespace carat::inline CARAT_ABI::nn::audio {
inline namespace HWY_NAMESPACE {

/// Sines and cosines of the distances that relative positions have, the farthest first; the same
/// for all layers.
template <AudioConfig C>
struct RelativePositions {
    static constexpr std::size_t hidden = C.hidden_size;
    static constexpr std::size_t left = C.attention_context_left - 1;
    static constexpr std::size_t count =
        (C.attention_chunk_size + left + C.attention_context_right) / 2 + 1;
    static_assert(C.attention_context_left > 0,
                  "carat: attention_context_left must be at least 1, the frame itself");
    static_assert(hidden % 2 == 0 && hidden >= 4,
                  "carat: audio hidden_size must be even and at least 4, because relative "
                  "positions are pairs of a sine and a cosine at several timescales");

    Rows<float, hidden> table;  ///< [count]: row f is of distance count - 1 - f

    template <class Space>
    static constexpr RelativePositions take(Space& space) {
        return {space.template take<float, dynamic, hidden>(count)};
    }
    void set() const {
        constexpr std::size_t half = hidden / 2;
        const float step = static_cast<float>(std::log(10000.0) / static_cast<double>(half - 1));
        for (std::size_t i = 0; i < half; ++i) {
            const float scale = std::exp(-static_cast<float>(i) * step);
            for (std::size_t f = 0; f < count; ++f) {
                const float angle = static_cast<float>(count - 1 - f) * scale;
                table(f, i) = std::sin(angle);
                table(f, half + i) = std::cos(angle);
            }
        }
    }
};

template <AudioConfig C, class Policy>
struct Attention {
    using W = typename Policy::tower;
    using A = nn::Activation<W, Policy::arithmetic>;
    using Linear = ClippedLinear<C.hidden_size, C.hidden_size, C.use_clipped_linears, Policy>;
    using Positions = RelativePositions<C>;
    static constexpr std::size_t hidden = C.hidden_size, heads = C.num_attention_heads;
    static constexpr std::size_t head_dim = hidden / heads;
    static constexpr std::size_t behind = C.frames_seen();  ///< frames seen up to itself
    static constexpr std::size_t ahead =
        C.attention_context_right > 0 ? C.attention_context_right - 1 : 0;
    static constexpr std::size_t most_keys = behind + ahead;
    static_assert(hidden % heads == 0,
                  "carat: audio hidden_size must be a multiple of num_attention_heads");
    static_assert(behind > 0 && behind <= Positions::left + 1,
                  "carat: audio left_span must be from 1 to attention_context_left, beyond which "
                  "relative positions end");
    static_assert(C.attention_invalid_logits_value <= -2.0 * C.attention_logit_cap - 200.0,
                  "carat: attention_invalid_logits_value must be so low that the softmax of a "
                  "frame that may not be seen is 0");

    struct Weights {
        typename Linear::Weights q_proj, k_proj, v_proj, post;
        View<const W, hidden, hidden> relative_k_proj;
        View<const float, head_dim> per_dim_scale;
    };
    struct Scratch {
        typename Linear::Scratch input;
        Rows<float, hidden> q, k, v, mixed;  ///< [tokens]
        Rounded<A, hidden> positions;
        Rows<float, hidden> relative;  ///< [Positions::count]
        View<float, head_dim> q_scale;

        template <class Space>
        static constexpr Scratch take(Space& space, std::size_t tokens) {
            return {Linear::Scratch::take(space, tokens),
                    space.template take<float, dynamic, hidden>(tokens),
                    space.template take<float, dynamic, hidden>(tokens),
                    space.template take<float, dynamic, hidden>(tokens),
                    space.template take<float, dynamic, hidden>(tokens),
                    Rounded<A, hidden>::take(space, Positions::count),
                    space.template take<float, dynamic, hidden>(Positions::count),
                    space.template take<float, head_dim>()};
        }
    };

    /// x, out [tokens, hidden].
    void forward(const Weights& w, const Positions& positions, Rows<const float, hidden> x,
                 Rows<float, hidden> out, const Scratch& s, ExecutorRef executor) const {
        const std::size_t n = x.rows();
        Linear{}.forward(w.q_proj, x, s.q.rows(0, n), s.input, executor);
        Linear{}.forward(w.k_proj, x, s.k.rows(0, n), s.input, executor);
        Linear{}.forward(w.v_proj, x, s.v.rows(0, n), s.input, executor);
        project(executor, s.positions(positions.table, executor),
                Product{w.relative_k_proj, s.relative});
        scale(w, n, s, executor);
        for_rows(executor, n, [&](std::size_t t) {
            for (std::size_t h = 0; h < heads; ++h) attend(t, h, n, s);
        });
        Linear{}.forward(w.post, s.mixed.rows(0, n), out, s.input, executor);
    }

  private:
    /// Queries by their dimensions' scales, keys by one.
    static void scale(const Weights& w, std::size_t tokens, const Scratch& s,
                      ExecutorRef executor) {
        const double q_scale = 1.0 / (std::sqrt(static_cast<double>(head_dim)) * std::numbers::ln2);
        const auto k_scale = static_cast<float>(std::log1p(std::numbers::e) / std::numbers::ln2);
        for (std::size_t i = 0; i < head_dim; ++i) {
            const auto d = static_cast<double>(w.per_dim_scale[i]);
            s.q_scale[i] = static_cast<float>(q_scale * (d > 20 ? d : std::log1p(std::exp(d))));
        }
        for_rows(executor, tokens, [&](std::size_t t) {
            for (std::size_t h = 0; h < heads; ++h)
                simd::multiply(s.q.row(t).data() + h * head_dim, s.q_scale.data(), head_dim);
            simd::scale(s.k.row(t).data(), k_scale, hidden);
        });
    }
    /// One head of one query, over the keys [first, end) that it sees.
    static void attend(std::size_t t, std::size_t h, std::size_t tokens, const Scratch& s) {
        const std::size_t first = t + 1 > behind ? t + 1 - behind : 0;
        const std::size_t end = std::min(tokens, t + 1 + ahead), keys = end - first;
        const std::size_t farthest =
            Positions::left - (t - first);  // row of the first key's distance
        const std::size_t relatives =
            farthest < Positions::count ? std::min(keys, Positions::count - farthest) : 0;
        const float* q = s.q.row(t).data() + h * head_dim;
        std::array<float, most_keys> z, shift{};
        simd::matmul(s.k.row(first).data() + h * head_dim, hidden, keys, q, 0, 1, head_dim,
                     z.data(), 0);
        if (relatives > 0)
            simd::matmul(s.relative.row(farthest).data() + h * head_dim, hidden, relatives, q, 0, 1,
                         head_dim, shift.data(), 0);
        simd::map(z.data(), shift.data(), keys, z.data(), [](auto a, auto b) {
            using std::tanh;
            constexpr auto cap = static_cast<float>(C.attention_logit_cap);
            return tanh((a + b) / decltype(a)(cap)) * decltype(a)(cap);
        });
        simd::softmax(z.data(), keys);
        simd::weighted_sum(z.data(), s.v.row(first).data() + h * head_dim, hidden, keys, head_dim,
                           s.mixed.row(t).data() + h * head_dim);
    }
};

}  // namespace HWY_NAMESPACE
}  // namespace carat::inline CARAT_ABI::nn::audio

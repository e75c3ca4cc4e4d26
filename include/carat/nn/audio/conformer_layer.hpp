/// \file
/// One conformer layer, in the order of spec/audio.md section 7:
///
///     x = x + half of feed_forward1(x)
///     x = x + norm(attention(norm(x)))
///     x = x + convolution(x)
///     x = x + half of feed_forward2(x)
///     x = norm(x)
#pragma once

#include "carat/nn/audio/attention.hpp"
#include "carat/nn/audio/clipped_norm.hpp"
#include "carat/nn/audio/feed_forward.hpp"
#include "carat/nn/audio/light_convolution.hpp"
#include "carat/tensor/arena.hpp"

#include <cstddef>

namespace carat::inline CARAT_ABI::nn::audio {
inline namespace HWY_NAMESPACE {

template <AudioConfig C, class Policy>
struct ConformerLayer {
    using FeedForward = audio::FeedForward<C, Policy>;
    using Attention = audio::Attention<C, Policy>;
    using Convolution = LightConvolution<C, Policy>;
    using Norm = ClippedNorm<C>;
    static constexpr std::size_t hidden = C.hidden_size;

    struct Weights {
        typename FeedForward::Weights feed_forward1, feed_forward2;
        typename Attention::Weights self_attn;
        typename Convolution::Weights lconv1d;
        View<const float, hidden> norm_pre_attn, norm_post_attn, norm_out;
    };
    /// The modules run one after the other and share their place.
    struct Scratch {
        Rows<float, hidden> normed, output;
        typename FeedForward::Scratch feed_forward;
        typename Attention::Scratch attention;
        typename Convolution::Scratch convolution;

        template <class Space>
        static constexpr Scratch take(Space& space, std::size_t tokens) {
            Scratch s;
            share(
                space, [&] { s.feed_forward = FeedForward::Scratch::take(space, tokens); },
                [&] {
                    s.normed = space.template take<float, dynamic, hidden>(tokens);
                    s.output = space.template take<float, dynamic, hidden>(tokens);
                    s.attention = Attention::Scratch::take(space, tokens);
                },
                [&] { s.convolution = Convolution::Scratch::take(space, tokens); });
            return s;
        }
    };

    /// x [tokens, hidden], in place.
    [[gnu::noinline]] void forward(const Weights& w, const typename Attention::Positions& positions,
                                   Rows<float, hidden> x, const Scratch& s,
                                   ExecutorRef executor) const {
        FeedForward{}.forward(w.feed_forward1, x, s.feed_forward, executor);
        const auto normed = s.normed.rows(0, x.rows()), output = s.output.rows(0, x.rows());
        for_rows(executor, x.rows(), [&](std::size_t t) {
            Norm::apply(w.norm_pre_attn, x.row(t).data(), normed.row(t).data());
        });
        Attention{}.forward(w.self_attn, positions, normed, output, s.attention, executor);
        for_rows(executor, x.rows(), [&](std::size_t t) {
            Norm::add(w.norm_post_attn, output.row(t).data(), 1.0f, x.row(t).data());
        });
        Convolution{}.forward(w.lconv1d, x, s.convolution, executor);
        FeedForward{}.forward(w.feed_forward2, x, s.feed_forward, executor);
        for_rows(executor, x.rows(),
                 [&](std::size_t t) { Norm::apply(w.norm_out, x.row(t).data(), x.row(t).data()); });
    }
};

}  // namespace HWY_NAMESPACE
}  // namespace carat::inline CARAT_ABI::nn::audio

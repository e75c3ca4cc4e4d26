/// \file
/// One layer of the vision tower, in the order of spec/vision.md section 7.2:
///
///     x = x + norm(attention(norm(x)))
///     x = x + norm(mlp(norm(x)))
#pragma once

#include "carat/nn/residual.hpp"
#include "carat/nn/vision/attention.hpp"
#include "carat/nn/vision/gated_mlp.hpp"
#include "carat/tensor/arena.hpp"

#include <cstddef>

namespace carat::inline CARAT_ABI::nn::vision {
inline namespace HWY_NAMESPACE {

template <VisionConfig C, class Policy>
struct EncoderLayer {
    using Attention = vision::Attention<C, Policy>;
    using Mlp = vision::GatedMlp<C, Policy>;
    static constexpr std::size_t hidden = C.hidden_size;

    struct Weights {
        View<const float, hidden> input_layernorm, post_attention_layernorm,
            pre_feedforward_layernorm, post_feedforward_layernorm;
        typename Attention::Weights self_attn;
        typename Mlp::Weights mlp;
    };
    /// The modules run one after the other and share their place.
    struct Scratch {
        Rows<float, hidden> normed, output;
        typename Attention::Scratch attention;
        typename Mlp::Scratch mlp;

        template <class Space>
        static constexpr Scratch take(Space& space, std::size_t patches, std::size_t workers) {
            Scratch s;
            s.normed = space.template take<float, dynamic, hidden>(patches);
            s.output = space.template take<float, dynamic, hidden>(patches);
            share(
                space, [&] { s.attention = Attention::Scratch::take(space, patches, workers); },
                [&] { s.mlp = Mlp::Scratch::take(space, patches, workers); });
            return s;
        }
    };

    /// x [patches, hidden] is the residual stream, in place.
    [[gnu::noinline]] void forward(const Weights& w, const typename Attention::Rotary& rotary,
                                   Rows<float, hidden> x, const Scratch& s,
                                   ExecutorRef executor) const {
        const auto normed = s.normed.rows(0, x.rows()), output = s.output.rows(0, x.rows());
        const Residual<hidden> stream{x, static_cast<float>(C.rms_norm_eps), executor};
        stream.norm(w.input_layernorm, normed);
        Attention{}.forward(w.self_attn, rotary, normed, output, s.attention, executor);
        stream.add(output, w.post_attention_layernorm, w.pre_feedforward_layernorm, normed);
        Mlp{}.forward(w.mlp, normed, output, s.mlp, executor);
        stream.add(output, w.post_feedforward_layernorm);
    }
};

}  // namespace HWY_NAMESPACE
}  // namespace carat::inline CARAT_ABI::nn::vision

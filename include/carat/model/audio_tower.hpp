/// \file
/// The audio tower: mel frames of one clip into soft tokens for the text model. Source:
/// spec/audio.md sections 6 to 8.
#pragma once

#include "carat/base/progress.hpp"
#include "carat/nn/audio/conformer_layer.hpp"
#include "carat/nn/audio/subsampling.hpp"
#include "carat/nn/projector.hpp"
#include "carat/nn/tap.hpp"
#include "carat/tensor/arena.hpp"

#include <array>
#include <cstddef>

namespace carat::inline CARAT_ABI {
inline namespace HWY_NAMESPACE {

template <AudioConfig C, std::size_t text_hidden, class Policy = weights::bf16>
struct AudioTower {
    using Stem = nn::audio::Subsampling<C, Policy>;
    using Layer = nn::audio::ConformerLayer<C, Policy>;
    using Positions = typename Layer::Attention::Positions;
    using Projector = nn::Projector<text_hidden, C.output_proj_dims, Policy>;
    using W = typename Policy::tower;
    using A = nn::Activation<W, Policy::arithmetic>;
    static constexpr AudioConfig config = C;
    static constexpr std::size_t hidden = C.hidden_size, layers = C.num_hidden_layers,
                                 output = C.output_proj_dims, mel_bins = nn::audio::mel_bins;
    static constexpr auto eps = static_cast<float>(C.rms_norm_eps);

    struct Weights {
        typename Stem::Weights subsample_conv_projection;
        std::array<typename Layer::Weights, C.num_hidden_layers> layers;
        View<const W, output, hidden> output_proj;
        View<const float, output> output_bias;  ///< the only bias of a Gemma 4
        typename Projector::Weights embed_audio;
    };
    /// Linear in the length of a clip.
    struct Scratch {
        Rows<float, hidden> x;
        Positions positions;
        typename Stem::Scratch stem;
        typename Layer::Scratch layer;
        nn::Rounded<A, hidden> output_input;
        Rows<float, output> out;
        typename Projector::Scratch projector;

        /// For clips of at most so many mel frames.
        template <class Space>
        static constexpr Scratch take(Space& space, std::size_t frames, std::size_t workers) {
            const std::size_t tokens = soft_tokens(frames);
            Scratch s;
            s.x = space.template take<float, dynamic, hidden>(tokens);
            s.positions = Positions::take(space);
            share(
                space, [&] { s.stem = Stem::Scratch::take(space, tokens, workers); },
                [&] { s.layer = Layer::Scratch::take(space, tokens); },
                [&] {
                    s.output_input = nn::Rounded<A, hidden>::take(space, tokens);
                    s.out = space.template take<float, dynamic, output>(tokens);
                    s.projector = Projector::Scratch::take(space, tokens);
                });
            return s;
        }
    };

    /// Bytes that a Scratch takes.
    static constexpr std::size_t scratch_bytes(std::size_t frames, std::size_t workers) {
        MemoryPlan plan;
        (void)Scratch::take(plan, frames, workers);
        return plan.bytes();
    }
    /// Soft tokens that so many valid frames become.
    static constexpr std::size_t soft_tokens(std::size_t frames) {
        return nn::audio::tokens_of(frames);
    }

    /// features [frames, mel_bins] are a clip's valid frames; out [soft_tokens(frames),
    /// text_hidden]. False if progress cancelled. A tap sees as hidden states 0 the stem's output,
    /// l that of layer l - 1, layers + 1 what output_proj gives.
    template <Tap T>
    bool forward(const Weights& w, Rows<const float, mel_bins> features,
                 Rows<float, text_hidden> out, const Scratch& s, ExecutorRef executor,
                 Progress progress, T& tap) const {
        const std::size_t n = soft_tokens(features.rows());
        if (n == 0) return true;
        const Rows<float, hidden> x = s.x.rows(0, n);
        s.positions.set();
        Stem{}.forward(w.subsample_conv_projection, features, x, s.stem, executor);
        show_hidden_state(tap, 0, 0, x);
        for (std::size_t l = 0; l < layers; ++l) {
            if (!progress(l, layers)) return false;
            Layer{}.forward(w.layers[l], s.positions, x, s.layer, executor);
            show_hidden_state(tap, l + 1, 0, x);
        }
        const Rows<float, output> y = s.out.rows(0, n);
        nn::project(executor, s.output_input(x, executor), nn::Product{w.output_proj, y});
        for (std::size_t t = 0; t < n; ++t)
            simd::add(y.row(t).data(), w.output_bias.data(), output);
        show_hidden_state(tap, layers + 1, 0, y);
        Projector{}.forward(w.embed_audio, eps, y, out, s.projector, executor);
        return progress(layers, layers);
    }
    bool forward(const Weights& w, Rows<const float, mel_bins> features,
                 Rows<float, text_hidden> out, const Scratch& s, ExecutorRef executor,
                 Progress progress = {}) const {
        NoTap tap;
        return forward(w, features, out, s, executor, progress, tap);
    }
};

}  // namespace HWY_NAMESPACE
}  // namespace carat::inline CARAT_ABI

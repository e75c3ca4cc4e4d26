/// \file
/// The stem of the audio tower: two convolutions that turn four mel frames into one row of the
/// tower's width.
///
///     y = relu(layer_norm(conv(x)))           twice: 3 x 3, stride 2, zeros around, no bias
///     out = input_proj_linear · flatten(y)    mel slow, channel fast
///
/// Time is the outer axis of an image, mel the inner one. Source: spec/audio.md section 6.
#pragma once

#include "carat/config/audio_config.hpp"
#include "carat/nn/linear.hpp"
#include "carat/simd/activation.hpp"
#include "carat/simd/layer_norm.hpp"
#include "carat/simd/matmul.hpp"

#include <algorithm>
#include <cstddef>

namespace carat::inline CARAT_ABI::nn::audio {
inline namespace HWY_NAMESPACE {

inline constexpr std::size_t mel_bins = AudioConfig::mel_bins;

/// Rows of the tower that so many mel frames become.
constexpr std::size_t tokens_of(std::size_t frames) { return (frames + 3) / 4; }

template <AudioConfig C, class Policy>
struct Subsampling {
    using W = typename Policy::tower;
    using A = Activation<W, Policy::arithmetic>;
    static constexpr std::size_t hidden = C.hidden_size;
    static constexpr std::size_t channels0 = C.subsampling_conv_channels[0],
                                 channels1 = C.subsampling_conv_channels[1];
    static constexpr std::size_t bins0 = mel_bins / 2, bins1 = mel_bins / 4;
    static constexpr std::size_t flat = bins1 * channels1;
    static_assert(channels0 / 4 == bins1,
                  "carat: subsampling_conv_channels[0] must be 128, because the reference sizes "
                  "the stem's projection as a quarter of it times the second, and mel frames have "
                  "128 bins");

    struct Weights {
        View<const float, channels0, 1, 3, 3> conv0;
        View<const float, channels0> norm0;
        View<const float, channels1, channels0, 3, 3> conv1;
        View<const float, channels1> norm1;
        View<const W, hidden, flat> input_proj_linear;
    };
    struct Scratch {
        Rows<float, 3 * bins0 * channels0> ring;      ///< [workers]: rows of the first stage
        Rows<float, bins0 * 9> patches0;              ///< [workers]
        Rows<float, bins1 * channels0 * 9> patches1;  ///< [workers]
        Rows<float, flat> features;                   ///< [tokens]
        Rounded<A, flat> input;

        template <class Space>
        static constexpr Scratch take(Space& space, std::size_t tokens, std::size_t workers) {
            return {space.template take<float, dynamic, 3 * bins0 * channels0>(workers),
                    space.template take<float, dynamic, bins0 * 9>(workers),
                    space.template take<float, dynamic, bins1 * channels0 * 9>(workers),
                    space.template take<float, dynamic, flat>(tokens),
                    Rounded<A, flat>::take(space, tokens)};
        }
    };

    /// x [frames, mel_bins], all of them valid; out [tokens_of(frames), hidden]. The first stage is
    /// computed row by row as the second wants it: its whole output, eight times as large as its
    /// input, is never there.
    void forward(const Weights& w, Rows<const float, mel_bins> x, Rows<float, hidden> out,
                 const Scratch& s, ExecutorRef executor) const {
        const auto features = s.features.rows(0, out.rows());
        parallel_for(
            executor, out.rows(), 1, [&](std::size_t begin, std::size_t end, std::size_t worker) {
                if (begin > 0) first_stage(w, x, 2 * begin - 1, s, worker);
                for (std::size_t t = begin; t < end; ++t) {
                    first_stage(w, x, 2 * t, s, worker);
                    first_stage(w, x, 2 * t + 1, s, worker);
                    second_stage(w, (x.rows() + 1) / 2, t, features.row(t).data(), s, worker);
                }
            });
        project(executor, s.input(features, executor), Product{w.input_proj_linear, out});
    }

  private:
    static constexpr auto eps = static_cast<float>(C.rms_norm_eps);

    static float* ring_row(const Scratch& s, std::size_t worker, std::size_t row) {
        return s.ring.row(worker).data() + row % 3 * bins0 * channels0;
    }
    /// Row `row` of the first stage, [bins0, channels0], into the ring; nothing behind the last.
    static void first_stage(const Weights& w, Rows<const float, mel_bins> x, std::size_t row,
                            const Scratch& s, std::size_t worker) {
        if (row >= (x.rows() + 1) / 2) return;
        float* patches = s.patches0.row(worker).data();
        std::fill_n(patches, bins0 * 9, 0.0f);
        for (std::size_t i = 0; i < 3; ++i) {
            const std::size_t t = 2 * row + i;  // one more than the frame's number
            if (t == 0 || t > x.rows()) continue;
            const float* frame = x.row(t - 1).data();
            for (std::size_t f = 0; f < bins0; ++f)
                for (std::size_t j = f == 0 ? 1 : 0; j < 3; ++j)
                    patches[f * 9 + i * 3 + j] = frame[2 * f + j - 1];
        }
        float* y = ring_row(s, worker, row);
        simd::matmul(w.conv0.data(), 9, channels0, patches, 9, bins0, 9, y, channels0);
        for (std::size_t f = 0; f < bins0; ++f) norm_relu<channels0>(w.norm0, y + f * channels0);
    }
    /// Row t of the second stage, [bins1, channels1], out of three of the `rows` of the first.
    static void second_stage(const Weights& w, std::size_t rows, std::size_t t, float* y,
                             const Scratch& s, std::size_t worker) {
        constexpr std::size_t patch = channels0 * 9;
        float* patches = s.patches1.row(worker).data();
        for (std::size_t i = 0; i < 3; ++i) {
            const std::size_t row = 2 * t + i;  // one more than its number
            const bool inside = row > 0 && row <= rows;
            const float* from = ring_row(s, worker, row + 2);
            for (std::size_t f = 0; f < bins1; ++f)
                for (std::size_t j = 0; j < 3; ++j) {
                    float* to = patches + f * patch + i * 3 + j;
                    if (inside && 2 * f + j > 0) {
                        const float* channel = from + (2 * f + j - 1) * channels0;
                        for (std::size_t c = 0; c < channels0; ++c) to[c * 9] = channel[c];
                    } else {
                        for (std::size_t c = 0; c < channels0; ++c) to[c * 9] = 0.0f;
                    }
                }
        }
        simd::matmul(w.conv1.data(), patch, channels1, patches, patch, bins1, patch, y, channels1);
        for (std::size_t f = 0; f < bins1; ++f) norm_relu<channels1>(w.norm1, y + f * channels1);
    }
    template <std::size_t channels>
    static void norm_relu(View<const float, channels> weight, float* y) {
        simd::layer_norm(y, weight.data(), channels, eps, y);
        simd::map(y, channels, y, simd::Relu{});
    }
};

}  // namespace HWY_NAMESPACE
}  // namespace carat::inline CARAT_ABI::nn::audio

/// \file
/// AudioConfig: what a Gemma 4 audio tower is. Source: spec/audio.md, spec/variants.md section 3.
#pragma once

#include "carat/config/text_config.hpp"

#include <array>
#include <cstddef>

namespace carat::inline CARAT_ABI {

/// Fields carry the names of `audio_config`. num_hidden_layers 0 means that the model has no audio
/// tower.
struct AudioConfig {
    std::size_t hidden_size = 1024;
    std::size_t num_hidden_layers = 0;
    std::size_t num_attention_heads = 8;
    std::array<std::size_t, 2> subsampling_conv_channels{128, 32};
    std::size_t conv_kernel_size = 5;
    std::size_t attention_chunk_size = 12;
    std::size_t attention_context_left = 13;
    std::size_t attention_context_right = 0;
    std::size_t output_proj_dims = 1536;
    bool use_clipped_linears = true;
    Activation hidden_act = Activation::silu;
    double residual_weight = 0.5;
    double attention_logit_cap = 50.0;
    double attention_invalid_logits_value = -1e9;
    double gradient_clipping = 1e10;
    double rms_norm_eps = 1e-6;
    /// Frames that a frame sees, itself and those before it; not a key of the file. 0 is what the
    /// reference does: attention_context_left - 1. Google's own code takes attention_context_left.
    std::size_t left_span = 0;

    friend constexpr bool operator==(const AudioConfig&, const AudioConfig&) = default;
    [[nodiscard]] constexpr bool present() const { return num_hidden_layers > 0; }
    /// Bins of a mel frame, which every tower is made for.
    static constexpr std::size_t mel_bins = 128;
    /// Width inside a layer's two feed-forwards.
    [[nodiscard]] constexpr std::size_t ffw_size() const { return 4 * hidden_size; }
    /// left_span with its default filled in.
    [[nodiscard]] constexpr std::size_t frames_seen() const {
        return left_span > 0 ? left_span : attention_context_left - 1;
    }
};

}  // namespace carat::inline CARAT_ABI

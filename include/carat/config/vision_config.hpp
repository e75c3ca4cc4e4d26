/// \file
/// VisionConfig: what a Gemma 4 vision tower is. Source: spec/vision.md, spec/variants.md
/// section 2.
#pragma once

#include "carat/config/text_config.hpp"

#include <cstddef>

namespace carat::inline CARAT_ABI {

/// Fields carry the names of `vision_config`. num_hidden_layers 0 means that the model has no
/// vision tower.
struct VisionConfig {
    std::size_t hidden_size = 768;
    std::size_t intermediate_size = 3072;
    std::size_t num_hidden_layers = 0;
    std::size_t num_attention_heads = 12;
    std::size_t num_key_value_heads = 12;
    std::size_t head_dim = 64;
    std::size_t patch_size = 16;
    std::size_t pooling_kernel_size = 3;
    std::size_t position_embedding_size = 10240;  ///< per axis
    std::size_t default_output_length = 280;  ///< soft tokens of an image unless asked otherwise
    bool use_clipped_linears = false;
    bool standardize = false;
    Activation hidden_activation = Activation::gelu_tanh;
    double rms_norm_eps = 1e-6;
    double rope_theta = 100.0;

    friend constexpr bool operator==(const VisionConfig&, const VisionConfig&) = default;
    [[nodiscard]] constexpr bool present() const { return num_hidden_layers > 0; }
};

}  // namespace carat::inline CARAT_ABI

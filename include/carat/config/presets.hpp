/// \file
/// The four published Gemma 4 variants, and their assistants. Source: spec/variants.md sections 1
/// to 3 and 11.
#pragma once

#include "carat/config/drafter_config.hpp"
#include "carat/config/model_config.hpp"

namespace carat::inline CARAT_ABI::presets {

inline constexpr VisionConfig small_vision{.num_hidden_layers = 16, .use_clipped_linears = true};
inline constexpr VisionConfig large_vision{.hidden_size = 1152,
                                           .intermediate_size = 4304,
                                           .num_hidden_layers = 27,
                                           .num_attention_heads = 16,
                                           .num_key_value_heads = 16,
                                           .head_dim = 72,
                                           .standardize = true};
inline constexpr AudioConfig audio{.num_hidden_layers = 12};

inline constexpr ModelConfig e2b{.text = {.hidden_size = 1536,
                                          .hidden_size_per_layer_input = 256,
                                          .intermediate_size = 6144,
                                          .num_hidden_layers = 35,
                                          .num_attention_heads = 8,
                                          .num_key_value_heads = 1,
                                          .full_attention = every_nth(5, 35),
                                          .sliding_window = 512,
                                          .num_kv_shared_layers = 20,
                                          .max_position_embeddings = 131072,
                                          .use_double_wide_mlp = true,
                                          .final_logit_softcapping = 30.0},
                                 .vision = small_vision,
                                 .audio = audio};

inline constexpr ModelConfig e4b{.text = {.hidden_size = 2560,
                                          .hidden_size_per_layer_input = 256,
                                          .intermediate_size = 10240,
                                          .num_hidden_layers = 42,
                                          .num_attention_heads = 8,
                                          .num_key_value_heads = 2,
                                          .full_attention = every_nth(6, 42),
                                          .sliding_window = 512,
                                          .num_kv_shared_layers = 18,
                                          .max_position_embeddings = 131072,
                                          .final_logit_softcapping = 30.0},
                                 .vision = small_vision,
                                 .audio = audio};

inline constexpr ModelConfig gemma4_31b{
    .text = {.hidden_size = 5376,
             .hidden_size_per_layer_input = 0,
             .intermediate_size = 21504,
             .num_hidden_layers = 60,
             .num_attention_heads = 32,
             .num_key_value_heads = 16,
             .num_global_key_value_heads = 4,
             .full_attention = every_nth(6, 60),
             .sliding_window = 1024,
             .max_position_embeddings = 262144,
             .attention_k_eq_v = true,
             .use_bidirectional_attention = Bidirectional::vision,
             .final_logit_softcapping = 30.0},
    .vision = large_vision};

inline constexpr ModelConfig gemma4_26b_a4b{
    .text = {.hidden_size = 2816,
             .hidden_size_per_layer_input = 0,
             .intermediate_size = 2112,
             .num_hidden_layers = 30,
             .num_attention_heads = 16,
             .num_key_value_heads = 8,
             .num_global_key_value_heads = 2,
             .full_attention = every_nth(6, 30),
             .sliding_window = 1024,
             .num_experts = 128,
             .top_k_experts = 8,
             .moe_intermediate_size = 704,
             .max_position_embeddings = 262144,
             .attention_k_eq_v = true,
             .enable_moe_block = true,
             .use_bidirectional_attention = Bidirectional::vision,
             .final_logit_softcapping = 30.0},
    .vision = large_vision};

namespace detail {

/// The assistant of a model: keys, values and positions are the model's.
constexpr DrafterConfig assistant(const ModelConfig& model, std::size_t hidden_size,
                                  std::size_t intermediate_size, std::size_t heads,
                                  std::size_t num_centroids) {
    DrafterConfig d{.text = model.text,
                    .backbone_hidden_size = model.text.hidden_size,
                    .num_centroids = num_centroids};
    TextConfig& c = d.text;
    c.vocab_size_per_layer_input = c.hidden_size_per_layer_input = 0;
    c.hidden_size = hidden_size;
    c.intermediate_size = intermediate_size;
    c.num_attention_heads = heads;
    c.num_hidden_layers = c.num_kv_shared_layers = 4;
    c.full_attention = every_nth(4, 4);
    c.num_experts = c.top_k_experts = c.moe_intermediate_size = 0;
    c.use_double_wide_mlp = c.enable_moe_block = false;
    c.use_bidirectional_attention = Bidirectional::none;
    c.final_logit_softcapping = 0.0;
    return d;
}

}  // namespace detail

inline constexpr DrafterConfig e2b_assistant = detail::assistant(e2b, 256, 2048, 4, 2048);
inline constexpr DrafterConfig e4b_assistant = detail::assistant(e4b, 256, 2048, 4, 2048);
inline constexpr DrafterConfig gemma4_31b_assistant =
    detail::assistant(gemma4_31b, 1024, 8192, 32, 0);
inline constexpr DrafterConfig gemma4_26b_a4b_assistant =
    detail::assistant(gemma4_26b_a4b, 1024, 8192, 16, 0);

}  // namespace carat::inline CARAT_ABI::presets

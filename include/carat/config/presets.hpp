/// \file
/// The four published Gemma 4 variants. Source: spec/variants.md sections 1 to 3.
#pragma once

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

}  // namespace carat::inline CARAT_ABI::presets

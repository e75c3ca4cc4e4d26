/// \file
/// The two tiny models of spec/text.md sections 19.2 and 19.3. Between them they have everything
/// that a decoder can have, and compile in seconds.
#pragma once

#include "carat/config/drafter_config.hpp"
#include "carat/config/text_config.hpp"

#include <cstddef>
#include <initializer_list>

namespace carat::test::tiny {

constexpr LayerSet only(std::initializer_list<std::size_t> full) {
    LayerSet set;
    for (const std::size_t l : full) set.insert(l);
    return set;
}

/// Per-layer embeddings, shared keys and values, double width.
inline constexpr TextConfig a{.vocab_size = 16,
                              .vocab_size_per_layer_input = 16,
                              .hidden_size = 8,
                              .hidden_size_per_layer_input = 4,
                              .intermediate_size = 6,
                              .num_hidden_layers = 6,
                              .num_attention_heads = 2,
                              .num_key_value_heads = 1,
                              .head_dim = 4,
                              .global_head_dim = 8,
                              .full_attention = only({2, 5}),
                              .sliding_window = 3,
                              .num_kv_shared_layers = 3,
                              .use_double_wide_mlp = true,
                              .final_logit_softcapping = 30.0,
                              .full_rope = {.theta = 1e6, .partial_rotary_factor = 0.5}};
/// A mixture of experts, values out of the keys.
inline constexpr TextConfig b{.vocab_size = 16,
                              .vocab_size_per_layer_input = 16,
                              .hidden_size = 8,
                              .hidden_size_per_layer_input = 0,
                              .intermediate_size = 6,
                              .num_hidden_layers = 3,
                              .num_attention_heads = 2,
                              .num_key_value_heads = 2,
                              .num_global_key_value_heads = 1,
                              .head_dim = 4,
                              .global_head_dim = 8,
                              .full_attention = only({2}),
                              .sliding_window = 3,
                              .num_experts = 4,
                              .top_k_experts = 2,
                              .moe_intermediate_size = 5,
                              .attention_k_eq_v = true,
                              .enable_moe_block = true,
                              .final_logit_softcapping = 30.0,
                              .full_rope = {.theta = 1e6, .partial_rotary_factor = 0.5}};
/// What drafts for `model` in the same way: spec/speculative.md section 10 for a.
constexpr DrafterConfig drafter(const TextConfig& model, std::size_t num_centroids) {
    DrafterConfig d{.text = model,
                    .backbone_hidden_size = model.hidden_size,
                    .num_centroids = num_centroids,
                    .centroid_intermediate_top_k = 2};
    d.text.vocab_size_per_layer_input = d.text.hidden_size_per_layer_input = 0;
    d.text.hidden_size = 6;
    d.text.intermediate_size = 5;
    d.text.num_hidden_layers = d.text.num_kv_shared_layers = 4;
    d.text.full_attention = only({3});
    d.text.enable_moe_block = d.text.use_double_wide_mlp = false;
    d.text.final_logit_softcapping = 0.0;
    return d;
}

/// The same model with another view of the future.
constexpr TextConfig with(TextConfig c, Bidirectional who) {
    c.use_bidirectional_attention = who;
    return c;
}

}  // namespace carat::test::tiny

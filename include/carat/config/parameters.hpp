/// \file
/// How large a configuration is: elements and tensors in its files, weights and operations a token,
/// elements of the key/value cache. All counts are exact. Source: spec/checkpoint.md sections 2 to
/// 4, spec/variants.md sections 7 to 10.
#pragma once

#include "carat/config/model_config.hpp"

#include <cstddef>

namespace carat::inline CARAT_ABI {
namespace detail {

/// A sum over the layers of `c`, of what `count(kind, layer)` says about each.
template <class F>
constexpr std::size_t sum_layers(const TextConfig& c, const F& count) {
    std::size_t sum = 0;
    for (std::size_t l = 0; l < c.num_hidden_layers; ++l) sum += count(c.kind(l), l);
    return sum;
}

/// Whether the files have a v_proj for the layer: full layers have none with attention_k_eq_v.
constexpr bool has_v_proj(const TextConfig& c, std::size_t layer) {
    return !(c.attention_k_eq_v && c.attention_type(layer) == AttentionType::full);
}
/// k_proj and v_proj of a layer, whether in use or dead.
constexpr std::size_t kv_projections(const TextConfig& c, std::size_t layer) {
    const LayerKind k = c.kind(layer);
    return k.kv_size() * k.hidden_size * (has_v_proj(c, layer) ? 2 : 1);
}
/// q_proj and o_proj, and k_proj and v_proj where the layer uses its own.
constexpr std::size_t attention_weights(const TextConfig& c, std::size_t layer) {
    const LayerKind k = c.kind(layer);
    return 2 * k.q_size() * k.hidden_size + (k.shares_kv ? 0 : kv_projections(c, layer));
}
/// The dense mlp, and the gate and projection of the per-layer embedding.
constexpr std::size_t mlp_weights(const LayerKind& k) {
    return 3 * k.hidden_size * k.intermediate_size + 2 * k.hidden_size * k.per_layer_input;
}
constexpr std::size_t expert_weights(const LayerKind& k) {  // of one expert
    return 3 * k.hidden_size * k.expert_intermediate_size;
}

}  // namespace detail

// ---- text: what the files hold

/// embed_tokens, which is the output head as well.
constexpr std::size_t embedding_parameters(const TextConfig& c) {
    return c.vocab_size * c.hidden_size;
}

/// Elements of one row of the per-layer table: what a token reads of it.
constexpr std::size_t per_layer_row(const TextConfig& c) {
    return c.num_hidden_layers * c.hidden_size_per_layer_input;
}
/// embed_tokens_per_layer, the table that may stay on disk.
constexpr std::size_t per_layer_table_parameters(const TextConfig& c) {
    return per_layer_row(c) > 0 ? c.vocab_size_per_layer_input * per_layer_row(c) : 0;
}
/// k_proj, v_proj and k_norm of layers that read another layer's keys and values: in the files, and
/// never used.
constexpr std::size_t dead_parameters(const TextConfig& c) {
    return detail::sum_layers(c, [&](const LayerKind& k, std::size_t l) {
        return k.shares_kv ? detail::kv_projections(c, l) + k.head_dim : 0;
    });
}
/// The attention's matrices, without the dead ones.
constexpr std::size_t attention_parameters(const TextConfig& c) {
    return detail::sum_layers(
        c, [&](const LayerKind&, std::size_t l) { return detail::attention_weights(c, l); });
}
/// The dense mlps, with the gates and projections of the per-layer embeddings.
constexpr std::size_t mlp_parameters(const TextConfig& c) {
    return detail::sum_layers(
        c, [](const LayerKind& k, std::size_t) { return detail::mlp_weights(k); });
}
/// All routed experts, without their routers.
constexpr std::size_t expert_parameters(const TextConfig& c) {
    return detail::sum_layers(
        c, [](const LayerKind& k, std::size_t) { return k.experts * detail::expert_weights(k); });
}
/// The matrices of the routers.
constexpr std::size_t router_parameters(const TextConfig& c) {
    return detail::sum_layers(
        c, [](const LayerKind& k, std::size_t) { return k.experts * k.hidden_size; });
}
/// All elements of the text model's tensors as stored, the dead ones included.
constexpr std::size_t text_parameters(const TextConfig& c) {
    const std::size_t d = c.hidden_size, p = c.hidden_size_per_layer_input;
    const std::size_t vectors = detail::sum_layers(c, [&](const LayerKind& k, std::size_t) {
        std::size_t n = 4 * d + 1 + k.head_dim;          // four norms, layer_scalar, q_norm
        n += k.shares_kv ? 0 : k.head_dim;               // k_norm
        n += p > 0 ? d : 0;                              // post_per_layer_input_norm
        n += k.experts > 0 ? 3 * d + d + k.experts : 0;  // three norms, the router's two scales
        return n;
    });
    return embedding_parameters(c) + per_layer_table_parameters(c) +
           (p > 0 ? per_layer_row(c) * d + p : 0) +  // projection of the context and its norm
           attention_parameters(c) + dead_parameters(c) + mlp_parameters(c) + expert_parameters(c) +
           router_parameters(c) + vectors + d;  // the last norm
}
/// What a running model holds in memory: without the per-layer table and the dead tensors.
constexpr std::size_t resident_parameters(const TextConfig& c) {
    return text_parameters(c) - per_layer_table_parameters(c) - dead_parameters(c);
}
/// Tensors of the text model in its files.
constexpr std::size_t text_tensors(const TextConfig& c) {
    const std::size_t in_layers = detail::sum_layers(c, [&](const LayerKind& k, std::size_t l) {
        return std::size_t{13} + (detail::has_v_proj(c, l) ? 1 : 0) +
               (k.per_layer_input > 0 ? 3 : 0) + (k.experts > 0 ? 8 : 0);
    });
    return in_layers + 2 + (c.hidden_size_per_layer_input > 0 ? 3 : 0);
}

// ---- the towers, each with the embedder that leads into the text model

constexpr std::size_t vision_parameters(const ModelConfig& m) {
    const VisionConfig& v = m.vision;
    if (!v.present()) return 0;
    const std::size_t d = v.hidden_size, q = v.num_attention_heads * v.head_dim;
    const std::size_t kv = v.num_key_value_heads * v.head_dim;
    const std::size_t layer = 4 * d + 2 * v.head_dim +              // norms
                              2 * q * d + 2 * kv * d +              // attention
                              3 * d * v.intermediate_size +         // mlp
                              (v.use_clipped_linears ? 7 * 4 : 0);  // four scalars for each matrix
    return v.patch_size * v.patch_size * 3 * d + 2 * v.position_embedding_size * d +
           v.num_hidden_layers * layer + (v.standardize ? 2 * d : 0) + m.text.hidden_size * d;
}
constexpr std::size_t vision_tensors(const VisionConfig& v) {
    if (!v.present()) return 0;
    return 2 + v.num_hidden_layers * (13 + (v.use_clipped_linears ? 7u * 4u : 0u)) +
           (v.standardize ? 2 : 0) + 1;
}

constexpr std::size_t audio_parameters(const ModelConfig& m) {
    const AudioConfig& a = m.audio;
    if (!a.present()) return 0;
    const std::size_t d = a.hidden_size, ffw = a.ffw_size();
    const std::size_t c0 = a.subsampling_conv_channels[0], c1 = a.subsampling_conv_channels[1];
    constexpr std::size_t bands =
        AudioConfig::mel_bins / 4;  // mel bins, halved by either convolution
    const std::size_t subsampling = c0 * 3 * 3 + c0 + c1 * c0 * 3 * 3 + c1 + d * bands * c1;
    const std::size_t layer = 2 * (2 * d + 2 * d * ffw) +                      // two feed-forwards
                              4 * d * d + d * d + d / a.num_attention_heads +  // attention
                              2 * d * d + d * d + d * a.conv_kernel_size + 2 * d +  // convolution
                              3 * d +                                               // norms
                              (a.use_clipped_linears ? 10 * 4 : 0);  // four scalars for each matrix
    return subsampling + a.num_hidden_layers * layer + a.output_proj_dims * d + a.output_proj_dims +
           m.text.hidden_size * a.output_proj_dims;
}
constexpr std::size_t audio_tensors(const AudioConfig& a) {
    if (!a.present()) return 0;
    return 5 + a.num_hidden_layers * (22 + (a.use_clipped_linears ? 10u * 4u : 0u)) + 2 + 1;
}

/// All elements of a model's files.
constexpr std::size_t parameters(const ModelConfig& m) {
    return text_parameters(m.text) + vision_parameters(m) + audio_parameters(m);
}
/// All tensors of a model's files.
constexpr std::size_t tensors(const ModelConfig& m) {
    return text_tensors(m.text) + vision_tensors(m.vision) + audio_tensors(m.audio);
}

// ---- keys and values

/// Layers of a type that own keys and values.
constexpr std::size_t kv_owners(const TextConfig& c, AttentionType type) {
    return detail::sum_layers(c, [&](const LayerKind& k, std::size_t) {
        return std::size_t{k.attention == type && !k.shares_kv};
    });
}
/// Elements that one token adds to the caches of the layers of a type.
constexpr std::size_t kv_elements_per_token(const TextConfig& c, AttentionType type) {
    return detail::sum_layers(c, [&](const LayerKind& k, std::size_t) {
        return k.attention == type && !k.shares_kv ? 2 * k.kv_size() : 0;
    });
}
/// Elements of all caches for a context of so many tokens, with a ring of sliding_window slots in
/// the sliding layers.
constexpr std::size_t kv_elements(const TextConfig& c, std::size_t context_tokens) {
    const std::size_t ring = context_tokens < c.sliding_window ? context_tokens : c.sliding_window;
    return kv_elements_per_token(c, AttentionType::sliding) * ring +
           kv_elements_per_token(c, AttentionType::full) * context_tokens;
}

// ---- work

/// Weights multiplied for one decoded token, without the output head (which is embedding_parameters
/// more). An operation count is twice this: a multiplication and an addition for each weight.
constexpr std::size_t weights_per_token(const TextConfig& c) {
    const std::size_t experts = detail::sum_layers(
        c, [](const LayerKind& k, std::size_t) { return k.top_k * detail::expert_weights(k); });
    return attention_parameters(c) + mlp_parameters(c) + experts + router_parameters(c) +
           per_layer_row(c) * c.hidden_size;
}
/// Weights multiplied for one token of a prompt, where only the layers before the first shared one
/// have to run.
constexpr std::size_t weights_per_prompt_token(const TextConfig& c) {
    return detail::sum_layers(c, [&](const LayerKind& k, std::size_t l) {
        if (k.shares_kv) return std::size_t{0};
        return detail::attention_weights(c, l) + detail::mlp_weights(k) +
               k.top_k * detail::expert_weights(k) + k.experts * k.hidden_size +
               k.per_layer_input * k.hidden_size;
    });
}
/// Operations of one token's scores and weighted sums, with so many tokens in the context.
constexpr std::size_t attention_flops_per_token(const TextConfig& c, std::size_t context_tokens) {
    const std::size_t ring = context_tokens < c.sliding_window ? context_tokens : c.sliding_window;
    return detail::sum_layers(c, [&](const LayerKind& k, std::size_t) {
        return 4 * k.q_size() * (k.attention == AttentionType::full ? context_tokens : ring);
    });
}

}  // namespace carat::inline CARAT_ABI

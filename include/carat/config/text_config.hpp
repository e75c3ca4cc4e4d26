/// \file
/// TextConfig: what a Gemma 4 text decoder is, as a value that can be a template argument.
///
/// Fields carry the names of config.json. What follows from them (which layer is of which kind,
/// which layer's keys a layer reads) is derived here and never stored. Source: spec/text.md section
/// 1, spec/variants.md section 1.
#pragma once

#include "carat/config/layer_set.hpp"

#include <array>
#include <cstddef>
#include <cstdint>

namespace carat::inline CARAT_ABI {

enum class AttentionType : std::uint8_t { sliding, full };

/// `hidden_activation`: the function between the two halves of an mlp.
enum class Activation : std::uint8_t { gelu_tanh, gelu, silu, relu };

/// `use_bidirectional_attention`: whom a token may see besides its past.
enum class Bidirectional : std::uint8_t {
    none,
    vision,  ///< the rest of its own image or video frame, in sliding layers, while a prompt is
             ///< read
    all,     ///< everybody; sliding layers see sliding_window / 2 + 1 tokens to either side
};

/// One entry of `rope_parameters`.
struct RopeParameters {
    double theta = 10000.0;
    double partial_rotary_factor =
        1.0;              ///< share of the pairs that rotate; the others pass through
    double factor = 1.0;  ///< divides the frequencies
    friend constexpr bool operator==(const RopeParameters&, const RopeParameters&) = default;
};

/// What decides the code of one text layer. Layers that compare equal share every instruction.
struct LayerKind {
    AttentionType attention = AttentionType::sliding;
    bool shares_kv = false;  ///< reads the keys and values of an earlier layer and owns none
    bool k_eq_v = false;     ///< has no v_proj: values come from the raw key projection
    Activation activation = Activation::gelu_tanh;
    std::size_t hidden_size = 0;
    std::size_t intermediate_size =
        0;  ///< of the dense mlp, doubled already where the model doubles it
    std::size_t heads = 0, kv_heads = 0, head_dim = 0;
    std::size_t rotary_pairs = 0;     ///< pairs (i, i + head_dim / 2) with i below this rotate
    std::size_t per_layer_input = 0;  ///< width of the per-layer embedding, 0: none
    std::size_t experts = 0, top_k = 0,
                expert_intermediate_size = 0;  ///< 0: no mixture beside the mlp
    double rms_norm_eps = 1e-6;

    [[nodiscard]] constexpr std::size_t q_size() const { return heads * head_dim; }
    [[nodiscard]] constexpr std::size_t kv_size() const { return kv_heads * head_dim; }
    /// Query heads that read one key/value head.
    [[nodiscard]] constexpr std::size_t group() const { return heads / kv_heads; }
    friend constexpr bool operator==(const LayerKind&, const LayerKind&) = default;
};

/// As much of a kind as decides the code of its dense mlp, of its per-layer input: kinds that
/// differ elsewhere share it.
template <LayerKind K>
inline constexpr LayerKind mlp_kind{.activation = K.activation,
                                    .hidden_size = K.hidden_size,
                                    .intermediate_size = K.intermediate_size};
template <LayerKind K>
inline constexpr LayerKind per_layer_kind{.activation = K.activation,
                                          .hidden_size = K.hidden_size,
                                          .per_layer_input = K.per_layer_input,
                                          .rms_norm_eps = K.rms_norm_eps};

struct TextConfig {
    std::size_t vocab_size = 262144;
    std::size_t vocab_size_per_layer_input = 262144;
    std::size_t hidden_size = 2304;
    std::size_t hidden_size_per_layer_input = 256;  ///< 0: no per-layer embeddings
    std::size_t intermediate_size = 9216;
    std::size_t num_hidden_layers = 30;
    std::size_t num_attention_heads = 8;
    std::size_t num_key_value_heads = 4;
    std::size_t num_global_key_value_heads =
        0;  ///< of full layers, with attention_k_eq_v only; 0: not given
    std::size_t head_dim = 256;
    std::size_t global_head_dim = 512;  ///< of full layers
    LayerSet full_attention =
        every_nth(6, 30);                  ///< the layers of `layer_types` that say full_attention
    std::size_t sliding_window = 512;      ///< keys a sliding layer sees, its own token included
    std::size_t num_kv_shared_layers = 0;  ///< the last so many layers own no keys and values
    std::size_t num_experts = 0, top_k_experts = 0;  ///< 0: none
    std::size_t moe_intermediate_size = 0;
    std::size_t max_position_embeddings = 131072;
    // In front of the flags, so that no padding ends the struct. Where some does, clang 14 reads
    // the wrong member of a template argument while running: whatever lies behind a gap is off by
    // one.
    std::int32_t pad_token_id = 0, eos_token_id = 1, bos_token_id = 2;
    bool attention_k_eq_v = false;
    bool use_double_wide_mlp =
        false;  ///< layers that share keys and values have twice the intermediate_size
    bool enable_moe_block = false;
    bool tie_word_embeddings = true;
    Activation hidden_activation = Activation::gelu_tanh;
    Bidirectional use_bidirectional_attention = Bidirectional::none;
    double rms_norm_eps = 1e-6;
    double final_logit_softcapping = 0.0;  ///< 0: logits are not capped
    RopeParameters sliding_rope{.theta = 10000.0};
    RopeParameters full_rope{.theta = 1000000.0, .partial_rotary_factor = 0.25};

    friend constexpr bool operator==(const TextConfig&, const TextConfig&) = default;

    [[nodiscard]] constexpr AttentionType attention_type(std::size_t layer) const {
        return full_attention.contains(layer) ? AttentionType::full : AttentionType::sliding;
    }
    /// The first layer that reads another layer's keys and values; num_hidden_layers if there is
    /// none.
    [[nodiscard]] constexpr std::size_t first_shared_layer() const {
        return num_hidden_layers - num_kv_shared_layers;
    }
    [[nodiscard]] constexpr bool shares_kv(std::size_t layer) const {
        return layer >= first_shared_layer();
    }

    /// The layer whose keys and values `layer` reads: itself, or the last owning layer of its type.
    /// If no layer of its type owns any, num_hidden_layers: check() refuses such a config.
    [[nodiscard]] constexpr std::size_t kv_producer(std::size_t layer) const {
        if (!shares_kv(layer)) return layer;
        for (std::size_t p = first_shared_layer(); p-- > 0;)
            if (attention_type(p) == attention_type(layer)) return p;
        return num_hidden_layers;
    }
    /// Key/value heads of the full layers.
    [[nodiscard]] constexpr std::size_t full_kv_heads() const {
        return attention_k_eq_v && num_global_key_value_heads > 0 ? num_global_key_value_heads
                                                                  : num_key_value_heads;
    }
    /// Experts beside the dense mlp of each layer, 0 if the block is not enabled.
    [[nodiscard]] constexpr std::size_t experts() const {
        return enable_moe_block ? num_experts : 0;
    }

    [[nodiscard]] constexpr LayerKind kind(std::size_t layer) const {
        const bool full = attention_type(layer) == AttentionType::full;
        const bool shared = shares_kv(layer);
        const RopeParameters& rope = full ? full_rope : sliding_rope;
        LayerKind k;
        k.attention = attention_type(layer);
        k.shares_kv = shared;
        k.k_eq_v = attention_k_eq_v && full && !shared;
        k.activation = hidden_activation;
        k.hidden_size = hidden_size;
        // With no layer owning keys and values (a drafter) nothing is doubled: spec/text.md
        // section 10.
        k.intermediate_size =
            intermediate_size * (use_double_wide_mlp && shared && first_shared_layer() > 0 ? 2 : 1);
        k.heads = num_attention_heads;
        k.kv_heads = full ? full_kv_heads() : num_key_value_heads;
        k.head_dim = full ? global_head_dim : head_dim;
        k.rotary_pairs =
            static_cast<std::size_t>(rope.partial_rotary_factor * static_cast<double>(k.head_dim)) /
            2;
        k.per_layer_input = hidden_size_per_layer_input;
        k.experts = experts();
        k.top_k = enable_moe_block ? top_k_experts : 0;
        k.expert_intermediate_size = enable_moe_block ? moe_intermediate_size : 0;
        k.rms_norm_eps = rms_norm_eps;
        return k;
    }

    /// The first layer of the same kind as `layer`.
    [[nodiscard]] constexpr std::size_t kind_leader(std::size_t layer) const {
        for (std::size_t l = 0; l < layer; ++l)
            if (kind(l) == kind(layer)) return l;
        return layer;
    }
    /// How many layers before `layer` are of its kind.
    [[nodiscard]] constexpr std::size_t kind_ordinal(std::size_t layer) const {
        std::size_t n = 0;
        for (std::size_t l = 0; l < layer; ++l)
            if (kind(l) == kind(layer)) ++n;
        return n;
    }
    [[nodiscard]] constexpr std::size_t layers_of_kind(const LayerKind& k) const {
        std::size_t n = 0;
        for (std::size_t l = 0; l < num_hidden_layers; ++l)
            if (kind(l) == k) ++n;
        return n;
    }
    [[nodiscard]] constexpr std::size_t num_kinds() const {
        std::size_t n = 0;
        for (std::size_t l = 0; l < num_hidden_layers; ++l)
            if (kind_leader(l) == l) ++n;
        return n;
    }
};

}  // namespace carat::inline CARAT_ABI

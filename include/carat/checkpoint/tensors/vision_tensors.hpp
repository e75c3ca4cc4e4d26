/// \file
/// The tensors of a vision tower by name, its projector into the text model among them. Source:
/// spec/checkpoint.md section 3.
#pragma once

#include "carat/checkpoint/bind.hpp"
#include "carat/checkpoint/tensors/linear_tensors.hpp"

#include <cstddef>

namespace carat::inline CARAT_ABI {

/// All weights of a VisionTower, names below bind's own prefix. The position table stays in the
/// file: a picture reads a row for each of its columns and rows.
template <class Tower, class Bind>
constexpr void bind_vision_tower(Bind& bind, typename Tower::Weights& w) {
    using Name = typename Bind::Name;
    const Name tower("vision_tower.");
    bind(tower + "patch_embedder.input_proj.weight", w.patch_embedder.input_proj);
    bind(tower + "patch_embedder.position_embedding_table",
         w.patch_embedder.position_embedding_table, Residence::mapped);
    for (std::size_t l = 0; l < Tower::layers; ++l) {
        const Name prefix = tower + "encoder." + Bind::layer_prefix(l);
        auto& layer = w.layers[l];
        bind(prefix + "input_layernorm.weight", layer.input_layernorm);
        bind(prefix + "post_attention_layernorm.weight", layer.post_attention_layernorm);
        bind(prefix + "pre_feedforward_layernorm.weight", layer.pre_feedforward_layernorm);
        bind(prefix + "post_feedforward_layernorm.weight", layer.post_feedforward_layernorm);
        bind_linear(bind, prefix + "self_attn.q_proj", layer.self_attn.q_proj);
        bind_linear(bind, prefix + "self_attn.k_proj", layer.self_attn.k_proj);
        bind_linear(bind, prefix + "self_attn.v_proj", layer.self_attn.v_proj);
        bind_linear(bind, prefix + "self_attn.o_proj", layer.self_attn.o_proj);
        bind(prefix + "self_attn.q_norm.weight", layer.self_attn.q_norm);
        bind(prefix + "self_attn.k_norm.weight", layer.self_attn.k_norm);
        bind_linear(bind, prefix + "mlp.gate_proj", layer.mlp.gate_proj);
        bind_linear(bind, prefix + "mlp.up_proj", layer.mlp.up_proj);
        bind_linear(bind, prefix + "mlp.down_proj", layer.mlp.down_proj);
    }
    if constexpr (Tower::config.standardize) {
        bind(tower + "std_bias", w.standard.std_bias);
        bind(tower + "std_scale", w.standard.std_scale);
    }
    bind(Name("embed_vision.embedding_projection.weight"), w.embed_vision.embedding_projection);
}

}  // namespace carat::inline CARAT_ABI

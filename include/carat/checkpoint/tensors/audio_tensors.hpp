/// \file
/// The tensors of an audio tower by name, its projector into the text model among them. Source:
/// spec/checkpoint.md section 4.
#pragma once

#include "carat/checkpoint/bind.hpp"
#include "carat/checkpoint/tensors/linear_tensors.hpp"

#include <cstddef>

namespace carat::inline CARAT_ABI {

/// One conformer layer, names below `prefix` ("audio_tower.layers.0.").
template <class Bind, class Weights>
constexpr void bind_conformer_layer(Bind& bind, const typename Bind::Name& prefix, Weights& w) {
    const auto feed_forward = [&](const char* name, auto& f) {
        const typename Bind::Name p = prefix + name;
        bind(p + ".pre_layer_norm.weight", f.pre_layer_norm);
        bind(p + ".post_layer_norm.weight", f.post_layer_norm);
        bind_linear(bind, p + ".ffw_layer_1", f.ffw_layer_1);
        bind_linear(bind, p + ".ffw_layer_2", f.ffw_layer_2);
    };
    feed_forward("feed_forward1", w.feed_forward1);
    feed_forward("feed_forward2", w.feed_forward2);
    bind_linear(bind, prefix + "self_attn.q_proj", w.self_attn.q_proj);
    bind_linear(bind, prefix + "self_attn.k_proj", w.self_attn.k_proj);
    bind_linear(bind, prefix + "self_attn.v_proj", w.self_attn.v_proj);
    bind_linear(bind, prefix + "self_attn.post", w.self_attn.post);
    bind(prefix + "self_attn.relative_k_proj.weight", w.self_attn.relative_k_proj);
    bind(prefix + "self_attn.per_dim_scale", w.self_attn.per_dim_scale);
    bind(prefix + "lconv1d.pre_layer_norm.weight", w.lconv1d.pre_layer_norm);
    bind(prefix + "lconv1d.conv_norm.weight", w.lconv1d.conv_norm);
    bind_linear(bind, prefix + "lconv1d.linear_start", w.lconv1d.linear_start);
    bind_linear(bind, prefix + "lconv1d.linear_end", w.lconv1d.linear_end);
    bind(prefix + "lconv1d.depthwise_conv1d.weight", w.lconv1d.depthwise_conv1d);
    bind(prefix + "norm_pre_attn.weight", w.norm_pre_attn);
    bind(prefix + "norm_post_attn.weight", w.norm_post_attn);
    bind(prefix + "norm_out.weight", w.norm_out);
}

/// All weights of an AudioTower, names below bind's own prefix.
template <class Tower, class Bind>
constexpr void bind_audio_tower(Bind& bind, typename Tower::Weights& w) {
    using Name = typename Bind::Name;
    const Name tower("audio_tower."), stem("audio_tower.subsample_conv_projection.");
    auto& s = w.subsample_conv_projection;
    bind(stem + "layer0.conv.weight", s.conv0);
    bind(stem + "layer0.norm.weight", s.norm0);
    bind(stem + "layer1.conv.weight", s.conv1);
    bind(stem + "layer1.norm.weight", s.norm1);
    bind(stem + "input_proj_linear.weight", s.input_proj_linear);
    for (std::size_t l = 0; l < Tower::layers; ++l)
        bind_conformer_layer(bind, tower + Bind::layer_prefix(l), w.layers[l]);
    bind(tower + "output_proj.weight", w.output_proj);
    bind(tower + "output_proj.bias", w.output_bias);
    bind(Name("embed_audio.embedding_projection.weight"), w.embed_audio.embedding_projection);
}

}  // namespace carat::inline CARAT_ABI

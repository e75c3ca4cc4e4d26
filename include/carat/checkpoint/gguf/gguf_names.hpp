/// \file
/// Names of tensors in GGUF files and what carat calls them: the names of section 2 to 4 of
/// spec/checkpoint.md. Source: section 7.3; of towers, where section 7.5 leaves names open, the two
/// programs that write them:
/// - llama.cpp, a file of its own ("mmproj-….gguf"): Gemma4VisionAudioModel in conversion/gemma.py,
///   gguf-py/gguf/tensor_mapping.py and constants.py, tools/mtmd/clip-impl.h;
/// - Ollama, in the text model's file: convert/convert_gemma4.go, and the renaming into llama.cpp's
///   names in handle_gemma4_clip() of its llama.cpp compatibility layer.
/// They differ in the audio tower alone, where one name means two things.
#pragma once

#include "carat/base/abi.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace carat::inline CARAT_ABI {
namespace detail {

/// What a GGUF file calls what is called so elsewhere.
struct NamePair {
    std::string_view gguf, name;
};

inline constexpr NamePair gguf_text_names[] = {
    {"token_embd.weight", "embed_tokens.weight"},
    {"output_norm.weight", "norm.weight"},
    {"per_layer_token_embd.weight", "embed_tokens_per_layer.weight"},
    {"per_layer_model_proj.weight", "per_layer_model_projection.weight"},
    {"per_layer_proj_norm.weight", "per_layer_projection_norm.weight"},
};
/// Behind "blk.N.". Experts' gate and up rows in two tensors are read as one (Binder).
inline constexpr NamePair gguf_layer_names[] = {
    {"attn_norm.weight", "input_layernorm.weight"},
    {"attn_q.weight", "self_attn.q_proj.weight"},
    {"attn_k.weight", "self_attn.k_proj.weight"},
    {"attn_v.weight", "self_attn.v_proj.weight"},
    {"attn_output.weight", "self_attn.o_proj.weight"},
    {"attn_q_norm.weight", "self_attn.q_norm.weight"},
    {"attn_k_norm.weight", "self_attn.k_norm.weight"},
    {"post_attention_norm.weight", "post_attention_layernorm.weight"},
    {"ffn_norm.weight", "pre_feedforward_layernorm.weight"},
    {"post_ffw_norm.weight", "post_feedforward_layernorm.weight"},
    {"ffn_gate.weight", "mlp.gate_proj.weight"},
    {"ffn_up.weight", "mlp.up_proj.weight"},
    {"ffn_down.weight", "mlp.down_proj.weight"},
    {"layer_output_scale.weight", "layer_scalar"},
    {"inp_gate.weight", "per_layer_input_gate.weight"},
    {"proj.weight", "per_layer_projection.weight"},
    {"post_norm.weight", "post_per_layer_input_norm.weight"},
    {"ffn_gate_inp.weight", "router.proj.weight"},
    {"ffn_gate_inp.scale", "router.scale"},
    {"ffn_down_exps.scale", "router.per_expert_scale"},
    {"ffn_gate_up_exps.weight", "experts.gate_up_proj"},
    {"ffn_gate_exps.weight", "experts.gate_up_proj.gate"},
    {"ffn_up_exps.weight", "experts.gate_up_proj.up"},
    {"ffn_down_exps.weight", "experts.down_proj"},
    {"pre_ffw_norm_2.weight", "pre_feedforward_layernorm_2.weight"},
    {"post_ffw_norm_1.weight", "post_feedforward_layernorm_1.weight"},
    {"post_ffw_norm_2.weight", "post_feedforward_layernorm_2.weight"},
};
inline constexpr NamePair gguf_vision_names[] = {
    {"v.patch_embd.weight", "vision_tower.patch_embedder.input_proj.weight"},
    {"v.position_embd.weight", "vision_tower.patch_embedder.position_embedding_table"},
    {"v.std_bias", "vision_tower.std_bias"},
    {"v.std_scale", "vision_tower.std_scale"},
    {"mm.input_projection.weight", "embed_vision.embedding_projection.weight"},
};
/// Behind "v.blk.N.", without ".weight"; a linear layer is one that may have clip scalars.
inline constexpr NamePair gguf_vision_norms[] = {
    {"ln1", "input_layernorm"},           {"attn_post_norm", "post_attention_layernorm"},
    {"ln2", "pre_feedforward_layernorm"}, {"ffn_post_norm", "post_feedforward_layernorm"},
    {"attn_q_norm", "self_attn.q_norm"},  {"attn_k_norm", "self_attn.k_norm"},
};
inline constexpr NamePair gguf_vision_linears[] = {
    {"attn_q", "self_attn.q_proj"}, {"attn_k", "self_attn.k_proj"},
    {"attn_v", "self_attn.v_proj"}, {"attn_out", "self_attn.o_proj"},
    {"ffn_gate", "mlp.gate_proj"},  {"ffn_up", "mlp.up_proj"},
    {"ffn_down", "mlp.down_proj"},
};
inline constexpr NamePair gguf_audio_names[] = {
    {"a.conv1d.0.weight", "audio_tower.subsample_conv_projection.layer0.conv.weight"},
    {"a.conv1d.0.norm.weight", "audio_tower.subsample_conv_projection.layer0.norm.weight"},
    {"a.conv1d.1.weight", "audio_tower.subsample_conv_projection.layer1.conv.weight"},
    {"a.conv1d.1.norm.weight", "audio_tower.subsample_conv_projection.layer1.norm.weight"},
    {"mm.a.input_projection.weight", "embed_audio.embedding_projection.weight"},
};
inline constexpr NamePair gguf_audio_names_llama_cpp[] = {
    {"a.input_projection.weight", "audio_tower.subsample_conv_projection.input_proj_linear.weight"},
    {"a.pre_encode.out.weight", "audio_tower.output_proj.weight"},
    {"a.pre_encode.out.bias", "audio_tower.output_proj.bias"},
};
inline constexpr NamePair gguf_audio_names_ollama[] = {
    {"a.pre_encode.out.weight", "audio_tower.subsample_conv_projection.input_proj_linear.weight"},
    {"mm.a.fc.weight", "audio_tower.output_proj.weight"},
    {"mm.a.fc.bias", "audio_tower.output_proj.bias"},
};
/// Behind "a.blk.N.". The norms of the convolution have each other's names in both.
inline constexpr NamePair gguf_audio_norms[] = {
    {"ffn_norm", "feed_forward1.pre_layer_norm"},
    {"ffn_post_norm", "feed_forward1.post_layer_norm"},
    {"ffn_norm_1", "feed_forward2.pre_layer_norm"},
    {"ffn_post_norm_1", "feed_forward2.post_layer_norm"},
    {"conv_norm", "lconv1d.pre_layer_norm"},
    {"norm_conv", "lconv1d.conv_norm"},
    {"conv_dw", "lconv1d.depthwise_conv1d"},
    {"norm_out", "norm_out"},  // no writer's, but what spec/checkpoint.md leaves open
};
inline constexpr NamePair gguf_audio_norms_llama_cpp[] = {
    {"attn_pre_norm", "norm_pre_attn"},
    {"attn_post_norm", "norm_post_attn"},
    {"ln2", "norm_out"},
    {"attn_k_rel", "self_attn.relative_k_proj"},
};
inline constexpr NamePair gguf_audio_norms_ollama[] = {
    {"ln1", "norm_pre_attn"},
    {"ln2", "norm_post_attn"},
    {"layer_pre_norm", "norm_out"},
    {"linear_pos", "self_attn.relative_k_proj"},
};
inline constexpr NamePair gguf_audio_linears[] = {
    {"ffn_up", "feed_forward1.ffw_layer_1"},
    {"ffn_down", "feed_forward1.ffw_layer_2"},
    {"ffn_up_1", "feed_forward2.ffw_layer_1"},
    {"ffn_down_1", "feed_forward2.ffw_layer_2"},
    {"attn_q", "self_attn.q_proj"},
    {"attn_k", "self_attn.k_proj"},
    {"attn_v", "self_attn.v_proj"},
    {"attn_out", "self_attn.post"},
    {"conv_pw1", "lconv1d.linear_start"},
    {"conv_pw2", "lconv1d.linear_end"},
};

constexpr std::string_view find_name(std::span<const NamePair> names, std::string_view gguf) {
    for (const NamePair& pair : names)
        if (pair.gguf == gguf) return pair.name;
    return {};
}

/// "12." in front of `rest`, or nothing.
inline std::string_view take_layer(std::string_view& rest) {
    const std::size_t dot = rest.find('.');
    if (dot == std::string_view::npos || dot == 0 || dot > 4) return {};
    const std::string_view number = rest.substr(0, dot);
    if (number.find_first_not_of("0123456789") != std::string_view::npos) return {};
    rest.remove_prefix(dot + 1);
    return number;
}

/// A tower's tensor behind "v.blk.N." or "a.blk.N.": a norm, or a linear layer's weight or bound.
[[gnu::cold]] inline std::string tower_name(std::string_view rest, std::span<const NamePair> norms,
                                            std::span<const NamePair> linears) {
    const std::size_t dot = rest.rfind('.');
    if (dot == std::string_view::npos) return {};
    const std::string_view module = rest.substr(0, dot), part = rest.substr(dot);
    const std::string_view linear = find_name(linears, module);
    if (!linear.empty())
        return std::string(linear) + (part == ".weight" ? ".linear.weight" : std::string(part));
    const std::string_view norm = find_name(norms, module);
    return norm.empty() ? std::string() : std::string(norm) + std::string(part);
}

}  // namespace detail

/// Whose names an audio tower has.
enum class GgufAudioNames : std::uint8_t { llama_cpp, ollama };

/// Whose names a tensor's name gives away, if it does: ollama of a name that says nothing.
[[nodiscard]] constexpr GgufAudioNames audio_names_of(std::string_view name) {
    const bool block = name.starts_with("a.blk.");
    return name == "a.input_projection.weight" || name == "a.pre_encode.out.bias" ||
                   (block && (name.ends_with(".attn_pre_norm.weight") ||
                              name.ends_with(".attn_post_norm.weight") ||
                              name.ends_with(".attn_k_rel.weight")))
               ? GgufAudioNames::llama_cpp
               : GgufAudioNames::ollama;
}

/// carat's name for a tensor of a GGUF file, with the prefix of published checkpoints; the file's
/// own name where it has none (rope_freqs.weight, which carat has no use for).
[[nodiscard]] [[gnu::cold]] inline std::string name_from_gguf(std::string_view name,
                                                              GgufAudioNames audio) {
    using namespace detail;
    const bool llama_cpp = audio == GgufAudioNames::llama_cpp;
    const auto found = [](std::string_view prefix, std::string_view rest) {
        return std::string(prefix) + std::string(rest);
    };
    if (const auto text = find_name(gguf_text_names, name); !text.empty())
        return found("model.language_model.", text);
    if (const auto part = find_name(gguf_vision_names, name); !part.empty())
        return found("model.", part);
    if (const auto part = find_name(gguf_audio_names, name); !part.empty())
        return found("model.", part);
    if (const auto part = llama_cpp ? find_name(gguf_audio_names_llama_cpp, name)
                                    : find_name(gguf_audio_names_ollama, name);
        !part.empty())
        return found("model.", part);
    std::string_view rest = name;
    const auto layer_of = [&](std::string_view prefix, std::string_view layers) {
        rest = name.substr(prefix.size());
        const std::string_view layer = take_layer(rest);
        return layer.empty() ? std::string() : found(layers, layer) + '.';
    };
    std::string layer, part;
    if (name.starts_with("blk.")) {
        layer = layer_of("blk.", "model.language_model.layers.");
        part = find_name(gguf_layer_names, rest);
    } else if (name.starts_with("v.blk.")) {
        layer = layer_of("v.blk.", "model.vision_tower.encoder.layers.");
        part = tower_name(rest, gguf_vision_norms, gguf_vision_linears);
    } else if (name.starts_with("a.blk.")) {
        layer = layer_of("a.blk.", "model.audio_tower.layers.");
        if (rest == "per_dim_scale" || rest == "per_dim_scale.weight")
            part = "self_attn.per_dim_scale";
        else
            part = tower_name(rest, gguf_audio_norms, gguf_audio_linears);
        if (part.empty())
            part = llama_cpp ? tower_name(rest, gguf_audio_norms_llama_cpp, gguf_audio_linears)
                             : tower_name(rest, gguf_audio_norms_ollama, gguf_audio_linears);
    }
    return layer.empty() || part.empty() ? std::string(name) : layer + part;
}

}  // namespace carat::inline CARAT_ABI

/// \file
/// Which key of config.json is which field of a config: the tables that reading and comparing
/// share. Source: spec/text.md section 1, spec/variants.md sections 1 to 3.
#pragma once

#include "carat/checkpoint/faults.hpp"
#include "carat/config/check.hpp"
#include "carat/config/model_config.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

namespace carat::inline CARAT_ABI::detail {

template <class Config, class T>
struct ConfigField {
    const char* key;
    T Config::*member;
};
/// A whole number that has limits of its own; those of a text config are in config/check.hpp.
template <class Config>
struct SizeField {
    const char* key;
    std::size_t Config::*member;
    std::size_t least, most;
};
template <class Config>
struct RealField {
    const char* key;
    double Config::*member;
    bool positive;
};

inline constexpr std::size_t most_size = 0x7fffffff;
inline constexpr std::size_t most_width = std::size_t{1} << 24;
inline constexpr std::size_t most_heads = std::size_t{1} << 16;

inline constexpr SizeField<TextConfig> text_sizes[] = {
    {"vocab_size", &TextConfig::vocab_size, 0, most_size},
    {"vocab_size_per_layer_input", &TextConfig::vocab_size_per_layer_input, 0, most_size},
    {"hidden_size", &TextConfig::hidden_size, 0, most_size},
    {"hidden_size_per_layer_input", &TextConfig::hidden_size_per_layer_input, 0, most_size},
    {"intermediate_size", &TextConfig::intermediate_size, 0, most_size},
    {"num_hidden_layers", &TextConfig::num_hidden_layers, 0, most_size},
    {"num_attention_heads", &TextConfig::num_attention_heads, 0, most_size},
    {"num_key_value_heads", &TextConfig::num_key_value_heads, 0, most_size},
    {"num_global_key_value_heads", &TextConfig::num_global_key_value_heads, 0, most_size},
    {"head_dim", &TextConfig::head_dim, 0, most_size},
    {"global_head_dim", &TextConfig::global_head_dim, 0, most_size},
    {"sliding_window", &TextConfig::sliding_window, 0, most_size},
    {"num_kv_shared_layers", &TextConfig::num_kv_shared_layers, 0, most_size},
    {"num_experts", &TextConfig::num_experts, 0, most_size},
    {"top_k_experts", &TextConfig::top_k_experts, 0, most_size},
    {"moe_intermediate_size", &TextConfig::moe_intermediate_size, 0, most_size},
    {"max_position_embeddings", &TextConfig::max_position_embeddings, 0, most_size},
};
inline constexpr ConfigField<TextConfig, bool> text_flags[] = {
    {"attention_k_eq_v", &TextConfig::attention_k_eq_v},
    {"use_double_wide_mlp", &TextConfig::use_double_wide_mlp},
    {"enable_moe_block", &TextConfig::enable_moe_block},
    {"tie_word_embeddings", &TextConfig::tie_word_embeddings},
};
inline constexpr RealField<TextConfig> text_reals[] = {
    {"rms_norm_eps", &TextConfig::rms_norm_eps, false},
    {"final_logit_softcapping", &TextConfig::final_logit_softcapping, false},
};

inline constexpr SizeField<VisionConfig> vision_sizes[] = {
    {"hidden_size", &VisionConfig::hidden_size, 1, most_width},
    {"intermediate_size", &VisionConfig::intermediate_size, 1, most_width},
    {"num_hidden_layers", &VisionConfig::num_hidden_layers, 0, LayerSet::capacity},
    {"num_attention_heads", &VisionConfig::num_attention_heads, 1, most_heads},
    {"num_key_value_heads", &VisionConfig::num_key_value_heads, 1, most_heads},
    {"head_dim", &VisionConfig::head_dim, 1, most_heads},
    {"patch_size", &VisionConfig::patch_size, 1, 1024},
    {"pooling_kernel_size", &VisionConfig::pooling_kernel_size, 1, 1024},
    {"position_embedding_size", &VisionConfig::position_embedding_size, 1, most_width},
    {"default_output_length", &VisionConfig::default_output_length, 1, most_heads},
};
inline constexpr ConfigField<VisionConfig, bool> vision_flags[] = {
    {"use_clipped_linears", &VisionConfig::use_clipped_linears},
    {"standardize", &VisionConfig::standardize},
};

inline constexpr RealField<VisionConfig> vision_reals[] = {
    {"rms_norm_eps", &VisionConfig::rms_norm_eps, true},
};

inline constexpr SizeField<AudioConfig> audio_sizes[] = {
    {"hidden_size", &AudioConfig::hidden_size, 1, most_width},
    {"num_hidden_layers", &AudioConfig::num_hidden_layers, 0, LayerSet::capacity},
    {"num_attention_heads", &AudioConfig::num_attention_heads, 1, most_heads},
    {"conv_kernel_size", &AudioConfig::conv_kernel_size, 1, 1024},
    {"attention_chunk_size", &AudioConfig::attention_chunk_size, 1, most_heads},
    {"attention_context_left", &AudioConfig::attention_context_left, 0, most_heads},
    {"attention_context_right", &AudioConfig::attention_context_right, 0, most_heads},
    {"output_proj_dims", &AudioConfig::output_proj_dims, 1, most_width},
};
inline constexpr RealField<AudioConfig> audio_reals[] = {
    {"residual_weight", &AudioConfig::residual_weight, false},
    {"attention_logit_cap", &AudioConfig::attention_logit_cap, true},
    {"attention_invalid_logits_value", &AudioConfig::attention_invalid_logits_value, false},
    {"gradient_clipping", &AudioConfig::gradient_clipping, true},
    {"rms_norm_eps", &AudioConfig::rms_norm_eps, true},
};

inline constexpr ConfigField<AudioConfig, bool> audio_flags[] = {
    {"use_clipped_linears", &AudioConfig::use_clipped_linears},
};

inline constexpr ConfigField<MediaTokens, std::int32_t> media_tokens[] = {
    {"image_token_id", &MediaTokens::image}, {"video_token_id", &MediaTokens::video},
    {"audio_token_id", &MediaTokens::audio}, {"boi_token_id", &MediaTokens::boi},
    {"eoi_token_id", &MediaTokens::eoi},     {"boa_token_id", &MediaTokens::boa},
    {"eoa_token_id", &MediaTokens::eoa},     {"eoa_token_index", &MediaTokens::eoa},
};

inline constexpr std::pair<std::string_view, Activation> activations[] = {
    {"gelu_pytorch_tanh", Activation::gelu_tanh},
    {"gelu", Activation::gelu},
    {"silu", Activation::silu},
    {"relu", Activation::relu},
};
inline constexpr std::pair<std::string_view, Bidirectional> bidirectionals[] = {
    {"vision", Bidirectional::vision},
    {"all", Bidirectional::all},
};
inline constexpr std::pair<std::string_view, AttentionType> attention_types[] = {
    {"sliding_attention", AttentionType::sliding},
    {"full_attention", AttentionType::full},
};

/// The name that config.json has for a value of an enum.
template <class T, std::size_t n>
constexpr std::string_view name_in(const std::pair<std::string_view, T> (&names)[n], T value) {
    for (const auto& [name, meaning] : names)
        if (meaning == value) return name;
    return "null";
}

/// What a config that was read without faults has wrong as a whole, in the words of
/// config/check.hpp.
inline void check_config(const ModelConfig& c, Faults& faults) {
    if (!faults.none()) return;
    std::string_view sentence = fault(c) != nullptr ? fault(c) : "";
    if (sentence.starts_with("carat: ")) sentence.remove_prefix(7);
    if (!sentence.empty()) faults.add(Errc::unsupported, sentence);
}

}  // namespace carat::inline CARAT_ABI::detail

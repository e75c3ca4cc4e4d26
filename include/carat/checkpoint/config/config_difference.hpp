/// \file
/// What a checkpoint's config has that the compiled one has not, in words: for the moment when a
/// checkpoint does not fit a program.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/checkpoint/config/config_fields.hpp"
#include "carat/checkpoint/config/json_fields.hpp"
#include "carat/config/model_config.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace carat::inline CARAT_ABI {
namespace detail {

/// Lines of "KEY is 2560 in the file, but this program was compiled for 1536".
class Differences {
  public:
    std::string text;
    std::string_view prefix{};  ///< of all keys

    void line(std::string_view key, std::string_view compiled, std::string_view file) {
        if (!text.empty()) text += '\n';
        text.append(prefix).append(key).append(" is ").append(file);
        text.append(" in the file, but this program was compiled for ").append(compiled);
    }
    void compare(std::string_view key, std::size_t compiled, std::size_t file) {
        if (compiled != file) line(key, std::to_string(compiled), std::to_string(file));
    }
    void compare(std::string_view key, std::int32_t compiled, std::int32_t file) {
        if (compiled != file) line(key, std::to_string(compiled), std::to_string(file));
    }
    void compare(std::string_view key, bool compiled, bool file) {
        if (compiled != file) line(key, compiled ? "true" : "false", file ? "true" : "false");
    }
    void compare(std::string_view key, double compiled, double file) {
        if (compiled != file)
            line(key, FieldReader::number_text(compiled), FieldReader::number_text(file));
    }
    template <class Names, class T>
    void compare_names(std::string_view key, const Names& names, T compiled, T file) {
        if (compiled != file) line(key, name_in(names, compiled), name_in(names, file));
    }
    template <class Config, class Fields>
    void compare_fields(const Config& compiled, const Config& file, const Fields& fields) {
        for (const auto& field : fields)
            compare(field.key, compiled.*field.member, file.*field.member);
    }
    void compare(const std::string& path, const RopeParameters& compiled,
                 const RopeParameters& file) {
        compare(path + ".rope_theta", compiled.theta, file.theta);
        compare(path + ".partial_rotary_factor", compiled.partial_rotary_factor,
                file.partial_rotary_factor);
        compare(path + ".factor", compiled.factor, file.factor);
    }
};

/// A field that decides nothing in either config may differ. Nothing reads where a text begins and
/// ends out of a config, generation_config.json says it; and no length is enforced.
[[gnu::cold]] inline void level_idle_fields(TextConfig& a, TextConfig& b) {
    a.eos_token_id = b.eos_token_id;
    a.bos_token_id = b.bos_token_id;
    a.max_position_embeddings = b.max_position_embeddings;
    if (a.full_kv_heads() == b.full_kv_heads())
        a.num_global_key_value_heads = b.num_global_key_value_heads;
    if (a.hidden_size_per_layer_input == 0 && b.hidden_size_per_layer_input == 0)
        a.vocab_size_per_layer_input = b.vocab_size_per_layer_input;
    if (!a.enable_moe_block && !b.enable_moe_block) {
        a.num_experts = b.num_experts;
        a.top_k_experts = b.top_k_experts;
        a.moe_intermediate_size = b.moe_intermediate_size;
    }
}
/// How many soft tokens a picture becomes its processor says.
[[gnu::cold]] inline void level_idle_fields(VisionConfig& a, const VisionConfig& b) {
    a.default_output_length = b.default_output_length;
}

}  // namespace detail

/// One line for each field of the text decoder in which `file` differs from `compiled`; empty if
/// they describe one model. Fields that change nothing (the number of experts where there is no
/// mixture) are not compared.
[[nodiscard]] [[gnu::cold]] inline std::string describe_difference(TextConfig compiled,
                                                                   TextConfig file) {
    using namespace detail;
    level_idle_fields(compiled, file);
    Differences d;
    d.compare_fields(compiled, file, text_sizes);
    d.compare_fields(compiled, file, text_flags);
    d.compare_fields(compiled, file, text_reals);
    for (std::size_t l = 0; l < std::min(compiled.num_hidden_layers, file.num_hidden_layers); ++l)
        if (compiled.attention_type(l) != file.attention_type(l)) {
            d.compare_names(joined({"layer_types[", l, "]"}), attention_types,
                            compiled.attention_type(l), file.attention_type(l));
            break;  // the first says enough
        }
    d.compare_names("hidden_activation", activations, compiled.hidden_activation,
                    file.hidden_activation);
    d.compare_names("use_bidirectional_attention", bidirectionals,
                    compiled.use_bidirectional_attention, file.use_bidirectional_attention);
    d.compare("rope_parameters.sliding_attention", compiled.sliding_rope, file.sliding_rope);
    d.compare("rope_parameters.full_attention", compiled.full_rope, file.full_rope);
    d.compare("pad_token_id", compiled.pad_token_id, file.pad_token_id);
    return d.text;
}
/// The same for a vision tower; keys stand under vision_config, which `prefix` may say.
[[nodiscard]] [[gnu::cold]] inline std::string describe_difference(VisionConfig compiled,
                                                                   const VisionConfig& file,
                                                                   std::string_view prefix = {}) {
    using namespace detail;
    level_idle_fields(compiled, file);
    Differences d{.text = {}, .prefix = prefix};
    d.compare_fields(compiled, file, vision_sizes);
    d.compare_fields(compiled, file, vision_flags);
    d.compare_fields(compiled, file, vision_reals);
    d.compare_names("hidden_activation", activations, compiled.hidden_activation,
                    file.hidden_activation);
    d.compare("rope_parameters.rope_theta", compiled.rope_theta, file.rope_theta);
    return d.text;
}
/// The same for an audio tower; keys stand under audio_config.
[[nodiscard]] [[gnu::cold]] inline std::string describe_difference(const AudioConfig& compiled,
                                                                   const AudioConfig& file,
                                                                   std::string_view prefix = {}) {
    using namespace detail;
    Differences d{.text = {}, .prefix = prefix};
    d.compare_fields(compiled, file, audio_sizes);
    d.compare_fields(compiled, file, audio_flags);
    d.compare_fields(compiled, file, audio_reals);
    d.compare_names("hidden_act", activations, compiled.hidden_act, file.hidden_act);
    for (std::size_t i = 0; i < 2; ++i)
        d.compare(joined({"subsampling_conv_channels[", i, "]"}),
                  compiled.subsampling_conv_channels[i], file.subsampling_conv_channels[i]);
    return d.text;
}
/// Of two whole models everything that both have: the text decoders, towers, and the ids of media.
[[nodiscard]] [[gnu::cold]] inline std::string describe_difference(const ModelConfig& compiled,
                                                                   const ModelConfig& file) {
    detail::Differences d{.text = describe_difference(compiled.text, file.text)};
    const auto append = [&](const std::string& lines) {
        if (!d.text.empty() && !lines.empty()) d.text += '\n';
        d.text += lines;
    };
    if (compiled.vision.present() && file.vision.present())
        append(describe_difference(compiled.vision, file.vision, "vision_config."));
    if (compiled.audio.present() && file.audio.present())
        append(describe_difference(compiled.audio, file.audio, "audio_config."));
    if (compiled.multimodal && file.multimodal)
        d.compare_fields(compiled.tokens, file.tokens,
                         std::span(detail::media_tokens).first<7>());  // the eighth is an alias
    return d.text;
}

}  // namespace carat::inline CARAT_ABI

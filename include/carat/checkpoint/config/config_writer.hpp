/// \file
/// config.json and generation_config.json of a model that came without them, out of a GGUF file.
/// What read_config() and read_generation_config() make of these texts is what was written.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/checkpoint/config/config_fields.hpp"
#include "carat/checkpoint/config/generation_config.hpp"
#include "carat/config/model_config.hpp"

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace carat::inline CARAT_ABI {
namespace detail {

/// One JSON object, a member a line; keys and texts are ours and need no escapes.
class ConfigText {
  public:
    std::string& key(std::string_view name) {
        text_.append(text_.empty() ? "{" : ",\n ").append("\"").append(name).append("\": ");
        return text_;
    }
    void put(std::string_view name, std::size_t n) { key(name) += std::to_string(n); }
    void put(std::string_view name, std::int32_t n) { key(name) += std::to_string(n); }
    void put(std::string_view name, bool b) { key(name) += b ? "true" : "false"; }
    void put(std::string_view name, double x) { key(name) += number(x); }
    void put(std::string_view name, std::string_view s) {
        key(name).append("\"").append(s).append("\"");
    }
    void put(std::string_view name, const std::vector<std::int32_t>& ids) {
        std::string& text = key(name) += '[';
        for (const std::int32_t id : ids)
            text.append(text.back() == '[' ? "" : ", ").append(std::to_string(id));
        text += ']';
    }
    void put_object(std::string_view name, ConfigText&& object) {
        key(name) += std::move(object.text_) += '}';
    }
    static std::string number(double x) {
        char digits[40];
        return {digits, std::to_chars(digits, digits + sizeof digits, x).ptr};
    }
    [[nodiscard]] std::string take() && { return std::move(text_ += "\n}\n"); }

  private:
    std::string text_;
};

inline std::string rope_text(const RopeParameters& r) {
    const bool plain = r.partial_rotary_factor == 1.0 && r.factor == 1.0;
    return std::string("{\"rope_type\": \"") + (plain ? "default" : "proportional") +
           "\", \"rope_theta\": " + ConfigText::number(r.theta) +
           ", \"partial_rotary_factor\": " + ConfigText::number(r.partial_rotary_factor) +
           ", \"factor\": " + ConfigText::number(r.factor) + "}";
}

template <class Config, std::size_t sizes, std::size_t flags, std::size_t reals>
void put_fields(ConfigText& to, const Config& c, const SizeField<Config> (&size_fields)[sizes],
                const ConfigField<Config, bool> (&flag_fields)[flags],
                const RealField<Config> (&real_fields)[reals]) {
    for (const auto& f : size_fields) to.put(f.key, c.*f.member);
    for (const auto& f : flag_fields) to.put(f.key, c.*f.member);
    for (const auto& f : real_fields) to.put(f.key, c.*f.member);
}

inline void put_config(ConfigText& to, const TextConfig& c) {
    to.put("model_type", std::string_view("gemma4_text"));
    put_fields(to, c, text_sizes, text_flags, text_reals);
    to.put("pad_token_id", c.pad_token_id);
    to.put("eos_token_id", c.eos_token_id);
    to.put("bos_token_id", c.bos_token_id);
    to.put("hidden_activation", name_in(activations, c.hidden_activation));
    if (c.use_bidirectional_attention != Bidirectional::none)
        to.put("use_bidirectional_attention",
               name_in(bidirectionals, c.use_bidirectional_attention));
    std::string& text = to.key("layer_types") += '[';
    for (std::size_t l = 0; l < c.num_hidden_layers; ++l)
        text.append(l == 0 ? "\"" : ", \"")
            .append(name_in(attention_types, c.attention_type(l)))
            .append("\"");
    text += ']';
    to.key("rope_parameters") += "{\"full_attention\": " + rope_text(c.full_rope) +
                                 ",\n  \"sliding_attention\": " + rope_text(c.sliding_rope) + "}";
}
inline void put_config(ConfigText& to, const VisionConfig& c) {
    to.put("model_type", std::string_view("gemma4_vision"));
    put_fields(to, c, vision_sizes, vision_flags, vision_reals);
    to.put("hidden_activation", name_in(activations, c.hidden_activation));
    to.key("rope_parameters") +=
        "{\"rope_type\": \"axial\", \"rope_theta\": " + ConfigText::number(c.rope_theta) + "}";
}
inline void put_config(ConfigText& to, const AudioConfig& c) {
    to.put("model_type", std::string_view("gemma4_audio"));
    put_fields(to, c, audio_sizes, audio_flags, audio_reals);
    to.put("hidden_act", name_in(activations, c.hidden_act));
    to.key("subsampling_conv_channels") +=
        joined({"[", c.subsampling_conv_channels[0], ", ", c.subsampling_conv_channels[1], "]"});
}
/// One part of a model under its key.
template <class Config>
void put_part(ConfigText& to, std::string_view name, const Config& c) {
    ConfigText part;
    put_config(part, c);
    to.put_object(name, std::move(part));
}

}  // namespace detail

/// A model's config.json. `weights`, unless empty, is said under a key of our own, carat_weights.
[[nodiscard]] inline std::string write_config(const ModelConfig& c, std::string_view weights = {}) {
    detail::ConfigText to;
    if (!c.multimodal) {
        put_config(to, c.text);
    } else {
        to.put("model_type", std::string_view("gemma4"));
        put_part(to, "text_config", c.text);
        if (c.vision.present()) put_part(to, "vision_config", c.vision);
        if (c.audio.present()) put_part(to, "audio_config", c.audio);
        for (const auto& f : std::span(detail::media_tokens).first<7>())  // the eighth is an alias
            to.put(f.key, c.tokens.*f.member);
    }
    if (!weights.empty()) to.put("carat_weights", weights);
    return std::move(to).take();
}

/// A generation_config.json.
[[nodiscard]] inline std::string write_generation_config(const GenerationConfig& c) {
    detail::ConfigText to;
    to.put("do_sample", c.do_sample);
    to.put("temperature", c.temperature);
    to.put("top_k", c.top_k);
    to.put("top_p", c.top_p);
    to.put("min_p", c.min_p);
    to.put("repetition_penalty", c.repetition_penalty);
    to.put("eos_token_id", c.eos_token_ids);
    to.put("bos_token_id", c.bos_token_id);
    to.put("pad_token_id", c.pad_token_id);
    if (!c.suppress_tokens.empty()) to.put("suppress_tokens", c.suppress_tokens);
    if (c.num_assistant_tokens > 0) to.put("num_assistant_tokens", c.num_assistant_tokens);
    return std::move(to).take();
}

}  // namespace carat::inline CARAT_ABI

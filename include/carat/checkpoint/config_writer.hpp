/// \file
/// config.json and generation_config.json of a model that came without them, out of a GGUF file.
/// What read_config() and read_generation_config() make of these texts is what was written.
#pragma once

#include "carat/checkpoint/config_fields.hpp"
#include "carat/checkpoint/generation_config.hpp"
#include "carat/config/text_config.hpp"

#include <charconv>
#include <cstddef>
#include <cstdint>
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

}  // namespace detail

/// A text model's config.json. `weights`, unless empty, is said under a key of our own,
/// carat_weights.
[[nodiscard]] inline std::string write_config(const TextConfig& c, std::string_view weights = {}) {
    detail::ConfigText to;
    to.put("model_type", std::string_view("gemma4_text"));
    for (const auto& f : detail::text_sizes) to.put(f.key, c.*f.member);
    for (const auto& f : detail::text_flags) to.put(f.key, c.*f.member);
    for (const auto& f : detail::text_reals) to.put(f.key, c.*f.member);
    to.put("pad_token_id", c.pad_token_id);
    to.put("eos_token_id", c.eos_token_id);
    to.put("bos_token_id", c.bos_token_id);
    to.put("hidden_activation", detail::name_in(detail::activations, c.hidden_activation));
    if (c.use_bidirectional_attention != Bidirectional::none)
        to.put("use_bidirectional_attention",
               detail::name_in(detail::bidirectionals, c.use_bidirectional_attention));
    std::string& text = to.key("layer_types") += '[';
    for (std::size_t l = 0; l < c.num_hidden_layers; ++l)
        text.append(l == 0 ? "\"" : ", \"")
            .append(detail::name_in(detail::attention_types, c.attention_type(l)))
            .append("\"");
    text += ']';
    to.key("rope_parameters") +=
        "{\"full_attention\": " + detail::rope_text(c.full_rope) +
        ",\n  \"sliding_attention\": " + detail::rope_text(c.sliding_rope) + "}";
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
    return std::move(to).take();
}

}  // namespace carat::inline CARAT_ABI

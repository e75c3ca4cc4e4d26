/// \file
/// What config_hash.hpp declares.
#pragma once

#include "carat/checkpoint/config/config_difference.hpp"
#include "carat/checkpoint/config/config_fields.hpp"
#include "carat/checkpoint/config/config_hash.hpp"
#include "carat/checkpoint/fnv1a.hpp"
#include "carat/config/model_config.hpp"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>

namespace carat::inline CARAT_ABI {
namespace detail {

/// Every value with its key, so that none can stand for another.
struct ConfigHash {
    Fnv1a sum{};

    [[gnu::noinline]] void add(std::string_view key, std::uint64_t value) {
        sum.add(std::as_bytes(std::span(key)));
        sum.add(std::as_bytes(std::span(&value, 1)));
    }
    template <class T>
    void value(std::string_view key, T v) {
        if constexpr (std::is_same_v<T, double>) {
            add(key, std::bit_cast<std::uint64_t>(v + 0.0));  // one zero
        } else {
            add(key, static_cast<std::uint64_t>(v));
        }
    }
    template <class Config, class Fields>
    void fields(const Config& c, const Fields& all) {
        for (const auto& field : all) value(field.key, c.*field.member);
    }
    void rope(std::string_view key, const RopeParameters& r) {
        value(key, r.theta);
        value(key, r.partial_rotary_factor);
        value(key, r.factor);
    }
};

}  // namespace detail

[[gnu::cold]] CARAT_ONCE std::uint64_t config_hash(ModelConfig c) {
    using namespace detail;
    TextConfig idle{};
    idle.attention_k_eq_v = c.text.attention_k_eq_v;
    idle.num_key_value_heads = c.text.num_key_value_heads;
    idle.num_global_key_value_heads = c.text.full_kv_heads();
    idle.vocab_size_per_layer_input = idle.hidden_size_per_layer_input = 0;
    idle.enable_moe_block = false;
    idle.num_experts = idle.top_k_experts = idle.moe_intermediate_size = 0;
    level_idle_fields(c.text, idle);
    level_idle_fields(c.vision, VisionConfig{});
    ConfigHash h;
    h.fields(c.text, text_sizes);
    h.fields(c.text, text_flags);
    h.fields(c.text, text_reals);
    for (std::size_t l = 0; l < c.text.num_hidden_layers; ++l)
        h.value("layer_types", c.text.attention_type(l));
    h.value("hidden_activation", c.text.hidden_activation);
    h.value("use_bidirectional_attention", c.text.use_bidirectional_attention);
    h.rope("sliding_attention", c.text.sliding_rope);
    h.rope("full_attention", c.text.full_rope);
    h.value("pad_token_id", c.text.pad_token_id);
    h.value("eos_token_id", c.text.eos_token_id);
    h.value("bos_token_id", c.text.bos_token_id);
    h.value("multimodal", c.multimodal);
    h.fields(c.tokens, media_tokens);
    h.value("vision", c.vision.present());
    if (c.vision.present()) {
        h.fields(c.vision, vision_sizes);
        h.fields(c.vision, vision_flags);
        h.fields(c.vision, vision_reals);
        h.value("hidden_activation", c.vision.hidden_activation);
        h.value("rope_theta", c.vision.rope_theta);
    }
    h.value("audio", c.audio.present());
    if (c.audio.present()) {
        h.fields(c.audio, audio_sizes);
        h.fields(c.audio, audio_flags);
        h.fields(c.audio, audio_reals);
        h.value("hidden_act", c.audio.hidden_act);
        for (const std::size_t n : c.audio.subsampling_conv_channels)
            h.value("subsampling_conv_channels", n);
        h.value("frames_seen", c.audio.frames_seen());
    }
    return h.sum.value();
}

}  // namespace carat::inline CARAT_ABI

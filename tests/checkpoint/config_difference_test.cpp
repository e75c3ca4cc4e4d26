#include "carat/checkpoint/config/config_difference.hpp"

#include "carat/config/presets.hpp"

#include <doctest/doctest.h>

using namespace carat;

TEST_CASE("a config differs from itself in nothing, and from another model in its fields") {
    CHECK(describe_difference(presets::e2b, presets::e2b).empty());
    CHECK(describe_difference(presets::e2b.vision, presets::e4b.vision).empty());
    CHECK(describe_difference(presets::e2b.audio, presets::e4b.audio).empty());
    CHECK(describe_difference(presets::e2b, presets::e4b) ==
          "hidden_size is 2560 in the file, but this program was compiled for 1536\n"
          "intermediate_size is 10240 in the file, but this program was compiled for 6144\n"
          "num_hidden_layers is 42 in the file, but this program was compiled for 35\n"
          "num_key_value_heads is 2 in the file, but this program was compiled for 1\n"
          "num_kv_shared_layers is 18 in the file, but this program was compiled for 20\n"
          "use_double_wide_mlp is false in the file, but this program was compiled for true\n"
          "layer_types[4] is sliding_attention in the file, but this program was compiled for "
          "full_attention");
}

TEST_CASE("every text field is compared") {
    const TextConfig base = presets::gemma4_26b_a4b.text;
    TextConfig other = base;
    for (const auto& field : detail::text_sizes) {
        other.*field.member += 2;
        const std::string text = describe_difference(base, other);
        const bool idle = std::string_view(field.key) == "vocab_size_per_layer_input" ||
                          std::string_view(field.key) == "max_position_embeddings";
        CHECK_MESSAGE(text.starts_with(std::string(field.key) + " is ") != idle, text);
        other = base;
    }
    for (const auto& field : detail::text_flags) {
        other.*field.member = !(base.*field.member);
        CHECK(describe_difference(base, other).find(field.key) != std::string::npos);
        other = base;
    }
    other.rms_norm_eps = 1e-5;
    CHECK(describe_difference(base, other) ==
          "rms_norm_eps is 1e-05 in the file, but this program was compiled for 1e-06");
    other = base;
    other.full_rope.theta = 123456.7;
    CHECK(describe_difference(base, other)
              .find("rope_parameters.full_attention.rope_theta is "
                    "123456.7") == 0);
    other = base;
    other.use_bidirectional_attention = Bidirectional::none;
    other.hidden_activation = Activation::silu;
    other.pad_token_id = 9;
    CHECK(describe_difference(base, other) ==
          "hidden_activation is silu in the file, but this program was compiled for "
          "gelu_pytorch_tanh\n"
          "use_bidirectional_attention is null in the file, but this program was compiled for "
          "vision\n"
          "pad_token_id is 9 in the file, but this program was compiled for 0");
}

TEST_CASE("fields that decide nothing may differ") {
    TextConfig a = presets::e2b.text, b = a;
    b.num_experts = 8;
    b.moe_intermediate_size = 3;
    b.num_global_key_value_heads = 4;  // without attention_k_eq_v
    CHECK(describe_difference(a, b).empty());
    b.eos_token_id = 106;  // as a fine-tune has it that ends its turns
    b.bos_token_id = 3;
    b.max_position_embeddings = 8192;
    CHECK(describe_difference(a, b).empty());
    VisionConfig vision = presets::e2b.vision;
    vision.default_output_length = 1120;
    CHECK(describe_difference(presets::e2b.vision, vision).empty());
    a = presets::gemma4_31b.text, b = a;
    b.vocab_size_per_layer_input = 0;
    CHECK(describe_difference(a, b).empty());
}

TEST_CASE("towers are compared too") {
    VisionConfig vision = presets::large_vision;
    vision.rope_theta = 1e4;
    vision.standardize = false;
    CHECK(describe_difference(presets::large_vision, vision) ==
          "standardize is false in the file, but this program was compiled for true\n"
          "rope_parameters.rope_theta is 10000 in the file, but this program was compiled for "
          "100");
    AudioConfig audio = presets::audio;
    audio.subsampling_conv_channels[1] = 16;
    CHECK(describe_difference(presets::audio, audio) ==
          "subsampling_conv_channels[1] is 16 in the file, but this program was compiled for "
          "32");
}

TEST_CASE("of whole models, towers and media ids are compared where both have them") {
    const ModelConfig base = presets::e2b;
    ModelConfig other = base;
    other.text.rms_norm_eps = 1e-5;
    other.vision.rope_theta = 1e4;
    other.audio.gradient_clipping = 7;
    other.tokens.video = 5;
    other.tokens.eoa = 6;
    CHECK(describe_difference(base, other) ==
          "rms_norm_eps is 1e-05 in the file, but this program was compiled for 1e-06\n"
          "vision_config.rope_parameters.rope_theta is 10000 in the file, but this program was "
          "compiled for 100\n"
          "audio_config.gradient_clipping is 7 in the file, but this program was compiled for "
          "1e+10\n"
          "video_token_id is 5 in the file, but this program was compiled for 258884\n"
          "eoa_token_id is 6 in the file, but this program was compiled for 258883");
    other.text = base.text;
    other.multimodal = false;
    other.vision = {};
    other.audio = {};
    CHECK(describe_difference(base, other).empty());
    CHECK(describe_difference(other, base).empty());
}

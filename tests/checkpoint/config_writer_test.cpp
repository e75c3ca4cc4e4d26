#include "carat/checkpoint/config/config_writer.hpp"

#include "carat/checkpoint/config/config_json.hpp"
#include "carat/config/presets.hpp"

#include <doctest/doctest.h>

using namespace carat;

namespace {

/// What is read of the config.json that is written.
ModelConfig again(const ModelConfig& c, std::string_view weights = {}) {
    const auto read = read_config(write_config(c, weights), "config.json");
    REQUIRE_MESSAGE(read, read.error().text);
    return *read;
}

}  // namespace

TEST_CASE("a config that is written is the one that is read") {
    for (const ModelConfig& c :
         {presets::e2b, presets::e4b, presets::gemma4_31b, presets::gemma4_26b_a4b})
        CHECK(again(c, "q4_0") == c);
    ModelConfig odd = presets::e2b;
    odd.text.rms_norm_eps = 3.3333333333333335e-07;
    odd.vision.rope_theta = 12.5;
    odd.vision.hidden_activation = Activation::gelu;
    odd.audio.subsampling_conv_channels = {16, 8};
    odd.audio.hidden_act = Activation::relu;
    odd.tokens = {.image = 1, .video = 2, .audio = 3, .boi = 4, .eoi = 5, .boa = 6, .eoa = 7};
    CHECK(again(odd) == odd);
    odd.vision = {};
    CHECK(again(odd) == odd);
    CHECK(again({.text = odd.text, .multimodal = false}) ==
          ModelConfig{.text = odd.text, .multimodal = false});
}

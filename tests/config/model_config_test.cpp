#include "carat/config/model_config.hpp"

#include "carat/config/presets.hpp"

#include <doctest/doctest.h>

#include <cstddef>

namespace carat {
namespace {

// A compiler may keep a template argument in memory in another form than a variable. What a program
// reads there while running must be what the compiler saw.
template <TextConfig C>
struct Running {
    [[gnu::noinline]] static bool same() {
        constexpr double eps = C.rms_norm_eps, cap = C.final_logit_softcapping,
                         theta = C.full_rope.theta, share = C.full_rope.partial_rotary_factor;
        constexpr auto pad = C.pad_token_id, eos = C.eos_token_id, bos = C.bos_token_id;
        constexpr bool wide = C.use_double_wide_mlp, tied = C.tie_word_embeddings;
        constexpr auto act = C.hidden_activation;
        const RopeParameters& rope = C.full_rope;  // its place, not its value
        return C.rms_norm_eps == eps && C.final_logit_softcapping == cap && rope.theta == theta &&
               rope.partial_rotary_factor == share && C.pad_token_id == pad &&
               C.eos_token_id == eos && C.bos_token_id == bos && C.use_double_wide_mlp == wide &&
               C.tie_word_embeddings == tied && C.hidden_activation == act &&
               C.sliding_rope == RopeParameters{.theta = 10000.0};
    }
};
template <LayerKind K>
[[gnu::noinline]] bool kind_same() {
    constexpr double eps = K.rms_norm_eps;
    constexpr auto act = K.activation;
    constexpr std::size_t width = K.expert_intermediate_size;
    return K.rms_norm_eps == eps && K.activation == act && K.expert_intermediate_size == width;
}
template <ModelConfig C>
[[gnu::noinline]] bool model_same() {
    constexpr double vision_eps = C.vision.rms_norm_eps, vision_theta = C.vision.rope_theta;
    constexpr double audio_eps = C.audio.rms_norm_eps, clip = C.audio.gradient_clipping;
    constexpr double text_eps = C.text.rms_norm_eps;
    constexpr auto image = C.tokens.image, eoa = C.tokens.eoa;
    constexpr bool multimodal = C.multimodal;
    const MediaTokens& tokens = C.tokens;
    return C.vision.rms_norm_eps == vision_eps && C.vision.rope_theta == vision_theta &&
           C.audio.rms_norm_eps == audio_eps && C.audio.gradient_clipping == clip &&
           C.text.rms_norm_eps == text_eps && tokens.image == image && tokens.eoa == eoa &&
           C.multimodal == multimodal;
}

TEST_CASE("a config read from a template argument while running is what the compiler saw") {
    CHECK(Running<presets::e2b.text>::same());
    CHECK(Running<presets::gemma4_26b_a4b.text>::same());
    CHECK(kind_same<presets::e2b.text.kind(0)>());
    CHECK(kind_same<presets::gemma4_26b_a4b.text.kind(5)>());
    CHECK(model_same<presets::e2b>());
    CHECK(model_same<presets::gemma4_31b>());
}

}  // namespace
}  // namespace carat

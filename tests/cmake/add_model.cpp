// Everything here is decided by the compiler: if this unit compiles, carat_add_model reads what it
// should.
#include <carat/config/presets.hpp>
#include <carat/models/f32.hpp>
#include <carat/models/mini_31b.hpp>
#include <carat/models/mini_31b_saved.hpp>
#include <carat/models/mini_a4b.hpp>
#include <carat/models/mini_a4b_saved.hpp>
#include <carat/models/mini_e2b.hpp>
#include <carat/models/mini_e2b_saved.hpp>
#include <carat/models/mini_e4b.hpp>
#include <carat/models/mini_e4b_saved.hpp>
#include <carat/models/nothing_said.hpp>
#include <carat/models/odd_numbers.hpp>
#include <carat/models/packed.hpp>
#include <carat/models/pocket.hpp>
#include <carat/models/published_26b_a4b.hpp>
#include <carat/models/published_31b.hpp>
#include <carat/models/published_e2b.hpp>
#include <carat/models/published_e4b.hpp>
#include <carat/models/text_only.hpp>
#include <type_traits>

namespace carat {
namespace {

// The published files are the presets.
static_assert(models::published_e2b == presets::e2b);
static_assert(models::published_e4b == presets::e4b);
static_assert(models::published_31b == presets::gemma4_31b);
static_assert(models::published_26b_a4b == presets::gemma4_26b_a4b);

// Two layouts of a file are one model.
static_assert(models::mini_e2b == models::mini_e2b_saved);
static_assert(models::mini_e4b == models::mini_e4b_saved);
static_assert(models::mini_31b == models::mini_31b_saved);
static_assert(models::mini_a4b == models::mini_a4b_saved);
static_assert(models::mini_31b.text.num_global_key_value_heads == 2);
static_assert(models::mini_e4b.audio.gradient_clipping == 3.0);
static_assert(models::mini_e2b.tokens.eoa == 11);

// Assistants: keys, values and positions are their model's.
constexpr DrafterConfig drafter_of(const ModelConfig& model) {
    DrafterConfig d{.text = model.text, .backbone_hidden_size = model.text.hidden_size};
    d.text.intermediate_size = 64;
    d.text.num_hidden_layers = d.text.num_kv_shared_layers = 4;
    d.text.full_attention = every_nth(4, 4);
    d.text.hidden_size_per_layer_input = d.text.vocab_size_per_layer_input = 0;
    d.text.use_double_wide_mlp = false;
    d.text.use_bidirectional_attention = Bidirectional::none;
    d.text.final_logit_softcapping = 0;
    return d;
}
constexpr DrafterConfig e2b_drafter = [] {
    DrafterConfig d = drafter_of(models::mini_e2b);
    d.text.hidden_size = 32;
    d.text.num_attention_heads = 2;
    d.num_centroids = 32;
    d.centroid_intermediate_top_k = 4;
    return d;
}();
constexpr DrafterConfig gemma4_31b_drafter = [] {
    DrafterConfig d = drafter_of(models::mini_31b);
    d.text.hidden_size = 40;
    return d;  // its file speaks of 2048 centroids, and of not using them
}();
static_assert(models::mini_e2b_drafter == e2b_drafter);
static_assert(models::mini_31b_drafter == gemma4_31b_drafter);

// Weights in the type of the file beside the config, or of published ones where there is none.
static_assert(std::is_same_v<models::pocket_stored, weights::bf16>);
static_assert(std::is_same_v<models::f32_stored, weights::f32>);
static_assert(std::is_same_v<models::packed_stored, weights::q4_0>);
static_assert(std::is_same_v<models::published_31b_stored, weights::bf16>);

// What is missing takes the defaults, which are those of the structs.
static_assert(models::nothing_said ==
              ModelConfig{.vision = {.num_hidden_layers = 16}, .audio = {.num_hidden_layers = 12}});

constexpr ModelConfig text_only{
    .text = {.num_hidden_layers = 70,
             .num_global_key_value_heads = 2,
             .full_attention =
                 [] {
                     LayerSet set = every_nth(6, 70);
                     set.insert(69);  // the last layer is full, whatever the period says
                     return set;
                 }(),
             .sliding_window = 7,
             .attention_k_eq_v = true,
             .hidden_activation = Activation::relu,
             .use_bidirectional_attention = Bidirectional::all},
    .multimodal = false};
static_assert(models::text_only == text_only);

constexpr LayerSet layers_0_and_2{{5}};
static_assert(models::odd_numbers ==
              ModelConfig{.text = {.num_hidden_layers = 3,
                                   .global_head_dim = 256,  // per_layer_config says nothing differs
                                   .full_attention = layers_0_and_2,
                                   .eos_token_id = 7,
                                   .rms_norm_eps = 3.3333333333333335e-07,
                                   .final_logit_softcapping = 0.1,
                                   .full_rope = {.theta = 12345678901.0, .factor = 8.0}},
                          .audio = {.num_hidden_layers = 1,
                                    .subsampling_conv_channels = {16, 8},
                                    .attention_invalid_logits_value = -12.0,
                                    .gradient_clipping = 1e5},
                          .tokens = {.eoa = 99}});

static_assert(models::pocket.text.full_attention == every_nth(5, 10));
static_assert(models::pocket.text.rms_norm_eps == 1e-6);
static_assert(models::pocket.audio.gradient_clipping == 1e10);
static_assert(models::pocket.vision.head_dim == 32);

}  // namespace
}  // namespace carat

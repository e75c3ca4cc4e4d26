#include "carat/config/parameters.hpp"

#include "carat/config/presets.hpp"

#include <doctest/doctest.h>

// spec/variants.md, sections 7 to 10, which agree with the published files to the byte.

namespace {

using namespace carat;
using presets::e2b, presets::e4b, presets::gemma4_26b_a4b, presets::gemma4_31b;
using enum AttentionType;

// Section 7: elements and tensors.
static_assert(text_parameters(e2b.text) == 4'647'449'891);
static_assert(text_parameters(e4b.text) == 7'518'069'034);
static_assert(text_parameters(gemma4_31b.text) == 30'697'345'340);
static_assert(text_parameters(gemma4_26b_a4b.text) == 25'233'141'790);

static_assert(embedding_parameters(e2b.text) == 402'653'184);
static_assert(embedding_parameters(e4b.text) == 671'088'640);
static_assert(embedding_parameters(gemma4_31b.text) == 1'409'286'144);
static_assert(embedding_parameters(gemma4_26b_a4b.text) == 738'197'504);

static_assert(per_layer_table_parameters(e2b.text) == 2'348'810'240);
static_assert(per_layer_table_parameters(e4b.text) == 2'818'572'288);
static_assert(per_layer_table_parameters(gemma4_31b.text) == 0);
static_assert(per_layer_table_parameters(gemma4_26b_a4b.text) == 0);

static_assert(dead_parameters(e2b.text) == 18'880'512);
static_assert(dead_parameters(e4b.text) == 55'055'616);
static_assert(dead_parameters(gemma4_31b.text) == 0);
static_assert(dead_parameters(gemma4_26b_a4b.text) == 0);

static_assert(attention_parameters(e2b.text) == 278'396'928);
static_assert(attention_parameters(e4b.text) == 587'202'560);
static_assert(attention_parameters(gemma4_31b.text) == 8'477'736'960);
static_assert(attention_parameters(gemma4_26b_a4b.text) == 1'110'179'840);

static_assert(mlp_parameters(e2b.text) == 1'584'660'480);
static_assert(mlp_parameters(e4b.text) == 3'358'064'640);
static_assert(mlp_parameters(gemma4_31b.text) == 20'808'990'720);
static_assert(mlp_parameters(gemma4_26b_a4b.text) == 535'265'280);

static_assert(expert_parameters(e2b.text) == 0);
static_assert(expert_parameters(gemma4_26b_a4b.text) == 22'837'985'280);

static_assert(resident_parameters(e2b.text) == 2'279'759'139);
static_assert(resident_parameters(e4b.text) == 4'644'441'130);
static_assert(resident_parameters(gemma4_31b.text) == 30'697'345'340);
static_assert(resident_parameters(gemma4_26b_a4b.text) == 25'233'141'790);

static_assert(vision_parameters(e2b) == 168'544'704);
static_assert(vision_parameters(e4b) == 169'331'136);
static_assert(vision_parameters(gemma4_31b) == 575'743'536);
static_assert(vision_parameters(gemma4_26b_a4b) == 572'794'416);

static_assert(audio_parameters(e2b) == 307'184'384);
static_assert(audio_parameters(e4b) == 308'757'248);
static_assert(audio_parameters(gemma4_31b) == 0);
static_assert(audio_parameters(gemma4_26b_a4b) == 0);

static_assert(parameters(e2b) == 5'123'178'979);
static_assert(parameters(e4b) == 7'996'157'418);
static_assert(parameters(gemma4_31b) == 31'273'088'876);
static_assert(parameters(gemma4_26b_a4b) == 25'805'936'206);

static_assert(text_tensors(e2b.text) == 600 && text_tensors(e4b.text) == 719);
static_assert(text_tensors(gemma4_31b.text) == 832 && text_tensors(gemma4_26b_a4b.text) == 657);
static_assert(vision_tensors(presets::small_vision) == 659);
static_assert(vision_tensors(presets::large_vision) == 356);
static_assert(audio_tensors(presets::audio) == 752 && audio_tensors(AudioConfig{}) == 0);
static_assert(tensors(e2b) == 2011 && tensors(e4b) == 2130);
static_assert(tensors(gemma4_31b) == 1188 && tensors(gemma4_26b_a4b) == 1013);

// Section 8: bytes, in units of 0.01 GB, rounded. bf16 takes 2 bytes, Q8_0 34 for 32, Q4_0 18
// for 32.
constexpr std::size_t centi_gb(std::size_t weights, std::size_t bytes_of_32) {
    return (weights / 32 * bytes_of_32 + 5'000'000) / 10'000'000;
}
static_assert(centi_gb(text_parameters(e2b.text), 64) == 929);
static_assert(centi_gb(text_parameters(e4b.text), 64) == 1504);
static_assert(centi_gb(text_parameters(gemma4_31b.text), 64) == 6139);
static_assert(centi_gb(text_parameters(gemma4_26b_a4b.text), 64) == 5047);
static_assert(centi_gb(resident_parameters(e2b.text), 64) == 456);
static_assert(centi_gb(resident_parameters(e4b.text), 64) == 929);
static_assert(centi_gb(text_parameters(e2b.text), 34) == 494);
static_assert(centi_gb(text_parameters(e4b.text), 34) == 799);
static_assert(centi_gb(text_parameters(gemma4_31b.text), 34) == 3262);
static_assert(centi_gb(text_parameters(gemma4_26b_a4b.text), 34) == 2681);
static_assert(centi_gb(resident_parameters(e2b.text), 34) == 242);
static_assert(centi_gb(resident_parameters(e4b.text), 34) == 493);
static_assert(centi_gb(text_parameters(e2b.text), 18) == 261);
static_assert(centi_gb(text_parameters(e4b.text), 18) == 423);
static_assert(centi_gb(text_parameters(gemma4_31b.text), 18) == 1727);
static_assert(centi_gb(text_parameters(gemma4_26b_a4b.text), 18) == 1419);
static_assert(centi_gb(resident_parameters(e2b.text), 18) == 128);
static_assert(centi_gb(resident_parameters(e4b.text), 18) == 261);
static_assert(per_layer_row(e2b.text) * 2 == 17'920 && per_layer_row(e4b.text) * 2 == 21'504);
static_assert(per_layer_row(gemma4_31b.text) == 0);

// Section 9: keys and values, in bf16.
static_assert(kv_owners(e2b.text, sliding) == 12 && kv_owners(e2b.text, full) == 3);
static_assert(kv_owners(e4b.text, sliding) == 20 && kv_owners(e4b.text, full) == 4);
static_assert(kv_owners(gemma4_31b.text, sliding) == 50 && kv_owners(gemma4_31b.text, full) == 10);
static_assert(kv_owners(gemma4_26b_a4b.text, sliding) == 25 &&
              kv_owners(gemma4_26b_a4b.text, full) == 5);

static_assert(kv_elements_per_token(e2b.text, sliding) == 6'144);
static_assert(kv_elements_per_token(e4b.text, sliding) == 20'480);
static_assert(kv_elements_per_token(gemma4_31b.text, sliding) == 409'600);
static_assert(kv_elements_per_token(gemma4_26b_a4b.text, sliding) == 102'400);
static_assert(kv_elements_per_token(e2b.text, full) == 3'072);
static_assert(kv_elements_per_token(e4b.text, full) == 8'192);
static_assert(kv_elements_per_token(gemma4_31b.text, full) == 40'960);
static_assert(kv_elements_per_token(gemma4_26b_a4b.text, full) == 10'240);

constexpr std::size_t kv_bytes(const ModelConfig& m, std::size_t n) {
    return kv_elements(m.text, n) * 2;
}
static_assert(kv_bytes(e2b, 1) == 18'432 && kv_bytes(e4b, 1) == 57'344);
static_assert(kv_bytes(gemma4_31b, 1) == 901'120 && kv_bytes(gemma4_26b_a4b, 1) == 225'280);
static_assert(kv_bytes(e2b, 513) - kv_bytes(e2b, 512) == 6'144);
static_assert(kv_bytes(e4b, 513) - kv_bytes(e4b, 512) == 16'384);
static_assert(kv_bytes(gemma4_31b, 1025) - kv_bytes(gemma4_31b, 1024) == 81'920);
static_assert(kv_bytes(gemma4_26b_a4b, 1025) - kv_bytes(gemma4_26b_a4b, 1024) == 20'480);

constexpr std::size_t mib = 1024 * 1024;
static_assert(kv_bytes(e2b, 4'096) == 30 * mib && kv_bytes(e4b, 4'096) == 84 * mib);
static_assert(kv_bytes(gemma4_31b, 4'096) == 1'120 * mib &&
              kv_bytes(gemma4_26b_a4b, 4'096) == 280 * mib);
static_assert(kv_bytes(e2b, 8'192) == 54 * mib && kv_bytes(e4b, 8'192) == 148 * mib);
static_assert(kv_bytes(gemma4_31b, 8'192) == 1'440 * mib &&
              kv_bytes(gemma4_26b_a4b, 8'192) == 360 * mib);
static_assert(kv_bytes(e2b, 32'768) == 198 * mib && kv_bytes(e4b, 32'768) == 532 * mib);
static_assert(kv_bytes(gemma4_31b, 32'768) == 3'360 * mib &&
              kv_bytes(gemma4_26b_a4b, 32'768) == 840 * mib);
static_assert(kv_bytes(e2b, 131'072) == 774 * mib && kv_bytes(e4b, 131'072) == 2'068 * mib);
static_assert(kv_bytes(gemma4_31b, 131'072) == 11'040 * mib &&
              kv_bytes(gemma4_26b_a4b, 131'072) == 2'760 * mib);
static_assert(kv_bytes(gemma4_31b, 262'144) == 21'280 * mib &&
              kv_bytes(gemma4_26b_a4b, 262'144) == 5'320 * mib);

constexpr std::size_t untrimmed(const ModelConfig& m, std::size_t n) {
    return (kv_elements_per_token(m.text, sliding) + kv_elements_per_token(m.text, full)) * n * 2;
}
static_assert(untrimmed(e2b, 131'072) == 2'304 * mib && untrimmed(e4b, 131'072) == 7'168 * mib);
static_assert(untrimmed(gemma4_31b, 131'072) == 112'640 * mib &&
              untrimmed(gemma4_26b_a4b, 131'072) == 28'160 * mib);

// Section 10: work a token.
static_assert(weights_per_token(e2b.text) == 1'876'819'968);
static_assert(weights_per_token(e4b.text) == 3'972'792'320);
static_assert(weights_per_token(gemma4_31b.text) == 29'286'727'680);
static_assert(weights_per_token(gemma4_26b_a4b.text) == 3'083'632'640);
static_assert(weights_per_token(e2b.text) + embedding_parameters(e2b.text) == 2'279'473'152);
static_assert(weights_per_token(e4b.text) + embedding_parameters(e4b.text) == 4'643'880'960);
static_assert(weights_per_token(gemma4_31b.text) + embedding_parameters(gemma4_31b.text) ==
              30'696'013'824);
static_assert(weights_per_token(gemma4_26b_a4b.text) + embedding_parameters(gemma4_26b_a4b.text) ==
              3'821'830'144);

constexpr std::size_t attention_mflops(const ModelConfig& m, std::size_t n, std::size_t unit) {
    return (attention_flops_per_token(m.text, n) / 1'000'000 + unit / 2) / unit * unit;
}
static_assert(attention_mflops(e2b, 1'024, 10) == 230 && attention_mflops(e4b, 1'024, 10) == 260);
static_assert(attention_mflops(gemma4_31b, 1'024, 10) == 2'350 &&
              attention_mflops(gemma4_26b_a4b, 1'024, 10) == 590);
static_assert(attention_mflops(e2b, 8'192, 10) == 1'060 &&
              attention_mflops(e4b, 8'192, 10) == 1'090);
static_assert(attention_mflops(gemma4_31b, 8'192, 10) == 7'050 &&
              attention_mflops(gemma4_26b_a4b, 8'192, 10) == 1'760);
static_assert(attention_flops_per_token(e2b.text, 131'072) == 15'149'826'048);  // given as 15.2e9
static_assert(attention_mflops(e4b, 131'072, 100) == 15'200);
static_assert(attention_mflops(gemma4_31b, 131'072, 100) == 87'600 &&
              attention_mflops(gemma4_26b_a4b, 131'072, 100) == 21'900);

// Layers 0 to 14 and their slices of the per-layer embedding: 1.14 instead of 3.75 GFLOP.
static_assert(weights_per_prompt_token(e2b.text) == 569'769'984);
static_assert(weights_per_prompt_token(gemma4_31b.text) == weights_per_token(gemma4_31b.text));

}  // namespace

TEST_CASE("a model without a tower has no parameters for it") {
    ModelConfig text_only{.text = e2b.text};
    CHECK(vision_parameters(text_only) == 0);
    CHECK(audio_parameters(text_only) == 0);
    CHECK(parameters(text_only) == text_parameters(e2b.text));
}

TEST_CASE("a context shorter than the window takes no slots beyond itself") {
    CHECK(kv_elements(e2b.text, 100) == 100 * kv_elements(e2b.text, 1));
}

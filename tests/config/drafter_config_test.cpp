#include "carat/config/drafter_config.hpp"

#include "carat/config/drafter_check.hpp"
#include "carat/config/presets.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <string>

namespace carat::test {
namespace {

static_assert(drafts_for<presets::e2b_assistant, presets::e2b.text>());
static_assert(drafts_for<presets::e4b_assistant, presets::e4b.text>());
static_assert(drafts_for<presets::gemma4_31b_assistant, presets::gemma4_31b.text>());
static_assert(drafts_for<presets::gemma4_26b_a4b_assistant, presets::gemma4_26b_a4b.text>());

/// Elements of an assistant's tensors, its head counted once, without the order of its tokens.
constexpr std::size_t parameters(const DrafterConfig& d) {
    const TextConfig& c = d.text;
    std::size_t n = c.vocab_size * c.hidden_size + c.hidden_size + d.num_centroids * c.hidden_size +
                    3 * d.backbone_hidden_size * c.hidden_size;
    for (std::size_t l = 0; l < c.num_hidden_layers; ++l) {
        const LayerKind k = c.kind(l);
        n += 4 * k.hidden_size + 1 + k.head_dim + 2 * k.q_size() * k.hidden_size +
             3 * k.intermediate_size * k.hidden_size;
    }
    return n;
}
// As published.
static_assert(parameters(presets::gemma4_31b_assistant) == 469'518'596);
static_assert(parameters(presets::gemma4_26b_a4b_assistant) == 419'711'236);
static_assert(parameters(presets::e2b_assistant) == 77'731'332);
static_assert(parameters(presets::e4b_assistant) == 78'517'764);

static_assert(presets::e2b_assistant.centroid_tokens() == 128);
static_assert(presets::e2b_assistant.scored_tokens() == 4096);
static_assert(presets::gemma4_31b_assistant.scored_tokens() == 262144);
static_assert(presets::gemma4_31b_assistant.kind(AttentionType::sliding).group() == 2);
static_assert(presets::gemma4_31b_assistant.kind(AttentionType::full).group() == 8);
static_assert(presets::e2b_assistant.kind(AttentionType::sliding).intermediate_size == 2048,
              "nothing is doubled where no layer owns keys and values");

}  // namespace

TEST_CASE("a drafter that cannot be is refused in a sentence that names the field") {
    const auto broken = [](auto&& change) {
        DrafterConfig d = presets::e2b_assistant;
        change(d);
        const char* sentence = fault(d, presets::e2b.text);
        return std::string(sentence == nullptr ? "" : sentence);
    };
    const auto says = [&](auto&& change, const char* word) {
        INFO(word);
        CHECK(broken(change).find(word) != std::string::npos);
    };
    CHECK(broken([](DrafterConfig&) {}).empty());
    using D = DrafterConfig;
    says([](D& d) { d.text.num_kv_shared_layers = 3; }, "num_kv_shared_layers of a drafter");
    says(
        [](D& d) {
            d.text.hidden_size_per_layer_input = 8, d.text.vocab_size_per_layer_input = 1 << 18;
        },
        "hidden_size_per_layer_input of a drafter");
    says([](D& d) { d.num_centroids = 2047; }, "multiple of num_centroids");
    says([](D& d) { d.centroid_intermediate_top_k = 0; }, "centroid_intermediate_top_k");
    says([](D& d) { d.centroid_intermediate_top_k = 2049; }, "centroid_intermediate_top_k");
    says([](D& d) { d.backbone_hidden_size = 2560; }, "backbone_hidden_size of the drafter");
    says([](D& d) { d.text.vocab_size = 2048; }, "one vocab_size");
    says([](D& d) { d.text.head_dim = 128; }, "head_dim and num_key_value_heads");
    says([](D& d) { d.text.num_key_value_heads = 2; }, "head_dim and num_key_value_heads");
    says([](D& d) { d.text.global_head_dim = 256; }, "global_head_dim");
    says([](D& d) { d.text.sliding_window = 1024; }, "one sliding_window");
    says([](D& d) { d.text.full_rope.theta = 1e5; }, "rope_parameters of the drafter");
    says([](D& d) { d.text.num_attention_heads = 0; }, "num_attention_heads");
    CHECK(fault(presets::e2b_assistant, presets::e4b.text) != nullptr);
    TextConfig all = presets::e2b.text;
    all.use_bidirectional_attention = Bidirectional::all;
    CHECK(std::string(fault(presets::e2b_assistant, all)).find("see each other") !=
          std::string::npos);
}

}  // namespace carat::test

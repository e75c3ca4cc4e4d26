#include "carat/config/presets.hpp"

#include "carat/config/check.hpp"
#include "carat/version.hpp"

#include <doctest/doctest.h>

#include <initializer_list>

// spec/variants.md, sections 1 to 4: what follows from the four configurations.

namespace {

using namespace carat;
using presets::e2b, presets::e4b, presets::gemma4_26b_a4b, presets::gemma4_31b;
using enum AttentionType;

static_assert(well_formed<e2b.text>() && well_formed<e4b.text>());
static_assert(well_formed<gemma4_31b.text>() && well_formed<gemma4_26b_a4b.text>());
static_assert(fault(e2b) == nullptr);

// Layers: which are full, and how many of either type.
constexpr std::size_t layers_of(const ModelConfig& m, AttentionType type) {
    std::size_t n = 0;
    for (std::size_t l = 0; l < m.text.num_hidden_layers; ++l)
        n += m.text.attention_type(l) == type ? 1u : 0u;
    return n;
}
constexpr bool full_layers_are(const ModelConfig& m, std::initializer_list<std::size_t> layers) {
    for (std::size_t l : layers)
        if (m.text.attention_type(l) != full) return false;
    return layers_of(m, full) == layers.size();
}
static_assert(full_layers_are(e2b, {4, 9, 14, 19, 24, 29, 34}));
static_assert(full_layers_are(e4b, {5, 11, 17, 23, 29, 35, 41}));
static_assert(full_layers_are(gemma4_31b, {5, 11, 17, 23, 29, 35, 41, 47, 53, 59}));
static_assert(full_layers_are(gemma4_26b_a4b, {5, 11, 17, 23, 29}));
static_assert(layers_of(e2b, sliding) == 28 && layers_of(e4b, sliding) == 35);
static_assert(layers_of(gemma4_31b, sliding) == 50 && layers_of(gemma4_26b_a4b, sliding) == 25);

// Whose keys and values a layer reads.
constexpr bool shared_layers_read(const ModelConfig& m, std::size_t first,
                                  std::size_t sliding_producer, std::size_t full_producer) {
    const TextConfig& c = m.text;
    for (std::size_t l = 0; l < c.num_hidden_layers; ++l) {
        if (c.shares_kv(l) != (l >= first)) return false;
        const std::size_t producer = c.attention_type(l) == full ? full_producer : sliding_producer;
        if (c.kv_producer(l) != (l >= first ? producer : l)) return false;
    }
    return c.first_shared_layer() == first;
}
static_assert(shared_layers_read(e2b, 15, 13, 14));
static_assert(shared_layers_read(e4b, 24, 22, 23));
static_assert(shared_layers_read(gemma4_31b, 60, 0, 0));
static_assert(shared_layers_read(gemma4_26b_a4b, 30, 0, 0));

// Widths of the mlp: doubled in the sharing layers of E2B only.
constexpr bool mlp_widths_are(const ModelConfig& m, std::size_t first_shared, std::size_t before,
                              std::size_t after) {
    for (std::size_t l = 0; l < m.text.num_hidden_layers; ++l)
        if (m.text.kind(l).intermediate_size != (l < first_shared ? before : after)) return false;
    return true;
}
static_assert(mlp_widths_are(e2b, 15, 6144, 12288));
static_assert(mlp_widths_are(e4b, 24, 10240, 10240));
static_assert(mlp_widths_are(gemma4_31b, 60, 21504, 0));
static_assert(mlp_widths_are(gemma4_26b_a4b, 30, 2112, 0));

// Shapes of the projections, [out] of q, k and v; v 0 means absent.
constexpr bool projections_are(const LayerKind& k, std::size_t q, std::size_t key, std::size_t v,
                               std::size_t in) {
    return k.q_size() == q && k.kv_size() == key && (k.k_eq_v ? 0 : k.kv_size()) == v &&
           k.hidden_size == in;
}
static_assert(projections_are(e2b.text.kind(0), 2048, 256, 256, 1536));
static_assert(projections_are(e2b.text.kind(4), 4096, 512, 512, 1536));
static_assert(projections_are(e4b.text.kind(0), 2048, 512, 512, 2560));
static_assert(projections_are(e4b.text.kind(5), 4096, 1024, 1024, 2560));
static_assert(projections_are(gemma4_31b.text.kind(0), 8192, 4096, 4096, 5376));
static_assert(projections_are(gemma4_31b.text.kind(5), 16384, 2048, 0, 5376));
static_assert(projections_are(gemma4_26b_a4b.text.kind(0), 4096, 2048, 2048, 2816));
static_assert(projections_are(gemma4_26b_a4b.text.kind(5), 8192, 1024, 0, 2816));

// Rotary embeddings: every pair of a sliding head, a quarter of a full one's.
static_assert(e2b.text.kind(0).rotary_pairs == 128 && e2b.text.kind(4).rotary_pairs == 64);
static_assert(e2b.text.sliding_rope.theta == 10'000.0 && e2b.text.full_rope.theta == 1'000'000.0);

// The mixture, in 26B-A4B alone.
static_assert(gemma4_26b_a4b.text.kind(0).experts == 128 && gemma4_26b_a4b.text.kind(0).top_k == 8);
static_assert(gemma4_26b_a4b.text.kind(0).expert_intermediate_size == 704);
static_assert(e2b.text.kind(0).experts == 0 && e4b.text.experts() == 0 &&
              gemma4_31b.text.experts() == 0);

// Kinds: four in E2B and E4B, two in the others; together they are all layers.
static_assert(e2b.text.num_kinds() == 4 && e4b.text.num_kinds() == 4);
static_assert(gemma4_31b.text.num_kinds() == 2 && gemma4_26b_a4b.text.num_kinds() == 2);
static_assert(e2b.text.layers_of_kind(e2b.text.kind(0)) == 12);
static_assert(e2b.text.layers_of_kind(e2b.text.kind(4)) == 3);
static_assert(e2b.text.layers_of_kind(e2b.text.kind(15)) == 16);
static_assert(e2b.text.layers_of_kind(e2b.text.kind(19)) == 4);
static_assert(e2b.text.kind_leader(34) == 19 && e2b.text.kind_ordinal(34) == 3);
static_assert(e2b.text.kind_leader(5) == 0 && e2b.text.kind_ordinal(5) == 4);

// The rest of the tables that a field holds.
static_assert(e2b.text.vocab_size == 262'144 && e2b.text.sliding_window == 512);
static_assert(gemma4_31b.text.sliding_window == 1024 &&
              gemma4_31b.text.max_position_embeddings == 262'144);
static_assert(e2b.text.hidden_size_per_layer_input == 256 &&
              gemma4_31b.text.hidden_size_per_layer_input == 0);
static_assert(e2b.text.final_logit_softcapping == 30.0 && e2b.text.tie_word_embeddings);
static_assert(e2b.text.use_bidirectional_attention == Bidirectional::none);
static_assert(gemma4_31b.text.use_bidirectional_attention == Bidirectional::vision);
static_assert(e2b.text.pad_token_id == 0 && e2b.text.eos_token_id == 1 &&
              e2b.text.bos_token_id == 2);

static_assert(e2b.vision == e4b.vision && gemma4_31b.vision == gemma4_26b_a4b.vision);
static_assert(e2b.vision.num_attention_heads * e2b.vision.head_dim == 768);
static_assert(gemma4_31b.vision.num_attention_heads * gemma4_31b.vision.head_dim == 1152);
static_assert(e2b.vision.use_clipped_linears && !e2b.vision.standardize);
static_assert(!gemma4_31b.vision.use_clipped_linears && gemma4_31b.vision.standardize);
static_assert(e2b.audio == e4b.audio && e2b.audio.present() && !gemma4_31b.audio.present());
static_assert(e2b.audio.hidden_size / e2b.audio.num_attention_heads == 128);

static_assert(e2b.tokens.image == 258'880 && e2b.tokens.audio == 258'881 &&
              e2b.tokens.video == 258'884);
static_assert(e2b.tokens.is_placeholder(258'884) && !e2b.tokens.is_placeholder(258'882));

}  // namespace

TEST_CASE("fault names the first rule that a config breaks, in the compiler's words") {
    TextConfig c = e2b.text;
    CHECK(fault(c) == nullptr);
    c.sliding_window = 0;
    REQUIRE(fault(c) != nullptr);
    CHECK(doctest::String(fault(c)) ==
          "carat: sliding_window must be positive, for a token sees at least itself");
}

TEST_CASE("a change of one field makes another model") {
    ModelConfig changed = e2b;
    CHECK(changed == e2b);
    changed.text.rms_norm_eps = 1e-5;
    CHECK(changed != e2b);
    CHECK(changed.text.kind(0) != e2b.text.kind(0));
}

TEST_CASE("kinds and ordinals number every layer once") {
    for (const ModelConfig* m : {&e2b, &e4b, &gemma4_31b, &gemma4_26b_a4b}) {
        const TextConfig& c = m->text;
        std::size_t sum = 0;
        for (std::size_t l = 0; l < c.num_hidden_layers; ++l) {
            CHECK(c.kind(c.kind_leader(l)) == c.kind(l));
            CHECK(c.kind_ordinal(l) < c.layers_of_kind(c.kind(l)));
            if (c.kind_leader(l) == l) sum += c.layers_of_kind(c.kind(l));
        }
        CHECK(sum == c.num_hidden_layers);
    }
}

/// \file
/// Which assistants make sense, and which of them can draft for which model: the rules of
/// config/check.hpp's kind.
#pragma once

#include "carat/config/check.hpp"
#include "carat/config/drafter_config.hpp"

// clang-format off
#define CARAT_DRAFTER_RULES(RULE)                                                                                     \
    RULE(d.text.num_kv_shared_layers == d.text.num_hidden_layers,                                                     \
         "carat: num_kv_shared_layers of a drafter must be num_hidden_layers, because it reads its model's keys and " \
         "values and owns none")                                                                                      \
    RULE(d.text.hidden_size_per_layer_input == 0,                                                                     \
         "carat: hidden_size_per_layer_input of a drafter must be 0: no assistant has per-layer embeddings")          \
    RULE(!d.text.enable_moe_block, "carat: enable_moe_block of a drafter must be false: no assistant has experts")    \
    RULE(d.backbone_hidden_size > 0, "carat: backbone_hidden_size must be positive")                                  \
    RULE(d.num_centroids == 0 || (d.num_centroids <= d.text.vocab_size &&                                             \
                                  d.text.vocab_size % d.num_centroids == 0),                                          \
         "carat: vocab_size of a drafter must be a multiple of num_centroids, because each centroid has as many "     \
         "tokens")                                                                                                    \
    RULE(d.num_centroids == 0 || (d.centroid_intermediate_top_k > 0 &&                                                \
                                  d.centroid_intermediate_top_k <= d.num_centroids),                                  \
         "carat: centroid_intermediate_top_k must be between 1 and num_centroids")

#define CARAT_PAIR_RULES(RULE)                                                                                        \
    RULE(d.backbone_hidden_size == c.hidden_size,                                                                     \
         "carat: backbone_hidden_size of the drafter must be the model's hidden_size, because it reads its hidden "   \
         "states")                                                                                                    \
    RULE(d.text.vocab_size == c.vocab_size, "carat: drafter and model must have one vocab_size")                      \
    RULE(d.text.head_dim == c.head_dim && d.text.num_key_value_heads == c.num_key_value_heads,                        \
         "carat: head_dim and num_key_value_heads of the drafter must be the model's, whose keys its sliding layers " \
         "read")                                                                                                      \
    RULE(d.text.global_head_dim == c.global_head_dim && d.text.full_kv_heads() == c.full_kv_heads(),                  \
         "carat: global_head_dim and num_global_key_value_heads of the drafter must be the model's, whose keys its "  \
         "full layers read")                                                                                          \
    RULE(d.text.sliding_window == c.sliding_window, "carat: drafter and model must have one sliding_window")          \
    RULE(d.text.sliding_rope == c.sliding_rope && d.text.full_rope == c.full_rope,                                    \
         "carat: rope_parameters of the drafter must be the model's, whose keys are turned already")                  \
    RULE(owns_keys_for(c, d),                                                                                         \
         "carat: the drafter has layers of an attention type that the model has none of")                             \
    RULE(c.use_bidirectional_attention != Bidirectional::all,                                                         \
         "carat: nothing drafts for a model whose tokens all see each other")
// clang-format on

namespace carat::inline CARAT_ABI {
namespace detail {

constexpr bool owns_keys_for(const TextConfig& c, const DrafterConfig& d) {
    for (const AttentionType type : {AttentionType::sliding, AttentionType::full}) {
        bool owns = false;
        for (std::size_t l = 0; l < c.first_shared_layer(); ++l)
            owns = owns || c.attention_type(l) == type;
        if (d.layers_of(type) > 0 && !owns) return false;
    }
    return true;
}

}  // namespace detail

/// The sentence of the first rule that `d` breaks by itself, or nullptr.
constexpr const char* fault(const DrafterConfig& d) {
    if (const char* sentence = fault(d.owning())) return sentence;
#define CARAT_RULE(holds, sentence) \
    if (!(holds)) return sentence;
    CARAT_DRAFTER_RULES(CARAT_RULE)
    return nullptr;
}
/// The same as the drafter of the text model `c`.
constexpr const char* fault(const DrafterConfig& d, const TextConfig& c) {
    using namespace detail;
    if (const char* sentence = fault(d)) return sentence;
    CARAT_PAIR_RULES(CARAT_RULE)
#undef CARAT_RULE
    return nullptr;
}

/// True, or a compiler error with the sentence of the rule that D breaks.
template <DrafterConfig D>
constexpr bool well_formed() {
    constexpr const DrafterConfig& d = D;
#define CARAT_RULE(holds, sentence) static_assert(holds, sentence);
    CARAT_DRAFTER_RULES(CARAT_RULE)
    return well_formed<D.owning()>();
}
/// The same as the drafter of C.
template <DrafterConfig D, TextConfig C>
constexpr bool drafts_for() {
    using namespace detail;
    constexpr const DrafterConfig& d = D;
    constexpr const TextConfig& c = C;
    CARAT_PAIR_RULES(CARAT_RULE)
#undef CARAT_RULE
    return well_formed<D>();
}

}  // namespace carat::inline CARAT_ABI

#undef CARAT_DRAFTER_RULES
#undef CARAT_PAIR_RULES

/// \file
/// Which configurations make sense. One list of rules, used twice: a config that breaks one stops
/// the compiler with the rule's sentence, and a config.json that breaks one is refused with the
/// same sentence.
#pragma once

#include "carat/config/model_config.hpp"

// clang-format off
#define CARAT_TEXT_RULES(RULE)                                                                                        \
    RULE(c.vocab_size > 0 && c.vocab_size <= 0x7fffffff,                                                              \
         "carat: vocab_size must be between 1 and 2147483647, because token ids are 32 bits wide")                    \
    RULE(c.hidden_size > 0, "carat: hidden_size must be positive")                                                    \
    RULE(c.intermediate_size > 0, "carat: intermediate_size must be positive")                                        \
    RULE(c.num_hidden_layers > 0 && c.num_hidden_layers <= LayerSet::capacity,                                        \
         "carat: num_hidden_layers must be between 1 and 256, the capacity of a LayerSet")                            \
    RULE(c.num_hidden_layers == 0 || c.full_attention.contains(c.num_hidden_layers - 1),                              \
         "carat: the last layer must be a full_attention layer, as in every Gemma 4")                                 \
    RULE(c.num_attention_heads > 0 && c.num_key_value_heads > 0 &&                                                    \
         c.num_attention_heads % c.num_key_value_heads == 0,                                                          \
         "carat: num_attention_heads must be a multiple of num_key_value_heads, because each key/value head serves "  \
         "one whole group of query heads")                                                                            \
    RULE(c.full_kv_heads() > 0 && c.num_attention_heads % c.full_kv_heads() == 0,                                     \
         "carat: num_attention_heads must be a multiple of num_global_key_value_heads, because each key/value head "  \
         "serves one whole group of query heads")                                                                     \
    RULE(c.head_dim > 0 && c.head_dim % 2 == 0,                                                                       \
         "carat: head_dim must be even, because rotary embeddings turn pairs")                                        \
    RULE(c.global_head_dim > 0 && c.global_head_dim % 2 == 0,                                                         \
         "carat: global_head_dim must be even, because rotary embeddings turn pairs")                                 \
    RULE(c.sliding_window > 0, "carat: sliding_window must be positive, for a token sees at least itself")            \
    RULE(c.num_kv_shared_layers < c.num_hidden_layers,                                                                \
         "carat: num_kv_shared_layers must be less than num_hidden_layers, because somebody must own the keys")       \
    RULE(every_layer_has_a_producer(c),                                                                               \
         "carat: num_kv_shared_layers leaves a layer whose attention type no owning layer has, so that it would "     \
         "have no keys and values to read")                                                                           \
    RULE(c.hidden_size_per_layer_input == 0 || c.vocab_size_per_layer_input >= c.vocab_size,                          \
         "carat: vocab_size_per_layer_input must be at least vocab_size, because every token has a per-layer row")    \
    RULE(!c.enable_moe_block || (c.num_experts > 0 && c.moe_intermediate_size > 0),                                   \
         "carat: enable_moe_block needs num_experts and moe_intermediate_size")                                       \
    RULE(!c.enable_moe_block || (c.top_k_experts > 0 && c.top_k_experts <= c.num_experts),                            \
         "carat: top_k_experts must be between 1 and num_experts")                                                    \
    RULE(c.rms_norm_eps > 0, "carat: rms_norm_eps must be positive")                                                  \
    RULE(c.final_logit_softcapping >= 0, "carat: final_logit_softcapping must not be negative")                       \
    RULE(sensible(c.sliding_rope) && sensible(c.full_rope),                                                           \
         "carat: rope_parameters need rope_theta > 0, factor > 0 and partial_rotary_factor between 0 and 1")          \
    RULE(c.tie_word_embeddings,                                                                                       \
         "carat: tie_word_embeddings must be true: every Gemma 4 uses its embedding as output head")                  \
    RULE(within_limits(c),                                                                                            \
         "carat: a dimension is beyond 2^24 (heads and experts: 2^16), so that sizes could overflow")
// clang-format on

namespace carat::inline CARAT_ABI {
namespace detail {

constexpr bool every_layer_has_a_producer(const TextConfig& c) {
    if (c.num_kv_shared_layers >= c.num_hidden_layers) return true;  // another rule says so
    if (c.num_hidden_layers > LayerSet::capacity) return true;
    for (std::size_t l = 0; l < c.num_hidden_layers; ++l)
        if (c.kv_producer(l) >= c.num_hidden_layers) return false;
    return true;
}
constexpr bool sensible(const RopeParameters& r) {
    return r.theta > 0 && r.factor > 0 && r.partial_rotary_factor >= 0 &&
           r.partial_rotary_factor <= 1;
}
constexpr bool within_limits(const TextConfig& c) {
    constexpr std::size_t dim = std::size_t{1} << 24, count = std::size_t{1} << 16;
    return c.hidden_size <= dim && c.intermediate_size <= dim &&
           c.hidden_size_per_layer_input <= dim && c.vocab_size_per_layer_input <= 0x7fffffff &&
           c.sliding_window <= dim && c.moe_intermediate_size <= dim && c.head_dim <= count &&
           c.global_head_dim <= count && c.num_attention_heads <= count &&
           c.num_key_value_heads <= count && c.num_global_key_value_heads <= count &&
           c.num_experts <= count && c.max_position_embeddings <= 0x7fffffff;
}

}  // namespace detail

/// The sentence of the first rule that `c` breaks, or nullptr if it makes sense.
constexpr const char* fault(const TextConfig& c) {
    using namespace detail;
#define CARAT_RULE(holds, sentence) \
    if (!(holds)) return sentence;
    CARAT_TEXT_RULES(CARAT_RULE)
#undef CARAT_RULE
    return nullptr;
}
constexpr const char* fault(const ModelConfig& c) { return fault(c.text); }

/// True, or a compiler error with the sentence of the rule that C breaks. The door of every
/// template that takes a config: `static_assert(well_formed<C>());`
template <TextConfig C>
constexpr bool well_formed() {
    using namespace detail;
    constexpr const TextConfig& c = C;
#define CARAT_RULE(holds, sentence) static_assert(holds, sentence);
    CARAT_TEXT_RULES(CARAT_RULE)
#undef CARAT_RULE
    return true;
}

}  // namespace carat::inline CARAT_ABI

#undef CARAT_TEXT_RULES

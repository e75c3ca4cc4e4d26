/// \file
/// DrafterConfig: what an assistant is, the small decoder that drafts tokens for a Gemma 4. Source:
/// spec/speculative.md sections 1 to 3, spec/variants.md section 11.
#pragma once

#include "carat/config/text_config.hpp"

#include <cstddef>

namespace carat::inline CARAT_ABI {

/// Fields carry the names of an assistant's config.json. Its layers own no keys and values: they
/// read those of the model that it drafts for.
struct DrafterConfig {
    TextConfig text{};
    std::size_t backbone_hidden_size = 0;  ///< hidden_size of the model that it drafts for
    /// The head scores the tokens of the best centroids only. 0: all tokens, that is where
    /// `use_ordered_embeddings` is false.
    std::size_t num_centroids = 0;
    std::size_t centroid_intermediate_top_k = 32;

    friend constexpr bool operator==(const DrafterConfig&, const DrafterConfig&) = default;

    /// Tokens that belong to one centroid.
    [[nodiscard]] constexpr std::size_t centroid_tokens() const {
        return num_centroids > 0 ? text.vocab_size / num_centroids : 0;
    }
    /// Tokens that one step scores.
    [[nodiscard]] constexpr std::size_t scored_tokens() const {
        return num_centroids > 0 ? centroid_tokens() * centroid_intermediate_top_k
                                 : text.vocab_size;
    }
    /// The layers as if each owned its keys and values, which the rules of text configs want.
    [[nodiscard]] constexpr TextConfig owning() const {
        TextConfig c = text;
        c.num_kv_shared_layers = 0;
        return c;
    }
    [[nodiscard]] constexpr std::size_t layers_of(AttentionType type) const {
        std::size_t n = 0;
        for (std::size_t l = 0; l < text.num_hidden_layers; ++l)
            if (text.attention_type(l) == type) ++n;
        return n;
    }
    /// The kind of all layers of a type; with none of it, that of layer 0.
    [[nodiscard]] constexpr LayerKind kind(AttentionType type) const {
        for (std::size_t l = 0; l < text.num_hidden_layers; ++l)
            if (text.attention_type(l) == type) return text.kind(l);
        return text.kind(0);
    }
};

}  // namespace carat::inline CARAT_ABI

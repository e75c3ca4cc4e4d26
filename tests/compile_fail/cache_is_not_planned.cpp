// says: carat: Modules::Attention must be an nn::AttentionModule: Weights, Call with first, row,
// layer, key_mask, visible and rotary, Cache::take(space, slots), Scratch::take(space, tokens,
// workers, slots), and forward(weights, call, x, out, cache, scratch, executor, tap) const
#include "carat/config/presets.hpp"
#include "carat/model/text_model.hpp"

template <carat::LayerKind K, class Policy>
struct Own : carat::nn::Attention<K, Policy> {
    using Stock = carat::nn::Attention<K, Policy>;
#if defined(FAIL)
    struct Cache : Stock::Cache {};  // take() gives another type
#endif
};
template <class Policy>
struct Modules : carat::Gemma4Modules<Policy> {
    template <carat::LayerKind K>
    using Attention = Own<K, Policy>;
};
using Model =
    carat::TextModel<carat::presets::e2b.text, carat::weights::bf16, Modules<carat::weights::bf16>>;
static_assert(sizeof(Model::Weights) > 0);

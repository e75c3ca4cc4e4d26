// says: carat: Modules::Router must be an nn::RouterModule: Weights, Scratch::take(space, tokens)
// with probabilities, and forward(weights, x, routes, scratch, executor) const
#include "carat/config/presets.hpp"
#include "carat/model/text_model.hpp"

template <carat::LayerKind K>
struct Own : carat::nn::Router<K> {
#if defined(FAIL)
    int forward = 0;
#endif
};
template <class Policy>
struct Modules : carat::Gemma4Modules<Policy> {
    template <carat::LayerKind K>
    using Router = Own<K>;
};
using Model = carat::TextModel<carat::presets::gemma4_26b_a4b.text, carat::weights::bf16,
                               Modules<carat::weights::bf16>>;
static_assert(sizeof(Model::Weights) > 0);

// says: carat: Modules::Mlp must be an nn::MlpModule: Weights, Scratch::take(space, tokens,
// workers), and forward(weights, x, out, scratch, executor) const
#include "carat/config/presets.hpp"
#include "carat/model/text_model.hpp"

template <carat::LayerKind K, class Policy>
struct Own : carat::nn::GatedMlp<K, Policy> {
#if defined(FAIL)
    void forward() const {}  // hides the one that is wanted
#endif
};
template <class Policy>
struct Modules : carat::Gemma4Modules<Policy> {
    template <carat::LayerKind K>
    using Mlp = Own<K, Policy>;
};
using Model =
    carat::TextModel<carat::presets::e2b.text, carat::weights::bf16, Modules<carat::weights::bf16>>;
static_assert(sizeof(Model::Weights) > 0);

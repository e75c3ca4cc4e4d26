// says: carat: Modules::Experts must be an nn::ExpertsModule: Weights, Scratch::take(space, tokens,
// workers), and forward(weights, x, routes, out, scratch, executor) const
#include "carat/config/presets.hpp"
#include "carat/model/text_model.hpp"

template <carat::LayerKind K, class Policy>
struct Own : carat::nn::Experts<K, Policy> {
#if defined(FAIL)
    void forward(int) const {}
#endif
};
template <class Policy>
struct Modules : carat::Gemma4Modules<Policy> {
    template <carat::LayerKind K>
    using Experts = Own<K, Policy>;
};
using Model = carat::TextModel<carat::presets::gemma4_26b_a4b.text, carat::weights::bf16,
                               Modules<carat::weights::bf16>>;
static_assert(sizeof(Model::Weights) > 0);

// says: carat: an activation must be callable with a float and with a simd::Batch and return the
// same type
#include "carat/config/presets.hpp"
#include "carat/model/text_model.hpp"

#include <algorithm>

struct Relu {
#if defined(FAIL)
    float operator()(float x) const { return x > 0 ? x : 0; }  // a batch is no float
#else
    template <class V>
    V operator()(V x) const {
        using std::max;
        return max(x, V(0.0f));
    }
#endif
};
template <class Policy>
struct Modules : carat::Gemma4Modules<Policy> {
    template <carat::LayerKind K>
    using Mlp = carat::nn::GatedMlp<K, Policy, Relu>;
};
using Model =
    carat::TextModel<carat::presets::e2b.text, carat::weights::bf16, Modules<carat::weights::bf16>>;
static_assert(sizeof(Model::Weights) > 0);

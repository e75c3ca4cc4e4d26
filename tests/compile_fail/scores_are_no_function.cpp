// says: carat: the Scores of an Attention must be an nn::ScoreFunction, callable with (query, head,
// first_key, std::span<float> scores)
#include "carat/config/presets.hpp"
#include "carat/model/text_model.hpp"

#include <cstddef>
#include <span>

struct Mask {
#if defined(FAIL)
    bool operator()(std::size_t query, std::size_t key) const { return key <= query; }
#else
    void operator()(std::size_t, std::size_t, std::size_t, std::span<float>) const {}
#endif
};
template <class Policy>
struct Modules : carat::Gemma4Modules<Policy> {
    template <carat::LayerKind K>
    using Attention = carat::nn::Attention<K, Policy, Mask>;
};
using Model =
    carat::TextModel<carat::presets::e2b.text, carat::weights::bf16, Modules<carat::weights::bf16>>;
static_assert(sizeof(Model::Weights) > 0);

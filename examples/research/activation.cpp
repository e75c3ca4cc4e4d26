// Another activation: how far do the logits move if ReLU squared stands where GELU stood?
//
//   activation examples/pocket
#include "carat/gemma4.hpp"

#include <algorithm>
#include <carat/models/model.hpp>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

struct ReluSquared {
    template <class V>
    V operator()(V x) const {  // V is a float, or a batch of them
        using std::max;
        const V r = max(x, V(0.0f));
        return r * r;
    }
};
template <class Policy>
struct LabModules : carat::Gemma4Modules<Policy> {
    template <carat::LayerKind K>
    using Mlp = carat::nn::GatedMlp<K, Policy, ReluSquared>;
};

using Stock = carat::Gemma4<carat::models::model, CARAT_POLICY>;
using Lab = carat::Gemma4<carat::models::model, CARAT_POLICY, LabModules>;

template <class Model>
static carat::Result<std::vector<float>> logits(const std::string& folder) {
    const auto model = Model::open(folder);
    if (!model) return model.error();
    carat::Serial serial;
    auto session = model->session(serial, {.context_tokens = 64});
    if (!session) return session.error();
    const std::int32_t ids[] = {2, 105, 107, 9};
    const auto z = session->append(ids);
    if (!z) return z.error();
    return std::vector<float>(z->begin(), z->end());
}

int main(int argc, char** argv) {
    if (argc != 2) return std::fputs("usage: activation MODEL\n", stderr), 1;
    const auto stock = logits<Stock>(argv[1]), lab = logits<Lab>(argv[1]);
    for (const auto* result : {&stock, &lab})
        if (!*result) return std::fprintf(stderr, "%s\n", result->error().text.c_str()), 1;
    float most = 0;
    for (std::size_t i = 0; i < stock->size(); ++i)
        most = std::max(most, std::abs((*stock)[i] - (*lab)[i]));
    std::printf("logits move by up to %.3f\n", static_cast<double>(most));
    return most > 0 ? 0 : 1;
}

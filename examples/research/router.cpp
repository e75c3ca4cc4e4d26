// Another router: a temperature makes the mixture of experts sharper or softer. How far do the
// logits move?
//
//   router tests/fixtures/hf/a4b-mini
#include "carat/gemma4.hpp"

#include <algorithm>
#include <carat/models/model.hpp>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

/// Weighs the chosen experts by p^(1 / temperature) where the stock router does by p.
template <carat::LayerKind K>
struct WarmRouter : carat::nn::Router<K> {
    using Stock = carat::nn::Router<K>;
    static constexpr float temperature = 2.0f;

    void forward(const typename Stock::Weights& w, carat::Rows<const float, K.hidden_size> x,
                 carat::View<carat::nn::Route<K.top_k>, carat::dynamic> routes,
                 const typename Stock::Scratch& s, carat::ExecutorRef executor) const {
        Stock::forward(w, x, routes, s, executor);  // chooses, and leaves p in the scratch
        for (std::size_t t = 0; t < x.rows(); ++t) {
            auto& [expert, weight] = routes[t];
            float sum = 0.0f;
            for (std::size_t i = 0; i < K.top_k; ++i)
                sum += weight[i] = std::pow(s.probabilities(t, expert[i]), 1.0f / temperature);
            for (std::size_t i = 0; i < K.top_k; ++i)
                weight[i] *= w.per_expert_scale[expert[i]] / sum;
        }
    }
};
template <class Policy>
struct LabModules : carat::Gemma4Modules<Policy> {
    template <carat::LayerKind K>
    using Router = WarmRouter<K>;
};

using Stock = carat::Gemma4<carat::models::model, CARAT_POLICY>;
using Lab = carat::Gemma4<carat::models::model, CARAT_POLICY, LabModules>;
static_assert(Stock::config.text.enable_moe_block, "this example is about models with experts");

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
    if (argc != 2) return std::fputs("usage: router MODEL\n", stderr), 1;
    const auto stock = logits<Stock>(argv[1]), lab = logits<Lab>(argv[1]);
    for (const auto* result : {&stock, &lab})
        if (!*result) return std::fprintf(stderr, "%s\n", result->error().text.c_str()), 1;
    float most = 0;
    for (std::size_t i = 0; i < stock->size(); ++i)
        most = std::max(most, std::abs((*stock)[i] - (*lab)[i]));
    std::printf("logits move by up to %.3f\n", static_cast<double>(most));
    return most > 0 ? 0 : 1;
}

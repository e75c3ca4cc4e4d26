// A new weight format: sixteen levels that lie like squares, and 32 weights to a scale, which makes
// four and a half bits a weight. How much smaller is the model, and how far do the logits move?
//
//   weight_format examples/pocket
#include "carat/gemma4.hpp"

#include <algorithm>
#include <array>
#include <carat/models/model.hpp>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

/// x = scale · u |u|, u from -1 to 1 in sixteen levels: fine near zero, where most weights are.
struct Squares {
    static constexpr std::size_t values = 32;
    carat::f16 scale;
    std::array<std::uint8_t, values / 2> levels;

    static Squares quantize(const float* x) {
        float most = 0;
        for (std::size_t i = 0; i < values; ++i) most = std::max(most, std::abs(x[i]));
        Squares block{carat::to_f16(most), {}};
        for (std::size_t i = 0; i < values; ++i) {
            const float u = most > 0 ? std::copysign(std::sqrt(std::abs(x[i]) / most), x[i]) : 0.0f;
            const int level = static_cast<int>(std::lround((u + 1.0f) * 7.5f));
            block.levels[i / 2] |= static_cast<std::uint8_t>(level << i % 2 * 4);
        }
        return block;
    }
    void dequantize(float* x) const {
        for (std::size_t i = 0; i < values; ++i) {
            const float u = static_cast<float>(levels[i / 2] >> i % 2 * 4 & 15) / 7.5f - 1.0f;
            x[i] = carat::to_f32(scale) * u * std::abs(u);
        }
    }
};

using Stock = carat::Gemma4<carat::models::model, carat::weights::bf16>;
using Lab = carat::Gemma4<carat::models::model, carat::weights::Quantized<Squares>>;

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
    if (argc != 2) return std::fputs("usage: weight_format MODEL\n", stderr), 1;
    const auto stock = logits<Stock>(argv[1]), lab = logits<Lab>(argv[1]);
    for (const auto* result : {&stock, &lab})
        if (!*result) return std::fprintf(stderr, "%s\n", result->error().text.c_str()), 1;
    float most = 0;
    for (std::size_t i = 0; i < stock->size(); ++i)
        most = std::max(most, std::abs((*stock)[i] - (*lab)[i]));
    std::printf("%zu bytes of weights instead of %zu; logits move by up to %.3f\n",
                Lab::memory_plan().weights, Stock::memory_plan().weights,
                static_cast<double>(most));
    return most > 0 ? 0 : 1;
}

// Texts as vectors: the mean of the last hidden states, taken by a tap; printed is how alike two
// texts are.
//
//   embedding examples/pocket "A red circle." "A blue circle."
#include "carat/gemma4.hpp"
#include "carat/text/tokenizer.hpp"

#include <algorithm>
#include <carat/models/model.hpp>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <functional>
#include <span>
#include <string>
#include <vector>

using Model = carat::Gemma4<carat::models::model, CARAT_POLICY>;

/// Adds up the final norm of all tokens.
struct MeanPool : carat::NoTap {
    static constexpr bool hidden_states = true;
    std::vector<float> sum = std::vector<float>(Model::Text::hidden);

    void hidden_state(std::size_t entry, std::size_t, std::span<const float> x) {
        if (entry == Model::Text::layers)
            std::transform(sum.begin(), sum.end(), x.begin(), sum.begin(), std::plus<>());
    }
};

static float cosine(std::span<const float> a, std::span<const float> b) {
    float ab = 0, aa = 0, bb = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        ab += a[i] * b[i];
        aa += a[i] * a[i];
        bb += b[i] * b[i];
    }
    return ab / std::sqrt(aa * bb);
}

static carat::Result<float> alike(const std::string& folder, const char* const (&texts)[2]) {
    const auto model = Model::open(folder);
    if (!model) return model.error();
    const auto tokenizer = carat::Tokenizer::open(folder);
    if (!tokenizer) return tokenizer.error();
    carat::Serial serial;
    auto session = model->session(serial, {.context_tokens = 512});
    if (!session) return session.error();
    MeanPool pools[2];  // the direction of a sum is that of its mean
    for (std::size_t i = 0; i < 2; ++i) {
        const auto ids = tokenizer->encode(texts[i], {.add_bos = true});
        if (!ids) return ids.error();
        session->clear();
        const auto no_logits = [](std::size_t, std::span<const float>) {};
        const auto done = session->append({.ids = *ids}, no_logits, {}, pools[i]);
        if (!done) return done.error();
    }
    return cosine(pools[0].sum, pools[1].sum);
}

int main(int argc, char** argv) {
    if (argc != 4) return std::fputs("usage: embedding MODEL TEXT TEXT\n", stderr), 1;
    const auto result = alike(argv[1], {argv[2], argv[3]});
    if (!result) return std::fprintf(stderr, "%s\n", result.error().text.c_str()), 1;
    std::printf("%.4f\n", static_cast<double>(*result));
}

// Another mask: how well does the model read a text if its full layers see only the first few
// tokens and the last ones, and what lies between is hidden?
//
//   mask examples/pocket README.md
#include "carat/gemma4.hpp"
#include "carat/generate/loss.hpp"
#include "carat/text/read_file.hpp"
#include "carat/text/tokenizer.hpp"

#include <algorithm>
#include <carat/models/model.hpp>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

/// Hides all keys but the first `sinks` and those less than `window` behind the query.
struct SinksAndWindow {
    static constexpr std::size_t sinks = 4, window = 60;
    void operator()(std::size_t query, std::size_t, std::size_t first_key,
                    std::span<float> scores) const {
        for (std::size_t i = 0; i < scores.size(); ++i)
            if (first_key + i >= sinks && first_key + i + window <= query)
                scores[i] = -std::numeric_limits<float>::infinity();
    }
};
template <class Policy>
struct LabModules : carat::Gemma4Modules<Policy> {
    template <carat::LayerKind K>
    using Attention = std::conditional_t<K.attention == carat::AttentionType::full,
                                         carat::nn::Attention<K, Policy, SinksAndWindow>,
                                         carat::nn::Attention<K, Policy>>;
};

using Stock = carat::Gemma4<carat::models::model, CARAT_POLICY>;
using Lab = carat::Gemma4<carat::models::model, CARAT_POLICY, LabModules>;

template <class Model>
static carat::Result<double> perplexity(const std::string& folder, const std::string& file) {
    const auto text = carat::read_file(file, std::size_t{1} << 16);
    if (!text) return text.error();
    const auto model = Model::open(folder);
    if (!model) return model.error();
    const auto tokenizer = carat::Tokenizer::open(folder);
    if (!tokenizer) return tokenizer.error();
    auto ids = tokenizer->encode(*text, {.add_bos = true});
    if (!ids) return ids.error();
    ids->resize(std::min<std::size_t>(ids->size(), 512));
    carat::Serial serial;
    auto session = model->session(serial, {.context_tokens = 512, .chunk_tokens = 128});
    if (!session) return session.error();
    carat::Loss loss;
    const auto add = [&](std::size_t row, std::span<const float> logits) {
        if (row + 1 < ids->size()) loss.add(logits, (*ids)[row + 1]);
    };
    const auto done = session->append({.ids = *ids, .logits_to_keep = 0}, add);
    if (!done) return done.error();
    return std::exp(loss.mean());
}

int main(int argc, char** argv) {
    if (argc != 3) return std::fputs("usage: mask MODEL FILE\n", stderr), 1;
    const auto stock = perplexity<Stock>(argv[1], argv[2]), lab = perplexity<Lab>(argv[1], argv[2]);
    for (const auto* result : {&stock, &lab})
        if (!*result) return std::fprintf(stderr, "%s\n", result->error().text.c_str()), 1;
    std::printf("perplexity %.3f, with the mask %.3f\n", *stock, *lab);
    return *stock != *lab ? 0 : 1;
}

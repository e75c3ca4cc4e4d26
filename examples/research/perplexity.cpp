// How surprised is the model by a text? The perplexity of a file.
//
//   perplexity examples/pocket README.md
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
#include <span>
#include <string>
#include <vector>

using Model = carat::Gemma4<carat::models::model, CARAT_POLICY>;

static carat::Result<double> perplexity(const std::string& folder, const std::string& text) {
    const auto model = Model::open(folder);
    if (!model) return model.error();
    const auto tokenizer = carat::Tokenizer::open(folder);
    if (!tokenizer) return tokenizer.error();
    const auto ids = tokenizer->encode(text);
    if (!ids) return ids.error();

    constexpr std::size_t window = 512;  // each is read on its own, after <bos>
    carat::Serial serial;
    auto session = model->session(serial, {.context_tokens = window, .chunk_tokens = 128});
    if (!session) return session.error();
    carat::Loss loss;
    for (std::size_t at = 0; at < ids->size(); at += window - 1) {
        const auto piece = std::span(*ids).subspan(at, std::min(window - 1, ids->size() - at));
        std::vector<std::int32_t> part{Model::config.text.bos_token_id};
        part.insert(part.end(), piece.begin(), piece.end());
        session->clear();
        const auto done = session->append({.ids = part, .logits_to_keep = 0},
                                          [&](std::size_t row, std::span<const float> logits) {
                                              if (row + 1 < part.size())
                                                  loss.add(logits, part[row + 1]);
                                          });
        if (!done) return done.error();
    }
    return std::exp(loss.mean());
}

int main(int argc, char** argv) {
    if (argc != 3) return std::fputs("usage: perplexity MODEL FILE\n", stderr), 1;
    const auto text = carat::read_file(argv[2], std::size_t{1} << 24);
    if (!text) return std::fprintf(stderr, "%s\n", text.error().text.c_str()), 1;
    const auto result = perplexity(argv[1], *text);
    if (!result) return std::fprintf(stderr, "%s\n", result.error().text.c_str()), 1;
    std::printf("perplexity %.3f\n", *result);
    return std::isfinite(*result) ? 0 : 1;
}

// Where does a head look? The attention of one layer and head over a text, as a PNG of one pixel a
// pair.
//
//   attention_map examples/pocket 4 0 map.png "A red circle moves to the right of a blue square."
#include "carat/gemma4.hpp"
#include "carat/text/tokenizer.hpp"

#include <carat/models/model.hpp>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <png.h>
#include <span>
#include <string>
#include <vector>

using Model = carat::Gemma4<carat::models::model, CARAT_POLICY>;

/// Keeps the probabilities of one head of one layer: a row a query, a column a key.
struct HeadMap : carat::NoTap {
    static constexpr bool attentions = true;
    std::size_t layer = 0, head = 0, tokens = 0;
    std::vector<std::uint8_t> pixels;

    void attention(std::size_t l, std::size_t row, std::size_t h, std::size_t first_key,
                   std::span<const float> p) {
        if (l != layer || h != head) return;
        for (std::size_t k = 0; k < p.size(); ++k)  // the root shows small ones, too
            pixels[row * tokens + first_key + k] =
                static_cast<std::uint8_t>(255.0f * std::sqrt(p[k]));
    }
};

static carat::Result<void> draw(char** argv) {
    const auto model = Model::open(argv[1]);
    if (!model) return model.error();
    const auto tokenizer = carat::Tokenizer::open(argv[1]);
    if (!tokenizer) return tokenizer.error();
    const auto ids = tokenizer->encode(argv[5], {.add_bos = true});
    if (!ids) return ids.error();
    carat::Serial serial;
    auto session = model->session(serial, {.context_tokens = 512});
    if (!session) return session.error();

    HeadMap map;
    map.layer = std::strtoul(argv[2], nullptr, 10);
    map.head = std::strtoul(argv[3], nullptr, 10);
    constexpr auto& text = Model::config.text;
    if (map.layer >= text.num_hidden_layers || map.head >= text.num_attention_heads)
        return carat::Error{carat::Errc::out_of_range, "expected a layer and a head of the model"};
    map.tokens = ids->size();
    map.pixels.resize(map.tokens * map.tokens);
    const auto no_logits = [](std::size_t, std::span<const float>) {};
    const auto done = session->append({.ids = *ids}, no_logits, {}, map);
    if (!done) return done.error();

    png_image png{};
    png.version = PNG_IMAGE_VERSION;
    png.width = png.height = static_cast<png_uint_32>(map.tokens);
    png.format = PNG_FORMAT_GRAY;
    if (!png_image_write_to_file(&png, argv[4], 0, map.pixels.data(), 0, nullptr))
        return carat::Error{carat::Errc::io, std::string(argv[4]) + ": " + png.message};
    return {};
}

int main(int argc, char** argv) {
    if (argc != 6)
        return std::fputs("usage: attention_map MODEL LAYER HEAD FILE.png TEXT\n", stderr), 1;
    const auto done = draw(argv);
    if (!done) return std::fprintf(stderr, "%s\n", done.error().text.c_str()), 1;
}

#include "carat/nn/per_layer_embedding.hpp"

#include "nn/layer_fixture.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <carat/models/e2b_mini.hpp>
#include <carat/models/e4b_mini.hpp>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace carat::test {
namespace {

constexpr TextConfig e2b = models::e2b_mini.text, e4b = models::e4b_mini.text;

/// Token parts and combined inputs of all layers, from the reference's layer-0 input.
template <TextConfig C>
void check_embedding(const std::string& model) {
    CAPTURE(model);
    constexpr std::size_t layers = C.num_hidden_layers, width = C.hidden_size_per_layer_input,
                          all = layers * width;
    using Embedding = nn::PerLayerEmbedding<C.vocab_size_per_layer_input, C.hidden_size, layers,
                                            width, weights::bf16>;
    const Fixture text(model, "text");
    auto files = CheckpointFiles::open(fixture_path(model));
    REQUIRE(files);
    Binder bind(*files, *text_prefix(*files));
    typename Embedding::Weights w;
    bind("embed_tokens_per_layer.weight", w.embed_tokens_per_layer, Residence::mapped);
    bind("per_layer_model_projection.weight", w.per_layer_model_projection);
    bind("per_layer_projection_norm.weight", w.per_layer_projection_norm);
    const auto memory = bind.finish();
    REQUIRE(memory);

    const auto ids = text.ints("input_ids");
    std::vector<float> tokens(ids.size() * all), out(ids.size() * all);
    for (std::size_t t = 0; t < ids.size(); ++t)
        for (std::size_t l = 0; l < layers; ++l)
            Embedding::add_token_part(w, ids[t], l, tokens.data() + t * all + l * width);
    text.check("per_layer_tokens", tokens);

    const auto x = text.floats("hidden.0");
    const Rows<const float, C.hidden_size> rows(x.data(), ids.size());
    const typename Embedding::Scratch none{};
    ThreadPool pool(2);
    const auto part = [&](std::size_t first, std::size_t count, std::vector<float>& to) {
        Embedding{}.forward(
            w, rows, first, count, static_cast<float>(C.rms_norm_eps),
            Rows<float, all>(to.data(), ids.size()), none, pool, true,
            [&](std::size_t t, std::size_t l, float* ple) {
                Embedding::add_token_part(w, ids[t], l, ple);
            },
            [](std::size_t) {});
    };
    part(0, layers, out);
    text.check("per_layer_inputs", out);
    // Some layers first and the others later: the same bits.
    std::vector<float> again(out.size());
    part(3, layers - 3, again);
    part(0, 3, again);
    CHECK(again == out);
}

TEST_CASE("per-layer inputs are the reference's") {
    check_embedding<e2b>("e2b-mini");
    check_embedding<e4b>("e4b-mini");
}

/// The branch inside a layer, from the residual stream behind its mlp.
template <TextConfig C, std::size_t layer>
void check_branch(const std::string& model) {
    CAPTURE(model);
    LayerFixture<C, layer> f(model);
    using Branch = typename LayerFixture<C, layer>::Layer::PerLayer;
    constexpr std::size_t width = C.hidden_size_per_layer_input;
    auto h = f.after_attention();
    const auto mlp = f.tap("post_feedforward_layernorm");
    simd::add(h.data(), mlp.data(), h.size());
    const std::vector<float> before = h;
    std::vector<float> gate(f.taps * width);
    nn::project(f.pool, Rows<const float, f.hidden>(h.data(), f.taps),
                nn::Product{f.weights.per_layer.per_layer_input_gate,
                            Rows<float, width>(gate.data(), f.taps)});
    f.check_tap("per_layer_input_gate", gate);
    const auto ple = f.text.floats("per_layer_inputs");
    const auto scratch = f.taken([&](auto& space) { return Branch::Scratch::take(space, f.taps); });
    Branch{}.forward(f.weights.per_layer, f.rows(h), ple.data() + layer * width,
                     C.num_hidden_layers * width, scratch, f.pool);
    for (std::size_t i = 0; i < h.size(); ++i) h[i] -= before[i];
    f.check_tap("post_per_layer_input_norm", h);
}

TEST_CASE("the per-layer branch is the reference's") {
    check_branch<e2b, 0>("e2b-mini");
    check_branch<e2b, 4>("e2b-mini");
    check_branch<e4b, 5>("e4b-mini");
}

TEST_CASE(
    "the worked example of spec/text.md section 4, and the context alone without a token part") {
    using Embedding = nn::PerLayerEmbedding<1, 4, 1, 2, weights::f32>;
    const std::array<float, 2> table{0.1f, -0.2f}, norm{1, 1};
    const std::array<float, 8> projection{6, 0, 0, 0, 8, 0, 0, 0};  // 4^(-1/2) makes it [3, 4]
    const std::array<float, 4> x{1, 5, 5, 5};
    const Embedding::Weights w{View<const float, 1, 2>(table.data()),
                               View<const float, 2, 4>(projection.data()),
                               View<const float, 2>(norm.data())};
    Serial serial;
    const auto inputs = [&](bool has_tokens) {
        std::array<float, 2> out{};
        Embedding{}.forward(
            w, Rows<const float, 4>(x.data(), 1u), 0, 1, 1e-6f, Rows<float, 2>(out.data(), 1u), {},
            serial, has_tokens,
            [&](std::size_t, std::size_t l, float* ple) {
                Embedding::add_token_part(w, 0, l, ple);
            },
            [](std::size_t) {});
        return out;
    };
    CHECK(std::abs(inputs(true)[0] - 0.7f) < 1e-6f);
    CHECK(std::abs(inputs(true)[1] - 0.6f) < 1e-6f);
    CHECK(std::abs(inputs(false)[0] - 0.848528f) < 1e-6f);
    CHECK(std::abs(inputs(false)[1] - 1.131371f) < 1e-6f);
}

}  // namespace
}  // namespace carat::test

// The golden numbers of spec/text.md section 19: two tiny models, computed by an independent
// program in double.
#include "carat/generate/loss.hpp"
#include "carat/generate/session.hpp"
#include "carat/model/text_model.hpp"
#include "support/generated_weights.hpp"
#include "support/tiny_models.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <vector>

namespace carat::test {
namespace {

using A = TextModel<tiny::a, weights::f32>;
using B = TextModel<tiny::b, weights::f32>;
using Vision = TextModel<tiny::with(tiny::b, Bidirectional::vision), weights::f32>;

constexpr std::array<std::int32_t, 7> ids{2, 5, 9, 3, 7, 1, 4};

void check(std::span<const float> actual, std::initializer_list<double> expected) {
    REQUIRE(actual.size() >= expected.size());
    std::size_t i = 0;
    for (const double e : expected) {
        CAPTURE(i);
        CHECK(std::abs(static_cast<double>(actual[i++]) - e) < 1e-5);
    }
}

/// The raw output of the last layer, which no tap shows, by way of the final norm.
void check_last(std::span<const float> normed, View<const float, 8> norm,
                std::array<float, 8> expected) {
    simd::rms_norm(expected.data(), norm.data(), 8, 1e-6f, expected.data());
    for (std::size_t i = 0; i < 8; ++i) CHECK(std::abs(normed[i] - expected[i]) < 1e-5f);
}

/// Hidden states and router probabilities of every layer and token.
template <class Model>
struct Seen : NoTap {
    static constexpr bool hidden_states = true, router = true;
    std::array<std::array<std::vector<float>, 8>, Model::layers + 1> hidden;
    std::array<std::array<std::vector<float>, 8>, Model::layers> routes;
    void hidden_state(std::size_t entry, std::size_t row, std::span<const float> x) {
        hidden[entry][row].assign(x.begin(), x.end());
    }
    void route(std::size_t layer, std::size_t row, std::span<const float> p) {
        routes[layer][row].assign(p.begin(), p.end());
    }
};

/// All logits of the seven tokens, and what else a forward pass shows.
template <class Model>
struct Run {
    Seen<Model> seen;
    std::array<std::vector<float>, 7> logits;

    explicit Run(const typename Model::Weights& weights, std::span<const std::uint8_t> types = {}) {
        Serial serial;
        auto session = Session<Model>::create(weights, serial, {.context_tokens = 7});
        REQUIRE(session);
        REQUIRE(session->append(
            {.ids = ids, .token_types = types, .logits_to_keep = 0},
            [&](std::size_t row, std::span<const float> z) {
                logits[row].assign(z.begin(), z.end());
            },
            {}, seen));
    }
    [[nodiscard]] double loss() const {
        Loss loss;
        for (std::size_t t = 0; t + 1 < 7; ++t) loss.add(logits[t], ids[t + 1]);
        return loss.mean();
    }
};

TEST_CASE("made-up weights are those of section 19.1") {
    const MadeUp<A> a;
    check(a.weights.embed_tokens.row(2).span(),
          {-0.315430, -0.434814, -0.492432, -0.051758, 0.477295, 0.174316, 0.046631, 0.347900});
    const double scalars[] = {1.01171875,      1.0654296875,   1.200927734375,
                              0.7650146484375, 1.058837890625, 0.7623291015625};
    std::size_t layer = 0;
    A::for_each_layer([&]<std::size_t kind>(std::size_t, std::size_t ordinal) {
        CHECK(static_cast<double>(std::get<kind>(a.weights.layers)[ordinal].layer_scalar[0]) ==
              scalars[layer++]);
        return true;
    });
    CHECK(layer == 6);
}

TEST_CASE("model A: every number of section 19.2") {
    const MadeUp<A> a;
    const Run<A> run(a.weights);
    check(run.seen.hidden[0][0],
          {-0.892170, -1.229841, -1.392807, -0.146393, 1.349994, 0.493041, 0.131892, 0.984011});
    check(run.seen.hidden[1][6],
          {2.991785, 0.857789, 1.248344, 4.141450, -0.259464, 0.669196, 2.027716, 2.150598});
    check(run.seen.hidden[3][6],
          {2.078537, 5.806808, 3.784774, 5.709982, 2.303319, 3.080940, 0.898311, 6.313406});
    check(run.seen.hidden[4][6],
          {-1.715611, 3.751896, 3.330620, 5.358883, 2.174543, 4.345324, 1.861622, 4.407369});
    check_last(
        run.seen.hidden[6][6], a.weights.norm,
        {-2.567638f, 2.326507f, 1.882457f, 1.724469f, 1.613437f, 0.914947f, -0.844640f, 4.272265f});
    check(run.seen.hidden[6][6],
          {-1.000626, 0.785240, 0.861512, 0.692698, 0.536642, 0.372461, -0.355008, 1.877975});
    check(run.logits[6],
          {-0.244058, -0.926288, 0.471922, 0.426201, 0.220556, -1.219989, 0.258286, 1.004410,
           0.728738, 0.992633, 0.648092, 1.458395, -0.843054, -0.664648, 1.075143, -0.009321});
    check(run.logits[0],
          {0.006703, 0.246737, 0.937378, -0.599167, -0.426703, 0.297370, -0.466081, 0.367028});
    CHECK(std::abs(run.loss() - 3.422263570) < 1e-6);
}

TEST_CASE("model A: per-layer inputs") {
    const MadeUp<A> a;
    float x_values[8];
    float ple[6 * 4] = {};
    nn::embed(a.weights.embed_tokens, std::span(ids).first(1), Rows<float, 8>(x_values, 1u));
    const A::PerLayerEmbedding::Scratch none{};
    Serial serial;
    A::PerLayerEmbedding{}.forward(
        a.weights.per_layer, Rows<float, 8>(x_values, 1u), 0, 6, 1e-6f, Rows<float, 24>(ple, 1u),
        none, serial, true,
        [&](std::size_t, std::size_t layer, float* out) {
            A::PerLayerEmbedding::add_token_part(a.weights.per_layer, ids[0], layer, out);
        },
        [](std::size_t) {});
    check(std::span(ple).first(4), {0.559401, -0.568290, -0.043182, -0.551944});
    check(std::span(ple).last(4), {0.822346, -0.868408, 0.424763, -0.791167});
}

TEST_CASE("model A: the prefill shortcut gives the same logits") {
    const MadeUp<A> a;
    const auto expected = Run<A>(a.weights).logits[6];
    Serial serial;
    for (const std::size_t chunk : {1u, 2u, 3u, 7u}) {
        CAPTURE(chunk);
        auto session =
            Session<A>::create(a.weights, serial, {.context_tokens = 7, .chunk_tokens = chunk});
        REQUIRE(session);
        const auto last = session->append(ids);
        REQUIRE(last);
        CHECK(std::equal(last->begin(), last->end(), expected.begin()));
    }
}

TEST_CASE("model B: every number of section 19.3, causal") {
    const MadeUp<B> b;
    const Run<B> run(b.weights);
    check(run.seen.hidden[1][6],
          {0.904253, -0.111215, -0.446187, 1.135135, -0.125766, 2.833630, 0.598418, 0.455524});
    check(run.seen.hidden[2][6],
          {1.973616, -0.611471, 0.070361, 0.556112, 1.836946, 3.849717, 2.583910, -0.882351});
    check_last(run.seen.hidden[3][6], b.weights.norm,
               {-1.621771f, -1.718641f, 1.392133f, -0.916831f, -0.031108f, 5.438087f, -0.756099f,
                0.237733f});
    check(run.logits[6],
          {-0.692159, 0.665010, 0.576223, 0.559044, 0.465763, -0.570866, 0.705206, -0.921215,
           -0.595360, -0.230896, -0.803559, -0.266890, -0.419933, -0.444218, 1.273517, 0.498428});
    check(run.logits[2],
          {1.024614, 0.948627, 0.610669, -0.937838, 0.566913, 0.623972, -1.571746, 1.160903});
    CHECK(std::abs(run.loss() - 3.280844071) < 1e-6);
}

/// Experts and weights out of the router's probabilities, by the words of section 11.
void check_route(std::span<const float> p, std::span<const float> per_expert_scale,
                 std::array<std::size_t, 2> experts, std::array<double, 2> weights) {
    REQUIRE(p.size() == 4);
    std::array<std::size_t, 4> order{0, 1, 2, 3};
    std::sort(order.begin(), order.end(),
              [&](std::size_t a, std::size_t b) { return p[a] > p[b]; });
    const float sum = p[order[0]] + p[order[1]];
    for (std::size_t i = 0; i < 2; ++i) {
        CHECK(order[i] == experts[i]);
        CHECK(std::abs(static_cast<double>(p[order[i]] / sum * per_expert_scale[order[i]]) -
                       weights[i]) < 1e-5);
    }
}

TEST_CASE("model B: the routing of layers 0 and 2") {
    const MadeUp<B> b;
    const Run<B> run(b.weights);
    const auto& sliding = std::get<0>(b.weights.layers)[0].mixture.router;
    const auto& full = std::get<1>(b.weights.layers)[0].mixture.router;
    check_route(run.seen.routes[0][6], sliding.per_expert_scale.span(), {1, 3},
                {0.500635, 0.305013});
    check_route(run.seen.routes[2][6], full.per_expert_scale.span(), {2, 0}, {0.483004, 0.416247});
}

TEST_CASE("model B, mode vision: tokens of one image see each other in sliding layers") {
    const MadeUp<Vision> b;
    constexpr std::array<std::uint8_t, 7> types{0, 0, 1, 1, 1, 0, 0};
    const Run<Vision> run(b.weights, types);
    check(run.logits[2],
          {1.313965, 0.313720, -0.014875, -0.457203, 0.574182, 0.018059, -1.202543, 0.808243});
    check(run.logits[6],
          {-0.582214, 0.719612, 0.359134, -0.244948, 1.102158, -0.425038, -0.715914, 0.410195});
    // Without token types the mode is plain causal.
    check(Run<Vision>(b.weights).logits[2],
          {1.024614, 0.948627, 0.610669, -0.937838, 0.566913, 0.623972, -1.571746, 1.160903});
}

}  // namespace
}  // namespace carat::test

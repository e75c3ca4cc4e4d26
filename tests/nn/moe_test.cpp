#include "carat/nn/moe.hpp"

#include "nn/layer_fixture.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <carat/models/a4b_mini.hpp>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

namespace carat::test {
namespace {

constexpr TextConfig a4b = models::a4b_mini.text;
constexpr LayerKind small{.hidden_size = 4, .experts = 4, .top_k = 2};

/// Router and experts of one layer with the reference's residual stream.
template <std::size_t layer>
void check_mixture() {
    CAPTURE(layer);
    LayerFixture<a4b, layer> f("a4b-mini");
    using Layer = typename LayerFixture<a4b, layer>::Layer;
    using Router = typename Layer::Router;
    using Experts = typename Layer::Experts;
    constexpr std::size_t top_k = a4b.top_k_experts;
    const auto x = f.after_attention();
    const auto& w = f.weights.mixture;

    std::array<nn::Route<top_k>, LayerFixture<a4b, layer>::taps> routes;
    const View<nn::Route<top_k>, dynamic> view(routes.data(), f.taps);
    const auto scratch = f.taken([&](auto& space) { return Router::Scratch::take(space, f.taps); });
    Router{}.forward(w.router, f.rows(x), view, scratch, f.pool);
    f.text.check_first("router." + f.name + ".probs", scratch.probabilities.span());
    // The reference's are in order of probability, ours in that of experts.
    const auto index = f.text.ints("router." + f.name + ".index");
    const auto weight = f.text.floats("router." + f.name + ".weights");
    std::vector<float> in_their_order;
    for (std::size_t t = 0; t < f.taps; ++t) {
        CHECK(std::is_sorted(routes[t].expert.begin(), routes[t].expert.end()));
        for (std::size_t i = 0; i < top_k; ++i) {
            const auto e = static_cast<std::uint32_t>(index[t * top_k + i]);
            const auto place = std::find(routes[t].expert.begin(), routes[t].expert.end(), e);
            REQUIRE(place != routes[t].expert.end());
            in_their_order.push_back(
                routes[t].weight[static_cast<std::size_t>(place - routes[t].expert.begin())]);
        }
    }
    f.text.check_first("router." + f.name + ".weights", in_their_order);

    const auto input = f.normed(x, w.pre_feedforward_layernorm_2);
    std::vector<float> out(x.size()), again(x.size());
    const auto experts =
        f.taken([&](auto& space) { return Experts::Scratch::take(space, f.taps, 2); });
    Experts{}.forward(w.experts, f.rows(input), view, f.rows(out), experts, f.pool);
    f.check_tap("experts", out);
    for (std::size_t t = 0; t < f.taps; ++t)
        Experts{}.forward(w.experts, f.rows(input).rows(t, 1), view.rows(t, 1),
                          f.rows(again).rows(t, 1), experts, f.pool);
    CHECK(again == out);
    // Any number of threads gives the same bits, whatever parts the experts' rows fall into.
    for (const std::size_t threads : {1u, 3u, 8u}) {
        CAPTURE(threads);
        ThreadPool pool(threads);
        const auto room =
            f.taken([&](auto& space) { return Experts::Scratch::take(space, f.taps, threads); });
        std::fill(again.begin(), again.end(), 0.0f);
        Experts{}.forward(w.experts, f.rows(input), view, f.rows(again), room, pool);
        CHECK(again == out);
    }
}

TEST_CASE("router and experts are the reference's") {
    check_mixture<0>();
    check_mixture<5>();
}

/// Routes of one token whose router logits are z.
nn::Route<2> route(std::array<float, 4> z, std::array<float, 4> per_expert_scale) {
    using Router = nn::Router<small>;
    std::array<float, 16> proj{};
    for (std::size_t e = 0; e < 4; ++e) proj[e * 4] = z[e];
    const std::array<float, 4> x{1, 1, 1, 1}, scale{2, 2, 2, 2};  // 4^(-1/2) · 2 = 1
    Router::Weights w{View<const float, 4, 4>(proj.data()), View<const float, 4>(scale.data()),
                      View<const float, 4>(per_expert_scale.data())};
    std::array<float, 4> normed{}, probabilities{};
    nn::Route<2> out{};
    Serial serial;
    Router{}.forward(w, Rows<const float, 4>(x.data(), 1u), View<nn::Route<2>, dynamic>(&out, 1u),
                     {Rows<float, 4>(normed.data(), 1u), Rows<float, 4>(probabilities.data(), 1u)},
                     serial);
    return out;
}

TEST_CASE("the worked example of spec/text.md section 11") {
    const auto plain = route({2.0f, 1.0f, 0.5f, -1.0f}, {1, 1, 1, 1});
    CHECK(plain.expert == std::array<std::uint32_t, 2>{0, 1});
    CHECK(std::abs(plain.weight[0] - 0.731059f) < 1e-6f);
    CHECK(std::abs(plain.weight[1] - 0.268941f) < 1e-6f);
    const auto scaled = route({2.0f, 1.0f, 0.5f, -1.0f}, {1.5f, 0.5f, 7.0f, 9.0f});
    CHECK(scaled.expert == plain.expert);  // the scale comes after the choice
    CHECK(std::abs(scaled.weight[0] - 1.096588f) < 2e-6f);
    CHECK(std::abs(scaled.weight[1] - 0.134471f) < 1e-6f);
}

TEST_CASE("of equal experts the first ones are chosen, in ascending order") {
    CHECK(route({1, 1, 1, 1}, {1, 1, 1, 1}).expert == std::array<std::uint32_t, 2>{0, 1});
    CHECK(route({0, 3, 0, 3}, {1, 1, 1, 1}).expert == std::array<std::uint32_t, 2>{1, 3});
    CHECK(route({1, 0, 1, 5}, {1, 1, 1, 1}).expert == std::array<std::uint32_t, 2>{0, 3});
}

TEST_CASE("router logits that are no numbers choose experts that there are") {
    const float nan = std::numeric_limits<float>::quiet_NaN();
    const float inf = std::numeric_limits<float>::infinity();
    for (const float bad : {nan, inf})
        for (std::size_t place = 0; place < 5; ++place) {
            std::array<float, 4> z{2.0f, 1.0f, 0.5f, -1.0f};
            if (place < 4) z[place] = bad;
            if (place == 4) z.fill(bad);
            CAPTURE(bad);
            CAPTURE(place);
            const auto chosen = route(z, {1, 1, 1, 1});
            CHECK(chosen.expert[0] < chosen.expert[1]);
            CHECK(chosen.expert[1] < 4);
            // Nothing finite is made up: it would hide the damage.
            CHECK(std::isnan(chosen.weight[0] + chosen.weight[1]));
            if (std::isnan(bad)) CHECK(chosen.expert == std::array<std::uint32_t, 2>{0, 1});
        }
}

}  // namespace
}  // namespace carat::test

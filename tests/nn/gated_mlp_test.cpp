#include "carat/nn/gated_mlp.hpp"

#include "nn/layer_fixture.hpp"

#include <doctest/doctest.h>

#include <carat/models/a4b_mini.hpp>
#include <carat/models/e2b_mini.hpp>
#include <carat/models/e4b_mini.hpp>
#include <carat/models/gemma4_31b_mini.hpp>
#include <cstddef>
#include <string>
#include <vector>

namespace carat::test {
namespace {

constexpr TextConfig e2b = models::e2b_mini.text, e4b = models::e4b_mini.text,
                     a4b = models::a4b_mini.text, large = models::gemma4_31b_mini.text;

static_assert(nn::GatedMlp<e2b.kind(6), weights::bf16>::inner ==
                  2 * nn::GatedMlp<e2b.kind(0), weights::bf16>::inner,
              "layers that share keys and values are twice as wide in E2B");
static_assert(nn::GatedMlp<e4b.kind(8), weights::bf16>::inner ==
                  nn::GatedMlp<e4b.kind(0), weights::bf16>::inner,
              "and in no other");

template <TextConfig C, std::size_t layer>
void check_mlp(const std::string& model) {
    CAPTURE(model);
    CAPTURE(layer);
    LayerFixture<C, layer> f(model);
    using Mlp = typename LayerFixture<C, layer>::Layer::Mlp;
    const auto x = f.tap("pre_feedforward_layernorm");
    f.check_tap("pre_feedforward_layernorm",
                f.normed(f.after_attention(), f.weights.pre_feedforward_layernorm));
    std::vector<float> gate(f.taps * Mlp::inner), out(x.size()), again(x.size());
    nn::project(f.pool, f.rows(x),
                nn::Product{f.weights.mlp.gate_proj, Rows<float, Mlp::inner>(gate.data(), f.taps)});
    f.check_tap("mlp.gate_proj", gate);
    const auto scratch = f.taken([&](auto& space) { return Mlp::Scratch::take(space, f.taps, 2); });
    Mlp{}.forward(f.weights.mlp, f.rows(x), f.rows(out), scratch, f.pool);
    f.check_tap("mlp", out);
    // A token alone is what it is among others.
    for (std::size_t t = 0; t < f.taps; ++t)
        Mlp{}.forward(f.weights.mlp, f.rows(x).rows(t, 1), f.rows(again).rows(t, 1), scratch,
                      f.pool);
    CHECK(again == out);
}

TEST_CASE("the mlp is the reference's: like E2B") {
    check_mlp<e2b, 0>("e2b-mini");
    check_mlp<e2b, 4>("e2b-mini");
}
TEST_CASE("the mlp is the reference's: like E4B") { check_mlp<e4b, 5>("e4b-mini"); }
TEST_CASE("the mlp is the reference's: like 31B") { check_mlp<large, 0>("31b-mini"); }
TEST_CASE("the mlp is the reference's: like 26B-A4B") { check_mlp<a4b, 0>("a4b-mini"); }

}  // namespace
}  // namespace carat::test

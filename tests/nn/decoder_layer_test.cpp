#include "carat/nn/decoder_layer.hpp"

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

// Tokens that nobody reads have their keys and values alone where the attention has `keys` of its
// own: one that it inherits may not fit its forward.
template <LayerKind K>
struct Own : nn::Attention<K, weights::bf16> {};
static_assert(nn::HasOwnKeys<nn::Attention<e2b.kind(0), weights::bf16>>);
static_assert(!nn::HasOwnKeys<nn::Attention<e2b.kind(6), weights::bf16>>, "it shares them");
static_assert(!nn::HasOwnKeys<Own<e2b.kind(0)>>);

/// hidden.{layer} in, hidden.{layer + 1} out. A layer that shares keys and values reads the
/// reference's.
template <TextConfig C, std::size_t layer>
void check_layer(const std::string& model) {
    CAPTURE(model);
    CAPTURE(layer);
    LayerFixture<C, layer> f(model);
    using Layer = typename LayerFixture<C, layer>::Layer;
    constexpr std::size_t n = f.tokens;
    auto x = f.layer_input();
    const auto scratch = f.taken([&](auto& space) { return Layer::Scratch::take(space, n, 2, n); });
    constexpr std::size_t width = C.hidden_size_per_layer_input;
    std::vector<float> ple;
    if (width > 0) ple = f.text.floats("per_layer_inputs");
    const auto cache = C.shares_kv(layer) ? f.cache_of(C.kv_producer(layer)) : f.cache();
    NoTap tap;
    Layer{}.forward(f.weights, f.call(n), f.rows(x), ple.data() + layer * width,
                    C.num_hidden_layers * width, cache, scratch, f.pool, tap);
    f.text.check("hidden." + std::to_string(layer + 1), x);
}

TEST_CASE("a layer turns the reference's input into its output: like E2B") {
    check_layer<e2b, 0>("e2b-mini");
    check_layer<e2b, 4>("e2b-mini");
    check_layer<e2b, 6>("e2b-mini");  // shares the keys of layer 5, with an mlp twice as wide
}
TEST_CASE("a layer turns the reference's input into its output: like E4B") {
    check_layer<e4b, 5>("e4b-mini");
    check_layer<e4b, 8>("e4b-mini");
}
TEST_CASE("a layer turns the reference's input into its output: like 31B") {
    check_layer<large, 0>("31b-mini");
    check_layer<large, 4>("31b-mini");
}
TEST_CASE("a layer turns the reference's input into its output: like 26B-A4B") {
    check_layer<a4b, 0>("a4b-mini");
    check_layer<a4b, 5>("a4b-mini");
}

}  // namespace
}  // namespace carat::test

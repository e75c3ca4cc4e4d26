#include "carat/nn/attention.hpp"

#include "nn/layer_fixture.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <carat/models/a4b_mini.hpp>
#include <carat/models/e2b_mini.hpp>
#include <carat/models/e4b_mini.hpp>
#include <carat/models/gemma4_31b_mini.hpp>
#include <cstddef>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

namespace carat::test {
namespace {

constexpr TextConfig e2b = models::e2b_mini.text, e4b = models::e4b_mini.text,
                     a4b = models::a4b_mini.text, large = models::gemma4_31b_mini.text;

// A weight that a kind lacks does not exist.
template <LayerKind K>
using WeightsOf = typename nn::Attention<K, weights::bf16>::Weights;
template <class W>
concept HasKey = requires(W w) {
    w.k_proj;
};
template <class W>
concept HasValue = requires(W w) {
    w.v_proj;
};
static_assert(HasKey<WeightsOf<e2b.kind(0)>> && HasValue<WeightsOf<e2b.kind(0)>>);
static_assert(!HasKey<WeightsOf<e2b.kind(6)>> && !HasValue<WeightsOf<e2b.kind(6)>>,
              "a layer that shares keys and values has none");
static_assert(HasKey<WeightsOf<large.kind(5)>> && !HasValue<WeightsOf<large.kind(5)>>,
              "values of full layers are the raw keys");
static_assert(HasValue<WeightsOf<large.kind(0)>>, "values of sliding layers are their own");

/// The probabilities [heads, tokens, tokens] of one layer.
struct Probabilities : NoTap {
    static constexpr bool attentions = true;
    std::size_t tokens;
    std::vector<float> all;

    Probabilities(std::size_t heads, std::size_t n) : tokens(n), all(heads * n * n) {}
    void attention(std::size_t, std::size_t row, std::size_t head, std::size_t first,
                   std::span<const float> p) {
        std::copy(
            p.begin(), p.end(),
            all.begin() + static_cast<std::ptrdiff_t>((head * tokens + row) * tokens + first));
    }
};

/// The reference's input of a layer's attention gives its output, probabilities, keys and values.
template <TextConfig C, std::size_t layer>
void check_attention(const std::string& model) {
    CAPTURE(model);
    CAPTURE(layer);
    LayerFixture<C, layer> f(model);
    using Attention = typename LayerFixture<C, layer>::Attention;
    constexpr std::size_t n = f.tokens, hidden = f.hidden;
    const auto x = f.normed(f.layer_input(), f.weights.input_layernorm);
    const auto scratch =
        f.taken([&](auto& space) { return Attention::Scratch::take(space, n, 2, n); });
    const auto call = f.call(n);
    const auto cache = f.cache();
    Probabilities tap(C.num_attention_heads, n);
    std::vector<float> out(n * hidden), again(n * hidden);
    Attention{}.forward(f.weights.self_attn, call, f.rows(x), f.rows(out), cache, scratch, f.pool,
                        tap);
    f.check_tap("self_attn.o_proj", std::span(out).first(f.taps * hidden));
    f.text.check("attention." + f.name, tap.all);

    // The reference's cache: of a sliding layer only the last tokens.
    const std::string k = "cache." + f.name + ".k", v = "cache." + f.name + ".v";
    const std::size_t kept = f.text.shape(k)[1], head_dim = f.kind.head_dim;
    std::vector<float> keys, values;
    for (std::size_t h = 0; h < f.kind.kv_heads; ++h)
        for (std::size_t t = n - kept; t < n; ++t) {
            keys.resize(keys.size() + head_dim);
            values.resize(keys.size());
            cache.key(h, t, &keys[keys.size() - head_dim]);
            cache.value(h, t, &values[keys.size() - head_dim]);
        }
    CHECK(kept == (f.kind.attention == AttentionType::full ? n : C.sliding_window - 1));
    f.text.check(k, keys);
    f.text.check(v, values);

    // Without a tap, on one thread: the same bits.
    NoTap none;
    Serial serial;
    Attention{}.forward(f.weights.self_attn, call, f.rows(x), f.rows(again), f.cache(), scratch,
                        serial, none);
    CHECK(again == out);
}

TEST_CASE("attention is the reference's, its keys and values too: like E2B") {
    check_attention<e2b, 0>("e2b-mini");
    check_attention<e2b, 4>("e2b-mini");
}
TEST_CASE("attention is the reference's, its keys and values too: like E4B") {
    check_attention<e4b, 0>("e4b-mini");
    check_attention<e4b, 5>("e4b-mini");
}
TEST_CASE("attention is the reference's, its keys and values too: like 31B") {
    check_attention<large, 0>("31b-mini");
    check_attention<large, 5>("31b-mini");
}
TEST_CASE("attention is the reference's, its keys and values too: like 26B-A4B") {
    check_attention<a4b, 0>("a4b-mini");
    check_attention<a4b, 5>("a4b-mini");
}

TEST_CASE("one token alone, keys split over threads, is the last token of many") {
    LayerFixture<e2b, 4> f("e2b-mini");
    using Attention = LayerFixture<e2b, 4>::Attention;
    constexpr std::size_t n = f.tokens, hidden = f.hidden;
    const auto x = f.normed(f.layer_input(), f.weights.input_layernorm);
    NoTap tap;
    for (const std::size_t threads : {1u, 2u, 3u}) {
        CAPTURE(threads);
        ThreadPool pool(threads);
        const auto scratch =
            f.taken([&](auto& space) { return Attention::Scratch::take(space, n, threads, n); });
        auto call = f.call(n);
        const auto cache = f.cache();
        std::vector<float> all(n * hidden), one(hidden);
        Attention{}.forward(f.weights.self_attn, call, f.rows(x), f.rows(all), cache, scratch, pool,
                            tap);
        call.first = n - 1;
        call.visible = call.visible.subspan(n - 1);
        call.rotary = call.rotary.from(n - 1, 1);
        Attention{}.forward(f.weights.self_attn, call, f.rows(x).rows(n - 1, 1), f.rows(one), cache,
                            scratch, pool, tap);
        CHECK(std::equal(one.begin(), one.end(), all.end() - static_cast<std::ptrdiff_t>(hidden)));
    }
}

TEST_CASE("masked keys get no probability, and a query that sees none gets zeros") {
    LayerFixture<e2b, 4> f("e2b-mini");
    using Attention = LayerFixture<e2b, 4>::Attention;
    constexpr std::size_t n = 20, hidden = f.hidden;
    auto x = f.normed(f.layer_input(), f.weights.input_layernorm);
    x.resize(n * hidden);
    const auto scratch =
        f.taken([&](auto& space) { return Attention::Scratch::take(space, n, 2, f.tokens); });
    auto call = f.call(n);
    std::vector<std::uint8_t> mask(n, 1);
    std::fill_n(mask.begin(), 5, std::uint8_t{0});
    mask[11] = 0;
    call.key_mask = mask;
    Probabilities tap(e2b.num_attention_heads, n);
    std::vector<float> out(n * hidden, -77.0f);
    Attention{}.forward(f.weights.self_attn, call, f.rows(x), f.rows(out), f.cache(), scratch,
                        f.pool, tap);
    for (std::size_t h = 0; h < e2b.num_attention_heads; ++h)
        for (std::size_t q = 0; q < n; ++q) {
            double sum = 0.0;
            for (std::size_t k = 0; k < n; ++k) {
                const float p = tap.all[(h * n + q) * n + k];
                sum += static_cast<double>(p);
                if (mask[k] == 0 || k > q) CHECK(p == 0.0f);
            }
            CHECK(sum == doctest::Approx(q < 5 ? 0.0 : 1.0).epsilon(1e-5));
        }
    for (std::size_t i = 0; i < 5 * hidden; ++i) CHECK(out[i] == 0.0f);
}

}  // namespace
}  // namespace carat::test

#include "carat/nn/linear.hpp"

#include "nn/layer_fixture.hpp"
#include "support/random.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <carat/models/e2b_mini.hpp>
#include <cstddef>
#include <type_traits>
#include <vector>

namespace carat::test {
namespace {

static_assert(std::is_same_v<nn::Activation<bf16, Arithmetic::exact>, float>);
static_assert(std::is_same_v<nn::Activation<bf16, Arithmetic::fast>, bf16>);
static_assert(std::is_same_v<nn::Activation<float, Arithmetic::fast>, float>);
static_assert(std::is_empty_v<nn::Rounded<float, 8>>, "what is taken as it is needs no copy");

TEST_CASE("projections and the norms behind them are the reference's") {
    LayerFixture<models::e2b_mini.text, 0> f("e2b-mini");
    const auto& w = f.weights.self_attn;
    const auto x = f.tap("input_layernorm");
    f.text.check_first("tap.0.input_layernorm",
                       std::span<const float>(f.normed(f.layer_input(), f.weights.input_layernorm))
                           .first(x.size()));
    std::vector<float> q(f.taps * 64), k(f.taps * 16), v(f.taps * 16);
    nn::project(f.pool, f.rows(x), nn::Product{w.q_proj, Rows<float, 64>(q.data(), f.taps)},
                nn::Product{w.k_proj, Rows<float, 16>(k.data(), f.taps)},
                nn::Product{w.v_proj, Rows<float, 16>(v.data(), f.taps)});
    f.check_tap("self_attn.q_proj", q);
    f.check_tap("self_attn.k_proj", k);
    f.check_tap("self_attn.v_proj", v);
    for (std::size_t i = 0; i < q.size(); i += 16)
        simd::rms_norm(q.data() + i, w.q_norm.data(), 16, 1e-6f, q.data() + i);
    for (std::size_t i = 0; i < k.size(); i += 16) {
        simd::rms_norm(k.data() + i, w.k_norm.data(), 16, 1e-6f, k.data() + i);
        simd::rms_norm(v.data() + i, 16, 1e-6f, v.data() + i);
    }
    f.check_tap("self_attn.q_norm", q);
    f.check_tap("self_attn.k_norm", k);
    f.check_tap("self_attn.v_norm", v);
}

TEST_CASE("products of one region are what each is alone, on any number of threads") {
    constexpr std::size_t in = 37, tokens = 5;
    const auto a = Elements<bf16>::random(50 * in, 1), b = Elements<bf16>::random(7 * in, 2),
               c = Elements<bf16>::random(24 * in, 3);
    const auto x = Elements<float>::random(tokens * in, 4);
    const Rows<const float, in> rows(x.data(), tokens);
    std::vector<float> ya(tokens * 50), yb(tokens * 7), yc(tokens * 24);
    for (std::size_t t = 0; t < tokens; ++t) {
        const auto each = [&](const auto& w, std::size_t out, std::vector<float>& y) {
            for (std::size_t r = 0; r < out; ++r)
                y[t * out + r] = simd::dot(w.data() + r * in, x.data() + t * in, in);
        };
        each(a, 50, ya);
        each(b, 7, yb);
        each(c, 24, yc);
    }
    for (const std::size_t threads : {1u, 2u, 3u, 7u}) {
        CAPTURE(threads);
        ThreadPool pool(threads);
        std::vector<float> pa(ya.size()), pb(yb.size()), pc(yc.size());
        nn::project(
            pool, rows,
            nn::Product{View<const bf16, 50, in>(a.data()), Rows<float, 50>(pa.data(), tokens)},
            nn::Product{View<const bf16, 7, in>(b.data()), Rows<float, 7>(pb.data(), tokens)},
            nn::Product{View<const bf16, 24, in>(c.data()), Rows<float, 24>(pc.data(), tokens)});
        CHECK(pa == ya);
        CHECK(pb == yb);
        CHECK(pc == yc);
    }
}

TEST_CASE("an input that is rounded is rounded to nearest even, row by row") {
    const auto x = Elements<float>::random(11 * 8, 1);
    Arena arena(1024);
    const auto rounded = nn::Rounded<bf16, 8>::take(arena, 16);
    Serial serial;
    const auto y = rounded(Rows<const float, 8>(x.data(), 11u), serial);
    REQUIRE(y.rows() == 11);
    for (std::size_t i = 0; i < x.size(); ++i) CHECK(y.data()[i] == to_bf16(x[i]));
}

}  // namespace
}  // namespace carat::test

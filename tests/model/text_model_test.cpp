#include "carat/model/text_model.hpp"

#include "carat/generate/session.hpp"
#include "support/generated_weights.hpp"
#include "support/tiny_models.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace carat::test {
namespace {

constexpr TextConfig dense(TextConfig c) {
    c.enable_moe_block = false;
    c.sliding_window = 2;  // seen from the middle: two tokens to either side
    return c;
}
constexpr TextConfig causal = dense(tiny::b), all = tiny::with(causal, Bidirectional::all);
using Causal = TextModel<causal, weights::f32>;
using All = TextModel<all, weights::f32>;

constexpr std::array<std::int32_t, 9> ids{2, 5, 9, 3, 7, 1, 4, 11, 6};

// ---- the decoder once more, in double, with nothing clever in it

using Row = std::vector<double>;
using Matrix = std::vector<Row>;

template <class V>
Row values(const V& view) {
    return {view.span().begin(), view.span().end()};
}
template <class V>
Row times(const V& w, const Row& x) {
    Row y(w.rows());
    for (std::size_t r = 0; r < y.size(); ++r)
        for (std::size_t k = 0; k < x.size(); ++k) y[r] += static_cast<double>(w(r, k)) * x[k];
    return y;
}
Row norm(const Row& x, const Row& weight, std::size_t at = 0, std::size_t n = 0) {
    if (n == 0) n = x.size();
    double squares = 0.0;
    for (std::size_t i = 0; i < n; ++i) squares += x[at + i] * x[at + i];
    Row y(n);
    for (std::size_t i = 0; i < n; ++i)
        y[i] = x[at + i] / std::sqrt(squares / static_cast<double>(n) + 1e-6) *
               (weight.empty() ? 1.0 : weight[i]);
    return y;
}
void rotate(Row& x, const RopeParameters& rope, std::size_t position) {
    const std::size_t half = x.size() / 2;
    const auto pairs =
        static_cast<std::size_t>(rope.partial_rotary_factor * static_cast<double>(half));
    for (std::size_t i = 0; i < pairs; ++i) {
        const double angle =
            static_cast<double>(position) /
            std::pow(rope.theta, static_cast<double>(i) / static_cast<double>(half));
        const double a = x[i], b = x[i + half];
        x[i] = a * std::cos(angle) - b * std::sin(angle);
        x[i + half] = b * std::cos(angle) + a * std::sin(angle);
    }
}

/// One layer over a whole sequence; allowed(q, k) is the mask.
template <class Layer, class Weights>
void plain_layer(const Weights& w, Matrix& x, const RopeParameters& rope,
                 const std::function<bool(std::size_t, std::size_t)>& allowed) {
    constexpr std::size_t hd = Layer::Attention::head_dim, heads = Layer::Attention::heads,
                          kv_heads = Layer::Attention::kv_heads;
    const std::size_t n = x.size();
    std::vector<Matrix> q(n), k(n), v(n);  // [token][head]
    for (std::size_t t = 0; t < n; ++t) {
        const Row a = norm(x[t], values(w.input_layernorm));
        const Row query = times(w.self_attn.q_proj, a), key = times(w.self_attn.k_proj, a);
        Row value = key;
        if constexpr (requires { w.self_attn.v_proj; }) value = times(w.self_attn.v_proj, a);
        for (std::size_t h = 0; h < heads; ++h) {
            q[t].push_back(norm(query, values(w.self_attn.q_norm), h * hd, hd));
            rotate(q[t][h], rope, t);
        }
        for (std::size_t h = 0; h < kv_heads; ++h) {
            k[t].push_back(norm(key, values(w.self_attn.k_norm), h * hd, hd));
            rotate(k[t][h], rope, t);
            v[t].push_back(norm(value, {}, h * hd, hd));
        }
    }
    for (std::size_t t = 0; t < n; ++t) {
        Row mixed(heads * hd);
        for (std::size_t h = 0; h < heads; ++h) {
            const std::size_t kv = h / (heads / kv_heads);
            Row p(n);
            double sum = 0.0;
            for (std::size_t j = 0; j < n; ++j) {
                if (!allowed(t, j)) continue;
                double score = 0.0;
                for (std::size_t i = 0; i < hd; ++i) score += q[t][h][i] * k[j][kv][i];
                sum += p[j] = std::exp(score);
            }
            for (std::size_t j = 0; j < n; ++j)
                for (std::size_t i = 0; i < hd; ++i) mixed[h * hd + i] += p[j] / sum * v[j][kv][i];
        }
        const Row attended =
            norm(times(w.self_attn.o_proj, mixed), values(w.post_attention_layernorm));
        for (std::size_t i = 0; i < x[t].size(); ++i) x[t][i] += attended[i];
        const Row m = norm(x[t], values(w.pre_feedforward_layernorm));
        Row gate = times(w.mlp.gate_proj, m);
        const Row up = times(w.mlp.up_proj, m);
        for (std::size_t i = 0; i < gate.size(); ++i) {
            const double g = gate[i];
            gate[i] = 0.5 * g *
                      (1.0 + std::tanh(std::sqrt(2.0 / M_PI) * (g + 0.044715 * g * g * g))) * up[i];
        }
        const Row y = norm(times(w.mlp.down_proj, gate), values(w.post_feedforward_layernorm));
        for (std::size_t i = 0; i < x[t].size(); ++i)
            x[t][i] = (x[t][i] + y[i]) * static_cast<double>(w.layer_scalar[0]);
    }
}

/// Logits of a whole sequence. mask(sliding, q, k): may q see k?
template <class Model>
Matrix plain_logits(const typename Model::Weights& w,
                    const std::function<bool(bool, std::size_t, std::size_t)>& mask) {
    Matrix x;
    for (const std::int32_t id : ids) {
        x.push_back(values(w.embed_tokens.row(static_cast<std::size_t>(id))));
        for (double& v : x.back()) v *= std::sqrt(static_cast<double>(Model::hidden));
    }
    Model::for_each_layer([&]<std::size_t kind>(std::size_t layer, std::size_t ordinal) {
        const bool sliding = Model::config.attention_type(layer) == AttentionType::sliding;
        plain_layer<typename Model::template Layer<kind>>(
            std::get<kind>(w.layers)[ordinal], x,
            sliding ? Model::config.sliding_rope : Model::config.full_rope,
            [&](std::size_t q, std::size_t k) { return mask(sliding, q, k); });
        return true;
    });
    Matrix logits;
    for (const Row& row : x) {
        logits.push_back(times(w.embed_tokens, norm(row, values(w.norm))));
        for (double& z : logits.back()) z = 30.0 * std::tanh(z / 30.0);
    }
    return logits;
}

template <class Model>
std::vector<std::vector<float>> logits(const typename Model::Weights& w,
                                       std::span<const std::int32_t> tokens,
                                       std::span<const std::int32_t> positions = {}) {
    Serial serial;
    auto session = Session<Model>::create(w, serial, {.context_tokens = 16});
    REQUIRE(session);
    std::vector<std::vector<float>> out;
    REQUIRE(session->append(
        {.ids = tokens, .positions = positions, .logits_to_keep = 0},
        [&](std::size_t, std::span<const float> z) { out.emplace_back(z.begin(), z.end()); }));
    return out;
}

void check_near(const std::vector<std::vector<float>>& actual, const Matrix& expected) {
    REQUIRE(actual.size() == expected.size());
    for (std::size_t t = 0; t < actual.size(); ++t)
        for (std::size_t i = 0; i < actual[t].size(); ++i)
            CHECK(std::abs(static_cast<double>(actual[t][i]) - expected[t][i]) < 2e-5);
}

TEST_CASE("causal: the model is its equations, written once more in double") {
    const MadeUp<Causal> made;
    check_near(logits<Causal>(made.weights, ids),
               plain_logits<Causal>(made.weights, [](bool sliding, std::size_t q, std::size_t k) {
                   return k <= q && (!sliding || k + 2 > q);
               }));
}

TEST_CASE(
    "bidirectional all: every token sees the others, in sliding layers half a window around") {
    const MadeUp<All> made;
    constexpr std::size_t reach = all.sliding_window / 2 + 1;
    check_near(logits<All>(made.weights, ids),
               plain_logits<All>(made.weights, [](bool sliding, std::size_t q, std::size_t k) {
                   return !sliding || (q > k ? q - k : k - q) <= reach;
               }));
}

TEST_CASE("packed sequences give the logits that each gives alone, bit for bit") {
    const MadeUp<Causal> made;
    constexpr std::array<std::int32_t, 9> positions{0, 1, 2, 3, 0, 1, 2, 3, 4};
    const auto packed = logits<Causal>(made.weights, ids, positions);
    auto alone = logits<Causal>(made.weights, std::span(ids).first(4));
    const auto second = logits<Causal>(made.weights, std::span(ids).subspan(4));
    alone.insert(alone.end(), second.begin(), second.end());
    CHECK(packed == alone);
    CHECK(logits<Causal>(made.weights, ids) != packed);
}

TEST_CASE("packed sequences of a model whose tokens see each other stay apart too") {
    const MadeUp<All> made;
    constexpr std::array<std::int32_t, 9> positions{0, 1, 2, 0, 1, 2, 3, 0, 1};
    const auto packed = logits<All>(made.weights, ids, positions);
    auto alone = logits<All>(made.weights, std::span(ids).first(3));
    for (const auto& part : {std::span(ids).subspan(3, 4), std::span(ids).subspan(7)}) {
        const auto more = logits<All>(made.weights, part);
        alone.insert(alone.end(), more.begin(), more.end());
    }
    CHECK(packed == alone);
}

}  // namespace
}  // namespace carat::test

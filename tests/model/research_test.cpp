// A researcher's changes, in the researcher's own file: each is one name of the modules replaced.
// Switched off, they must give the stock model's logits bit for bit; switched on, others.
#include "carat/checkpoint/tensors/text_tensors.hpp"
#include "carat/generate/session.hpp"
#include "carat/model/text_model.hpp"
#include "support/generated_weights.hpp"
#include "support/patch_tap.hpp"
#include "support/tiny_models.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace lab {

using carat::LayerKind;

// ---- an attention with a penalty for distance, whose slopes are weights of its own

template <LayerKind K, class Policy, int factor>
struct AlibiAttention {
    using Stock = carat::nn::Attention<K, Policy>;
    using Call = typename Stock::Call;
    using Cache = typename Stock::Cache;
    static constexpr std::size_t hidden = K.hidden_size, head_dim = K.head_dim;

    struct Weights : Stock::Weights {
        carat::View<const float, K.heads> slopes;
    };
    template <class Bind>
    static constexpr void bind(Bind& bind, const typename Bind::Name& prefix, Weights& w) {
        carat::bind_module<Stock>(bind, prefix, static_cast<typename Stock::Weights&>(w));
        bind(prefix + "self_attn.slopes", w.slopes);
    }
    struct Scratch {
        carat::Rows<float, K.q_size()> q;
        carat::Rows<float, K.kv_size()> k, v;
        typename Stock::Softmax::Scratch softmax;

        template <class Space>
        static constexpr Scratch take(Space& space, std::size_t tokens, std::size_t workers,
                                      std::size_t slots) {
            return {space.template take<float, carat::dynamic, K.q_size()>(tokens),
                    space.template take<float, carat::dynamic, K.kv_size()>(tokens),
                    space.template take<float, carat::dynamic, K.kv_size()>(tokens),
                    Stock::Softmax::Scratch::take(space, workers, slots)};
        }
    };

    template <carat::Tap T>
    void forward(const Weights& w, const Call& call, carat::Rows<const float, hidden> x,
                 carat::Rows<float, hidden> out, const Cache& cache, const Scratch& s,
                 carat::ExecutorRef executor, T&) const {
        using namespace carat;
        constexpr auto eps = static_cast<float>(K.rms_norm_eps);
        const auto q = s.q.rows(0, x.rows());
        nn::project(executor, x, nn::Product{w.q_proj, s.q});
        if constexpr (!K.shares_kv) nn::project(executor, x, nn::Product{w.k_proj, s.k});
        if constexpr (!K.shares_kv && !K.k_eq_v)
            nn::project(executor, x, nn::Product{w.v_proj, s.v});
        for (std::size_t t = 0; t < x.rows(); ++t) {
            for (std::size_t h = 0; h < K.heads; ++h) {
                float* head = q.row(t).data() + h * head_dim;
                simd::rms_norm(head, w.q_norm.data(), head_dim, eps, head);
                call.rotary.turn(t, head);
            }
            if constexpr (!K.shares_kv)
                for (std::size_t h = 0; h < K.kv_heads; ++h) {
                    float* k = s.k.row(t).data() + h * head_dim;
                    float* v = s.v.row(t).data() + h * head_dim;
                    simd::rms_norm(K.k_eq_v ? k : v, head_dim, eps, v);
                    cache.put_value(h, call.first + t, v);
                    simd::rms_norm(k, w.k_norm.data(), head_dim, eps, k);
                    call.rotary.turn(t, k);
                    cache.put_key(h, call.first + t, k);
                }
        }
        const auto farther = [&](std::size_t t, std::size_t h, std::size_t key,
                                 std::span<float> scores) {
            for (std::size_t i = 0; i < scores.size(); ++i)
                scores[i] -= static_cast<float>(factor) * w.slopes[h] *
                             static_cast<float>(call.first + t - key - i);
        };
        const auto visible = [&](std::size_t t) { return call.visible[t]; };
        typename Stock::Softmax{}.forward(q, visible, call.key_mask, cache, q, s.softmax, executor,
                                          farther);
        nn::project(executor, Rows<const float, K.q_size()>(q), nn::Product{w.o_proj, out});
    }
};

template <int factor>
struct Alibi {
    template <class Policy>
    struct Modules : carat::Gemma4Modules<Policy> {
        template <LayerKind K>
        using Attention = AlibiAttention<K, Policy, factor>;
    };
};

// ---- a mask that hides all keys but the query's own and the `keep` before it

template <std::size_t keep>
struct Window {
    void operator()(std::size_t query, std::size_t, std::size_t first_key,
                    std::span<float> scores) const {
        for (std::size_t i = 0; i < scores.size(); ++i)
            if (first_key + i + keep < query) scores[i] = -std::numeric_limits<float>::infinity();
    }
};
template <std::size_t keep>
struct Masked {
    template <class Policy>
    struct Modules : carat::Gemma4Modules<Policy> {
        template <LayerKind K>
        using Attention = carat::nn::Attention<K, Policy, Window<keep>>;
    };
};

// ---- activations

/// The stock activation by another name.
struct SameGelu {
    template <class V>
    V operator()(V x) const {
        return carat::simd::GeluTanh{}(x);
    }
};
struct ReluSquared {
    template <class V>
    V operator()(V x) const {
        using std::max;  // a batch brings its own max
        const V r = max(x, V(0.0f));
        return r * r;
    }
};
template <class Act>
struct With {
    template <class Policy>
    struct Modules : carat::Gemma4Modules<Policy> {
        template <LayerKind K>
        using Mlp = carat::nn::GatedMlp<K, Policy, Act>;
    };
};

// ---- a router that looks for the largest one by one, from the `skip`th on

template <LayerKind K, std::size_t skip>
struct PlainRouter {
    using Stock = carat::nn::Router<K>;
    using Weights = typename Stock::Weights;
    using Scratch = typename Stock::Scratch;

    void forward(const Weights& w, carat::Rows<const float, K.hidden_size> x,
                 carat::View<carat::nn::Route<K.top_k>, carat::dynamic> routes, const Scratch& s,
                 carat::ExecutorRef executor) const {
        Stock{}.forward(w, x, routes, s, executor);  // for the probabilities
        for (std::size_t t = 0; t < x.rows(); ++t) {
            const auto p = s.probabilities.row(t);
            std::array<bool, K.experts> seen{}, taken{};
            float sum = 0.0f;
            for (std::size_t i = 0; i < skip + K.top_k; ++i) {
                std::size_t best = K.experts;
                for (std::size_t e = 0; e < K.experts; ++e)
                    if (!seen[e] && (best == K.experts || p[e] > p[best])) best = e;
                seen[best] = true;
                if (i < skip) continue;
                taken[best] = true;
                sum += p[best];
            }
            std::size_t n = 0;
            for (std::uint32_t e = 0; e < K.experts; ++e)
                if (taken[e]) {
                    routes[t].expert[n] = e;
                    routes[t].weight[n++] = p[e] / sum * w.per_expert_scale[e];
                }
        }
    }
};
template <std::size_t skip>
struct Routing {
    template <class Policy>
    struct Modules : carat::Gemma4Modules<Policy> {
        template <LayerKind K>
        using Router = PlainRouter<K, skip>;
    };
};

}  // namespace lab

namespace carat::test {
namespace {

/// All logits of seven tokens, read in two calls.
template <TextConfig C, template <class> class Modules>
std::vector<float> logits() {
    using Model = TextModel<C, weights::f32, Modules<weights::f32>>;
    const MadeUp<Model> made;
    Serial serial;
    auto session =
        Session<Model>::create(made.weights, serial, {.context_tokens = 7, .chunk_tokens = 4});
    REQUIRE(session);
    constexpr std::array<std::int32_t, 7> ids{2, 5, 9, 3, 7, 1, 4};
    std::vector<float> all;
    REQUIRE(session->append(
        {.ids = ids, .logits_to_keep = 0},
        [&](std::size_t, std::span<const float> z) { all.insert(all.end(), z.begin(), z.end()); }));
    REQUIRE(all.size() == 7 * C.vocab_size);
    return all;
}

TEST_CASE("an attention of one's own with slopes of zero gives the stock logits, bit for bit") {
    const auto stock_a = logits<tiny::a, Gemma4Modules>();
    CHECK(logits<tiny::a, lab::Alibi<0>::Modules>() == stock_a);
    CHECK(logits<tiny::a, lab::Alibi<1>::Modules>() != stock_a);
    CHECK(logits<tiny::b, lab::Alibi<0>::Modules>() == logits<tiny::b, Gemma4Modules>());
}

TEST_CASE("a mask of one's own that hides nothing gives the stock logits, bit for bit") {
    const auto stock = logits<tiny::a, Gemma4Modules>();
    CHECK(logits<tiny::a, lab::Masked<7>::Modules>() == stock);
    CHECK(logits<tiny::a, lab::Masked<1>::Modules>() != stock);
    CHECK(logits<tiny::b, lab::Masked<7>::Modules>() == logits<tiny::b, Gemma4Modules>());
}

TEST_CASE("an activation of one's own equal to the stock one gives the stock logits, bit for bit") {
    const auto stock = logits<tiny::a, Gemma4Modules>();
    CHECK(logits<tiny::a, lab::With<lab::SameGelu>::Modules>() == stock);
    CHECK(logits<tiny::a, lab::With<lab::ReluSquared>::Modules>() != stock);
}

TEST_CASE("a router that picks what the stock one picks gives the stock logits, bit for bit") {
    const auto stock = logits<tiny::b, Gemma4Modules>();
    CHECK(logits<tiny::b, lab::Routing<0>::Modules>() == stock);
    CHECK(logits<tiny::b, lab::Routing<1>::Modules>() != stock);
}

TEST_CASE("a hidden state that a tap puts in place of another is what the rest is made of") {
    using Model = TextModel<tiny::b, weights::f32, Gemma4Modules<weights::f32>>;
    static_assert(Model::per_layer == 0 && Model::first_shared == Model::layers);
    const MadeUp<Model> made;
    Serial serial;
    constexpr std::array<std::int32_t, 7> ids[] = {{2, 5, 9, 3, 7, 1, 4}, {2, 8, 6, 3, 1, 7, 2}};
    check_patching(Model::layers + 1, [&](std::size_t which, auto& tap) {
        auto session =
            Session<Model>::create(made.weights, serial, {.context_tokens = 7, .chunk_tokens = 4});
        REQUIRE(session);
        std::vector<float> all;
        const auto keep = [&](std::size_t, std::span<const float> z) {
            all.insert(all.end(), z.begin(), z.end());
        };
        REQUIRE(session->append({.ids = ids[which], .logits_to_keep = 0}, keep, {}, tap));
        return all;
    });
}

}  // namespace
}  // namespace carat::test

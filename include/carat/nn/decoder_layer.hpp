/// \file
/// One decoder layer, in the order of spec/text.md section 5:
///
///     x = x + norm(attention(norm(x)))
///     x = x + norm(mlp(norm(x)) [and, normalised apart, the experts beside it])
///     x = x + norm(per-layer input branch(x))                                    (E2B, E4B)
///     x = x · layer_scalar
#pragma once

#include "carat/nn/attention.hpp"
#include "carat/nn/gated_mlp.hpp"
#include "carat/nn/modules.hpp"
#include "carat/nn/moe.hpp"
#include "carat/nn/per_layer_embedding.hpp"
#include "carat/nn/residual.hpp"
#include "carat/tensor/arena.hpp"

#include <cstddef>
#include <type_traits>

namespace carat::inline CARAT_ABI {

/// The modules of a decoder layer. A researcher inherits this, replaces one name and passes the
/// result to TextModel.
template <class Policy>
struct Gemma4Modules {
    template <LayerKind K>
    using Attention = nn::Attention<K, Policy>;
    // The activation is named because g++ 12 breaks down where the default of one alias has to
    // follow from the kind that another made.
    template <LayerKind K>
    using Mlp = nn::GatedMlp<mlp_kind<K>, Policy, simd::ActivationFor<K.activation>>;
    template <LayerKind K>
    using Router = nn::Router<K>;
    template <LayerKind K>
    using Experts = nn::Experts<K, Policy>;
    template <LayerKind K>
    using PerLayerInput =
        nn::PerLayerInput<per_layer_kind<K>, Policy, simd::ActivationFor<K.activation>>;
};

}  // namespace carat::inline CARAT_ABI

namespace carat::inline CARAT_ABI::nn {
inline namespace HWY_NAMESPACE {

namespace detail {

/// Stands where a kind lacks a module.
struct Nothing {
    struct Weights {};
    struct Scratch {};
};

/// The weights and scratch of the experts, for kinds that have some.
template <LayerKind K, class Modules>
struct MixtureWeights {
    View<const float, K.hidden_size> pre_feedforward_layernorm_2, post_feedforward_layernorm_1,
        post_feedforward_layernorm_2;
    typename Modules::template Router<K>::Weights router;
    typename Modules::template Experts<K>::Weights experts;
};
template <LayerKind K, class Modules>
struct MixtureScratch {
    typename Modules::template Router<K>::Scratch router;
    typename Modules::template Experts<K>::Scratch experts;
    View<Route<K.top_k>, dynamic> routes;
    Rows<float, K.hidden_size> input, output;

    template <class Space>
    static constexpr MixtureScratch take(Space& space, std::size_t tokens, std::size_t workers) {
        return {Modules::template Router<K>::Scratch::take(space, tokens),
                Modules::template Experts<K>::Scratch::take(space, tokens, workers),
                space.template take<Route<K.top_k>, dynamic>(tokens),
                space.template take<float, dynamic, K.hidden_size>(tokens),
                space.template take<float, dynamic, K.hidden_size>(tokens)};
    }
};

}  // namespace detail

template <LayerKind K, class Modules>
struct DecoderLayer {
    using Attention = typename Modules::template Attention<K>;
    using Mlp = typename Modules::template Mlp<K>;
    using Router = typename Modules::template Router<K>;
    using Experts = typename Modules::template Experts<K>;
    using PerLayer = typename Modules::template PerLayerInput<K>;
    static constexpr std::size_t hidden = K.hidden_size;
    static constexpr bool has_experts = K.experts > 0, has_per_layer = K.per_layer_input > 0;

    static_assert(AttentionModule<Attention, K>,
                  "carat: Modules::Attention must be an nn::AttentionModule: Weights, Call with "
                  "first, row, layer, key_mask, visible and rotary, Cache::take(space, slots), "
                  "Scratch::take(space, tokens, workers, slots), and forward(weights, call, x, "
                  "out, cache, scratch, executor, tap) const");
    static_assert(MlpModule<Mlp, K>,
                  "carat: Modules::Mlp must be an nn::MlpModule: Weights, Scratch::take(space, "
                  "tokens, workers), and forward(weights, x, out, scratch, executor) const");
    static_assert(!has_experts || RouterModule<Router, K>,
                  "carat: Modules::Router must be an nn::RouterModule: Weights, Scratch::take("
                  "space, tokens) with probabilities, and forward(weights, x, routes, scratch, "
                  "executor) const");
    static_assert(!has_experts || ExpertsModule<Experts, K>,
                  "carat: Modules::Experts must be an nn::ExpertsModule: Weights, Scratch::take("
                  "space, tokens, workers), and forward(weights, x, routes, out, scratch, "
                  "executor) const");

    template <bool present, class M>
    using If = std::conditional_t<present, M, detail::Nothing>;

    struct Weights {
        View<const float, hidden> input_layernorm, post_attention_layernorm,
            pre_feedforward_layernorm, post_feedforward_layernorm;
        View<const float, 1> layer_scalar;
        typename Attention::Weights self_attn;
        typename Mlp::Weights mlp;
        [[no_unique_address]] If<has_experts, detail::MixtureWeights<K, Modules>> mixture;
        [[no_unique_address]] typename If<has_per_layer, PerLayer>::Weights per_layer;
    };
    /// The modules run one after the other and share their place.
    struct Scratch {
        Rows<float, hidden> normed, output;
        typename Attention::Scratch attention;
        typename Mlp::Scratch mlp;
        [[no_unique_address]] If<has_experts, detail::MixtureScratch<K, Modules>> mixture;
        [[no_unique_address]] typename If<has_per_layer, PerLayer>::Scratch per_layer;

        template <class Space>
        static constexpr Scratch take(Space& space, std::size_t tokens, std::size_t workers,
                                      std::size_t slots) {
            Scratch s;
            s.normed = space.template take<float, dynamic, hidden>(tokens);
            s.output = space.template take<float, dynamic, hidden>(tokens);
            share(
                space,
                [&] { s.attention = Attention::Scratch::take(space, tokens, workers, slots); },
                [&] { s.mlp = Mlp::Scratch::take(space, tokens, workers); },
                [&] {
                    if constexpr (has_experts)
                        s.mixture =
                            detail::MixtureScratch<K, Modules>::take(space, tokens, workers);
                },
                [&] {
                    if constexpr (has_per_layer)
                        s.per_layer = PerLayer::Scratch::take(space, tokens);
                });
            return s;
        }
    };
    [[no_unique_address]] Attention attention{};
    [[no_unique_address]] Mlp mlp{};

    /// x [tokens, hidden] is the residual stream, in place. ple[t · ple_stride] is token t's
    /// per-layer input.
    template <Tap T>
    [[gnu::noinline]] void forward(const Weights& w, const typename Attention::Call& call,
                                   Rows<float, hidden> x, const float* ple, std::size_t ple_stride,
                                   const typename Attention::Cache& cache, const Scratch& s,
                                   ExecutorRef executor, T& tap) const {
        const auto normed = s.normed.rows(0, x.rows()), output = s.output.rows(0, x.rows());
        const Residual<hidden> stream{x, eps, executor};
        stream.norm(w.input_layernorm, normed);
        attention.forward(w.self_attn, call, normed, output, cache, s.attention, executor, tap);
        stream.add(output, w.post_attention_layernorm, w.pre_feedforward_layernorm, normed);
        mlp.forward(w.mlp, normed, output, s.mlp, executor);
        if constexpr (has_experts) add_experts(w, call, x, output, s, executor, tap);
        stream.add(output, w.post_feedforward_layernorm);
        if constexpr (has_per_layer)
            PerLayer{}.forward(w.per_layer, x, ple, ple_stride, s.per_layer, executor);
        stream.scale(w.layer_scalar[0]);
    }

    /// Whether tokens whose x nobody reads afterwards may have their keys and values alone.
    static constexpr bool has_keys = !K.shares_kv && HasOwnKeys<Attention>;
    void keys(const Weights& w, const typename Attention::Call& call, Rows<float, hidden> x,
              const typename Attention::Cache& cache, const Scratch& s,
              ExecutorRef executor) const requires has_keys {
        const auto normed = s.normed.rows(0, x.rows());
        Residual<hidden>{x, eps, executor}.norm(w.input_layernorm, normed);
        attention.keys(w.self_attn, call, normed, cache, s.attention, executor);
    }

  private:
    static constexpr auto eps = static_cast<float>(K.rms_norm_eps);
    /// output = norm_1(output) + norm_2(experts(norm(x), router(x))): the experts see their own
    /// norm of the residual stream, the router the stream itself.
    template <Tap T>
    static void add_experts(const Weights& w, const typename Attention::Call& call,
                            Rows<float, hidden> x, Rows<float, hidden> output, const Scratch& s,
                            ExecutorRef executor, T& tap) {
        const auto& m = w.mixture;
        const auto input = s.mixture.input.rows(0, x.rows()),
                   experts = s.mixture.output.rows(0, x.rows());
        const auto routes = s.mixture.routes.rows(0, x.rows());
        Router{}.forward(m.router, x, routes, s.mixture.router, executor);
        if constexpr (T::router)
            for (std::size_t t = 0; t < x.rows(); ++t)
                tap.route(call.layer, call.row + t, s.mixture.router.probabilities.row(t));
        Residual<hidden>{x, eps, executor}.norm(m.pre_feedforward_layernorm_2, input);
        Experts{}.forward(m.experts, input, routes, experts, s.mixture.experts, executor);
        const Residual<hidden> sum{output, eps, executor};
        for_rows(executor, x.rows(), [&](std::size_t t) {
            sum.norm_row(t, m.post_feedforward_layernorm_1, output);
            sum.add_row(t, experts, m.post_feedforward_layernorm_2);
        });
    }
};

}  // namespace HWY_NAMESPACE
}  // namespace carat::inline CARAT_ABI::nn

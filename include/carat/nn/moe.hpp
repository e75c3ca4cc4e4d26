/// \file
/// Mixture of experts: a router picks top_k of the experts for each token, their gated mlps are
/// summed with its weights.
///
///     p = softmax(router.proj · (rms_norm(x) ⊙ scale · hidden^(-1/2)))
///     w = p of the top_k, divided by their sum, times per_expert_scale
///     out = Σ w_j · down_j · (act(gate_j · e) ⊙ (up_j · e))
///
/// Source: spec/text.md section 11.
#pragma once

#include "carat/nn/gated_mlp.hpp"
#include "carat/nn/linear.hpp"
#include "carat/nn/tap.hpp"
#include "carat/simd/add.hpp"
#include "carat/simd/norm.hpp"
#include "carat/simd/softmax.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace carat::inline CARAT_ABI::nn {
inline namespace HWY_NAMESPACE {

/// The experts of one token, in ascending order, and what their outputs are multiplied by.
template <std::size_t top_k>
struct Route {
    std::array<std::uint32_t, top_k> expert;
    std::array<float, top_k> weight;
};

template <LayerKind K>
struct Router {
    static constexpr std::size_t hidden = K.hidden_size, experts = K.experts, top_k = K.top_k;

    struct Weights {
        View<const float, experts, hidden> proj;
        View<const float, hidden> scale;
        View<const float, experts> per_expert_scale;
    };
    struct Scratch {
        Rows<float, hidden> normed;
        Rows<float, experts> probabilities;

        template <class Space>
        static constexpr Scratch take(Space& space, std::size_t tokens) {
            return {space.template take<float, dynamic, hidden>(tokens),
                    space.template take<float, dynamic, experts>(tokens)};
        }
    };

    /// x [tokens, hidden] is the raw residual stream; routes [tokens]. s.probabilities keeps the
    /// softmax.
    void forward(const Weights& w, Rows<const float, hidden> x, View<Route<top_k>, dynamic> routes,
                 const Scratch& s, ExecutorRef executor) const {
        const float factor = 1.0f / std::sqrt(static_cast<float>(hidden));
        for_rows(executor, x.rows(), [&](std::size_t t) {
            float* u = s.normed.row(t).data();
            simd::rms_norm(x.row(t).data(), w.scale.data(), hidden,
                           static_cast<float>(K.rms_norm_eps), u);
            simd::scale(u, factor, hidden);
        });
        project(executor, Rows<const float, hidden>(s.normed.rows(0, x.rows())),
                Product{w.proj, s.probabilities});
        for_rows(executor, x.rows(), [&](std::size_t t) {
            float* p = s.probabilities.row(t).data();
            simd::softmax(p, experts);
            routes[t] = choose(p, w.per_expert_scale.data());
        });
    }

  private:
    /// The top_k largest; of equals the one with the lower index. A NaN counts as smallest.
    static Route<top_k> choose(const float* p, const float* per_expert_scale) {
        Route<top_k> route{};
        std::array<std::uint32_t, experts> order;
        for (std::uint32_t e = 0; e < experts; ++e) order[e] = e;
        const auto rank = [p](std::uint32_t e) { return p[e] == p[e] ? p[e] : -1.0f; };
        std::partial_sort(order.begin(), order.begin() + top_k, order.end(),
                          [rank](std::uint32_t a, std::uint32_t b) {
                              return rank(a) != rank(b) ? rank(a) > rank(b) : a < b;
                          });
        float sum = 0.0f;
        for (std::size_t i = 0; i < top_k; ++i) sum += p[order[i]];
        std::sort(order.begin(), order.begin() + top_k);
        for (std::size_t i = 0; i < top_k; ++i) {
            route.expert[i] = order[i];
            route.weight[i] = p[order[i]] / sum * per_expert_scale[order[i]];
        }
        return route;
    }
};

template <LayerKind K, class Policy, class Act = simd::ActivationFor<K.activation>>
struct Experts {
    using W = typename Policy::experts;
    using A = Activation<W, Policy::arithmetic>;
    static constexpr std::size_t hidden = K.hidden_size, inner = K.expert_intermediate_size;
    static constexpr std::size_t experts = K.experts, top_k = K.top_k;
    using Routes = View<const Route<top_k>, dynamic>;

    struct Weights {
        MatrixStack<W, 2 * experts, inner, hidden> gate_up_proj;  ///< gate and up of each in turn
        MatrixStack<W, experts, hidden, inner> down_proj;
    };
    /// A token's place in the list of its expert.
    struct Slot {
        std::uint32_t token;
        float weight;
    };
    struct Scratch {
        ActivationRows<A, hidden> input;         ///< [slots]: the tokens' rows, grouped by expert
        ActivationRows<A, inner> gated;          ///< [slots]
        View<Slot, dynamic> slots;               ///< [tokens · top_k]
        View<std::uint32_t, experts + 1> begin;  ///< first slot of each expert
        View<float, dynamic, dynamic> halves;    ///< [workers, 2 · tokens · row_grain]

        template <class Space>
        static constexpr Scratch take(Space& space, std::size_t tokens, std::size_t workers) {
            return {space.template take<A, dynamic, hidden / values_in<A>>(tokens * top_k),
                    space.template take<A, dynamic, inner / values_in<A>>(tokens * top_k),
                    space.template take<Slot, dynamic>(tokens * top_k),
                    space.template take<std::uint32_t, experts + 1>(),
                    space.template take<float, dynamic, dynamic>(workers, 2 * tokens * row_grain)};
        }
    };
    [[no_unique_address]] Act act{};

    /// x, out [tokens, hidden]. Experts run in ascending order and only if chosen; each reads its
    /// weights once for all its tokens. Threads share the work, however tokens are spread.
    void forward(const Weights& w, Rows<const float, hidden> x, Routes routes,
                 Rows<float, hidden> out, const Scratch& s, ExecutorRef executor) const {
        group(x, routes, s, executor);
        // A piece of an expert's rows counts once for each of its tokens.
        constexpr std::size_t pieces = (inner + row_grain - 1) / row_grain;
        parallel_for(
            executor, s.begin[experts] * pieces, 1,
            [&](std::size_t begin, std::size_t end, std::size_t worker) {
                for (std::size_t e = 0; e < experts; ++e) {
                    const std::size_t first = s.begin[e], count = s.begin[e + 1] - first;
                    const auto piece = [&](std::size_t at) {  // the first at or behind this place
                        const std::size_t past = at - std::min(at, first * pieces);
                        return std::min((past + count - 1) / count, pieces);
                    };
                    if (count == 0 || piece(begin) == piece(end)) continue;
                    const ActivationRows<const A, hidden> input(s.input.rows(first, count));
                    gated_rows(w.gate_up_proj.row(2 * e), w.gate_up_proj.row(2 * e + 1), input,
                               input, s.gated.rows(first, count), piece(begin) * row_grain,
                               std::min(piece(end) * row_grain, inner), s.halves.row(worker).span(),
                               Gated<Act>{act});
                }
            });
        parallel_for(executor, hidden, row_grain,
                     [&](std::size_t begin, std::size_t end, std::size_t worker) {
                         for (std::size_t t = 0; t < x.rows(); ++t)
                             std::fill(out.row(t).data() + begin, out.row(t).data() + end, 0.0f);
                         const auto y = s.halves.row(worker).span();
                         for (std::size_t e = 0; e < experts; ++e) {
                             const std::size_t count = s.begin[e + 1] - s.begin[e];
                             const std::size_t step = rows_at_once(count, y.size());
                             for (std::size_t r = begin; count > 0 && r < end; r += step)
                                 add_expert(w, e, r, std::min(step, end - r), out, s, y.data());
                         }
                     });
    }

  private:
    /// Slots sorted by expert, and the input row of each.
    static void group(Rows<const float, hidden> x, Routes routes, const Scratch& s,
                      ExecutorRef executor) {
        std::fill_n(s.begin.data(), experts + 1, 0u);
        for (std::size_t t = 0; t < x.rows(); ++t)
            for (std::uint32_t e : routes[t].expert) ++s.begin[e + 1];
        for (std::size_t e = 0; e < experts; ++e) s.begin[e + 1] += s.begin[e];
        for (std::size_t t = 0; t < x.rows(); ++t)
            for (std::size_t i = 0; i < top_k; ++i) {
                const std::uint32_t slot = s.begin[routes[t].expert[i]]++;
                s.slots[slot] = {static_cast<std::uint32_t>(t), routes[t].weight[i]};
            }
        for (std::size_t e = experts; e > 0; --e) s.begin[e] = s.begin[e - 1];
        s.begin[0] = 0;
        // Few are not worth a second thread.
        parallel_for(executor, s.begin[experts], 16, [&](std::size_t begin, std::size_t end) {
            for (std::size_t slot = begin; slot < end; ++slot)
                simd::convert(x.row(s.slots[slot].token).data(), hidden, s.input.row(slot).data());
        });
    }
    /// out[token, r … r + n) += weight · (down_proj_e · gated) for the tokens of expert e.
    static void add_expert(const Weights& w, std::size_t e, std::size_t r, std::size_t n,
                           Rows<float, hidden> out, const Scratch& s, float* y) {
        const std::size_t first = s.begin[e], count = s.begin[e + 1] - first;
        simd::matmul(w.down_proj.row(e), r, r + n,
                     ActivationRows<const A, inner>(s.gated.rows(first, count)), y, n);
        for (std::size_t i = 0; i < count; ++i) {
            const Slot slot = s.slots[first + i];
            simd::add_scaled(y + i * n, n, slot.weight, out.row(slot.token).data() + r);
        }
    }
};

}  // namespace HWY_NAMESPACE
}  // namespace carat::inline CARAT_ABI::nn

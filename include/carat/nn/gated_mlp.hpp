/// \file
/// Gated feed-forward: down_proj · (act(gate_proj · x) ⊙ (up_proj · x)). Source: spec/text.md
/// section 10.
#pragma once

#include "carat/nn/linear.hpp"
#include "carat/simd/activation.hpp"

#include <algorithm>
#include <cstddef>
#include <span>

namespace carat::inline CARAT_ABI::nn {
inline namespace HWY_NAMESPACE {

/// hidden[t, begin … end) = combine(gate · x_gate[t], up · x_up[t]), rounded to the type the next
/// product takes. The two halves are computed rows_at_once() rows at a time.
///   gate, up      matrices [inner, in]
///   x_gate, x_up  [tokens, in]
///   hidden        [tokens, inner]
///   halves        room of this thread for results, at least [2 · tokens · row_grain]
template <class M, class A, std::size_t in_columns, class H, std::size_t inner_columns,
          class Combine>
void gated_rows(const M& gate, const M& up, Rows<const A, in_columns> x_gate,
                Rows<const A, in_columns> x_up, Rows<H, inner_columns> hidden, std::size_t begin,
                std::size_t end, std::span<float> halves, const Combine& combine) {
    const std::size_t tokens = x_gate.rows();
    const std::size_t step = rows_at_once(tokens, halves.size() / 2);
    float* g = halves.data();
    float* u = g + tokens * step;
    for (std::size_t r = begin; r < end; r += step) {
        const std::size_t n = std::min(step, end - r);
        simd::matmul(gate, r, r + n, x_gate, g, n);
        simd::matmul(up, r, r + n, x_up, u, n);
        simd::map(g, u, tokens * n, g, combine);
        for (std::size_t t = 0; t < tokens; ++t)
            simd::convert(g + t * n, n, hidden.row(t).data() + r / values_in<H>);
    }
}

/// act(gate) ⊙ up.
template <class Act>
struct Gated {
    [[no_unique_address]] Act act;
    template <class V>
    V operator()(V gate, V up) const {
        return act(gate) * up;
    }
};

template <LayerKind K, class Policy, class Act = simd::ActivationFor<K.activation>>
struct GatedMlp {
    static_assert(simd::Pointwise<Act>,
                  "carat: an activation must be callable with a float and with a simd::Batch and "
                  "return the same type");
    using W = typename Policy::linear;
    using A = Activation<W, Policy::arithmetic>;
    static constexpr std::size_t hidden = K.hidden_size, inner = K.intermediate_size;

    struct Weights {
        Matrix<W, inner, hidden> gate_proj, up_proj;
        Matrix<W, hidden, inner> down_proj;
    };
    struct Scratch {
        Rounded<A, hidden> input;
        ActivationRows<A, inner> gated;
        View<float, dynamic, dynamic> halves;  ///< [workers, 2 · tokens · row_grain]

        template <class Space>
        static constexpr Scratch take(Space& space, std::size_t tokens, std::size_t workers) {
            return {Rounded<A, hidden>::take(space, tokens),
                    space.template take<A, dynamic, inner / values_in<A>>(tokens),
                    space.template take<float, dynamic, dynamic>(workers, 2 * tokens * row_grain)};
        }
    };
    [[no_unique_address]] Act act{};

    /// x, out [tokens, hidden].
    void forward(const Weights& w, Rows<const float, hidden> x, Rows<float, hidden> out,
                 const Scratch& s, ExecutorRef executor) const {
        const auto input = s.input(x, executor);
        const auto gated = s.gated.rows(0, x.rows());
        parallel_for(executor, inner, row_grain,
                     [&](std::size_t begin, std::size_t end, std::size_t worker) {
                         gated_rows(w.gate_proj, w.up_proj, input, input, gated, begin, end,
                                    s.halves.row(worker).span(), Gated<Act>{act});
                     });
        project(executor, ActivationRows<const A, inner>(gated), Product{w.down_proj, out});
    }
};

}  // namespace HWY_NAMESPACE
}  // namespace carat::inline CARAT_ABI::nn

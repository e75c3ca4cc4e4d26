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

/// Room for the results of a gated product of so many tokens: [workers, 2 · rows · row_grain], as
/// many rows as a band has.
template <class Space>
constexpr View<float, dynamic, dynamic> take_halves(Space& space, std::size_t workers,
                                                    std::size_t tokens) {
    return space.template take<float, dynamic, dynamic>(
        workers, 2 * std::min(tokens, band_rows) * row_grain);
}

/// gated_rows() of all tokens and rows, in one parallel region.
template <class M, class A, std::size_t in_columns, class H, std::size_t inner_columns,
          class Combine>
void gated_product(ExecutorRef executor, const M& gate, const M& up,
                   Rows<const A, in_columns> x_gate, Rows<const A, in_columns> x_up,
                   Rows<H, inner_columns> hidden, View<float, dynamic, dynamic> halves,
                   const Combine& combine) {
    const Bands bands(x_gate.rows());
    parallel_for_2d(executor, bands.count(), inner_columns * values_in<H>, row_grain,
                    [&](std::size_t band, std::size_t begin, std::size_t end, std::size_t worker) {
                        const std::size_t first = bands.first(band), n = bands.size(band);
                        gated_rows(gate, up, x_gate.rows(first, n), x_up.rows(first, n),
                                   hidden.rows(first, n), begin, end, halves.row(worker).span(),
                                   combine);
                    });
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
        View<float, dynamic, dynamic> halves;

        template <class Space>
        static constexpr Scratch take(Space& space, std::size_t tokens, std::size_t workers) {
            return {Rounded<A, hidden>::take(space, tokens),
                    space.template take<A, dynamic, inner / values_in<A>>(tokens),
                    take_halves(space, workers, tokens)};
        }
    };
    [[no_unique_address]] Act act{};

    /// x, out [tokens, hidden].
    void forward(const Weights& w, Rows<const float, hidden> x, Rows<float, hidden> out,
                 const Scratch& s, ExecutorRef executor) const {
        const auto input = s.input(x, executor);
        const auto gated = s.gated.rows(0, x.rows());
        gated_product(executor, w.gate_proj, w.up_proj, input, input, gated, s.halves,
                      Gated<Act>{act});
        project(executor, ActivationRows<const A, inner>(gated), Product{w.down_proj, out});
    }
};

}  // namespace HWY_NAMESPACE
}  // namespace carat::inline CARAT_ABI::nn

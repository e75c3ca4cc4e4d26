/// \file
/// Per-layer embeddings: a small vector for each token and layer, out of a table of its own and of
/// the layer-0 input.
///
///     tok = table[id] · sqrt(P),  ctx = rms_norm(projection · x · hidden^(-1/2)),  ple = (ctx +
///     tok) · 2^(-1/2)
///
/// Source: spec/text.md section 4.
#pragma once

#include "carat/nn/linear.hpp"
#include "carat/nn/residual.hpp"
#include "carat/simd/activation.hpp"
#include "carat/simd/convert.hpp"
#include "carat/simd/norm.hpp"
#include "carat/tensor/stored_blocks.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace carat::inline CARAT_ABI::nn {
inline namespace HWY_NAMESPACE {

/// For `layers` layers of `width` values; the table's rows hold all of them.
template <std::size_t vocab, std::size_t hidden, std::size_t layers, std::size_t width,
          class Policy>
struct PerLayerEmbedding {
    using W = typename Policy::linear;
    using A = Activation<W, Policy::arithmetic>;
    static_assert(!is_quantized<W> || width % panel_rows == 0,
                  "carat: hidden_size_per_layer_input must be a multiple of 16 with quantised "
                  "weights, so that "
                  "each layer's slice is whole panels");

    using Table = std::conditional_t<std::is_same_v<typename Policy::per_layer, as_stored>,
                                     StoredRows<vocab, layers * width>,
                                     View<const typename Policy::per_layer, vocab, layers * width>>;
    struct Weights {
        Table embed_tokens_per_layer;
        Matrix<W, layers * width, hidden> per_layer_model_projection;
        View<const float, width> per_layer_projection_norm;
    };
    struct Scratch {
        Rounded<A, hidden> input;

        template <class Space>
        static constexpr Scratch take(Space& space, std::size_t tokens) {
            return {Rounded<A, hidden>::take(space, tokens)};
        }
    };

    static constexpr std::size_t table_rows_at_once =
        8;  ///< of the table, before rows_done is told

    /// The part of a token: ple [width] += its scaled row of the table, slice `layer`.
    static void add_token_part(const Weights& w, std::int32_t id, std::size_t layer, float* ple) {
        const auto row = static_cast<std::size_t>(id);
        const auto factor = static_cast<float>(std::sqrt(static_cast<double>(width)));
        simd::add_scaled(w.embed_tokens_per_layer, row, layer * width, width, factor, ple);
    }

    /// Combined inputs of the layers [first, first + count), out [tokens, count · width] at a
    /// stride of layers · width. x [tokens, hidden] is the layer-0 input; tokens(t, layer, out)
    /// writes the token part; rows_done(n) is told of every few tokens whose rows have been read.
    template <class AddToken, class RowsDone>
    void forward(const Weights& w, Rows<const float, hidden> x, std::size_t first,
                 std::size_t count, float eps, Rows<float, layers * width> out, const Scratch& s,
                 ExecutorRef executor, bool has_tokens, const AddToken& add_token,
                 const RowsDone& rows_done) const {
        const auto input = s.input(x, executor);
        parallel_for(executor, count * width, row_grain, [&](std::size_t begin, std::size_t end) {
            simd::matmul(w.per_layer_model_projection, first * width + begin, first * width + end,
                         input, out.data() + first * width + begin, layers * width);
        });
        const float context_scale = 1.0f / std::sqrt(static_cast<float>(hidden));
        const auto combine = [&](std::size_t t) {
            for (std::size_t l = first; l < first + count; ++l) {
                float* ple = out.row(t).data() + l * width;
                simd::scale(ple, context_scale, width);
                simd::rms_norm(ple, w.per_layer_projection_norm.data(), width, eps, ple);
                if (!has_tokens) continue;
                add_token(t, l, ple);
                simd::scale(ple, 0.70710678118654752f, width);
            }
        };
        for (std::size_t t = 0; t < x.rows(); t += table_rows_at_once) {
            const std::size_t rows = std::min(table_rows_at_once, x.rows() - t);
            for_rows(executor, rows, [&](std::size_t r) { combine(t + r); });
            rows_done(rows);
        }
    }
};

/// The branch inside a layer: h += rms_norm(projection · (act(gate · h) ⊙ ple)).
template <LayerKind K, class Policy, class Act = simd::ActivationFor<K.activation>>
struct PerLayerInput {
    using W = typename Policy::linear;
    using A = Activation<W, Policy::arithmetic>;
    static constexpr std::size_t hidden = K.hidden_size, width = K.per_layer_input;

    struct Weights {
        Matrix<W, width, hidden> per_layer_input_gate;
        Matrix<W, hidden, width> per_layer_projection;
        View<const float, hidden> post_per_layer_input_norm;
    };
    struct Scratch {
        Rounded<A, hidden> input;
        Rows<float, width> gate;
        Rounded<A, width> gated;
        Rows<float, hidden> projected;

        template <class Space>
        static constexpr Scratch take(Space& space, std::size_t tokens) {
            return {Rounded<A, hidden>::take(space, tokens),
                    space.template take<float, dynamic, width>(tokens),
                    Rounded<A, width>::take(space, tokens),
                    space.template take<float, dynamic, hidden>(tokens)};
        }
    };
    [[no_unique_address]] Act act{};

    /// h [tokens, hidden] is the residual stream; ple[t · stride] the layer's slice of token t.
    void forward(const Weights& w, Rows<float, hidden> h, const float* ple, std::size_t stride,
                 const Scratch& s, ExecutorRef executor) const {
        const auto gate = s.gate.rows(0, h.rows());
        project(executor, s.input(h, executor), Product{w.per_layer_input_gate, s.gate});
        for_rows(executor, h.rows(), [&](std::size_t t) {
            float* g = gate.row(t).data();
            simd::map(g, ple + t * stride, width, g, [&](auto a, auto b) { return act(a) * b; });
        });
        project(executor, s.gated(gate, executor), Product{w.per_layer_projection, s.projected});
        const Residual<hidden> stream{h, static_cast<float>(K.rms_norm_eps), executor};
        stream.add(s.projected, w.post_per_layer_input_norm);
    }
};

}  // namespace HWY_NAMESPACE
}  // namespace carat::inline CARAT_ABI::nn

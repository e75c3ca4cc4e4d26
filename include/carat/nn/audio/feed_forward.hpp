/// \file
/// Half a feed-forward step of the conformer, one before attention and one behind the convolution:
///
///     x = x + residual_weight · norm(ffw_layer_2 · act(ffw_layer_1 · norm(x)))
///
/// Source: spec/audio.md section 7.1.
#pragma once

#include "carat/nn/audio/clipped_norm.hpp"
#include "carat/nn/clipped_linear.hpp"
#include "carat/simd/activation.hpp"

#include <cstddef>

namespace carat::inline CARAT_ABI::nn::audio {
inline namespace HWY_NAMESPACE {

template <AudioConfig C, class Policy, class Act = simd::ActivationFor<C.hidden_act>>
struct FeedForward {
    static constexpr std::size_t hidden = C.hidden_size, inner = C.ffw_size();
    using Up = ClippedLinear<inner, hidden, C.use_clipped_linears, Policy>;
    using Down = ClippedLinear<hidden, inner, C.use_clipped_linears, Policy>;
    using Norm = ClippedNorm<C>;
    /// A constant, and not a part of C that is read: there clang 14 takes another for it where
    /// pointers have 32 bits.
    static constexpr auto residual_weight = static_cast<float>(C.residual_weight);

    struct Weights {
        View<const float, hidden> pre_layer_norm, post_layer_norm;
        typename Up::Weights ffw_layer_1;
        typename Down::Weights ffw_layer_2;
    };
    struct Scratch {
        Rows<float, hidden> row;  ///< normed input, then the output
        Rows<float, inner> inner_rows;
        typename Up::Scratch up;
        typename Down::Scratch down;

        template <class Space>
        static constexpr Scratch take(Space& space, std::size_t tokens) {
            return {space.template take<float, dynamic, hidden>(tokens),
                    space.template take<float, dynamic, inner>(tokens),
                    Up::Scratch::take(space, tokens), Down::Scratch::take(space, tokens)};
        }
    };
    [[no_unique_address]] Act act{};

    /// x [tokens, hidden], in place.
    void forward(const Weights& w, Rows<float, hidden> x, const Scratch& s,
                 ExecutorRef executor) const {
        const auto row = s.row.rows(0, x.rows());
        const auto middle = s.inner_rows.rows(0, x.rows());
        for_rows(executor, x.rows(), [&](std::size_t t) {
            Norm::apply(w.pre_layer_norm, x.row(t).data(), row.row(t).data());
        });
        Up{}.forward(w.ffw_layer_1, row, middle, s.up, executor);
        for_rows(executor, x.rows(), [&](std::size_t t) {
            simd::map(middle.row(t).data(), inner, middle.row(t).data(), act);
        });
        Down{}.forward(w.ffw_layer_2, middle, row, s.down, executor);
        for_rows(executor, x.rows(), [&](std::size_t t) {
            Norm::add(w.post_layer_norm, row.row(t).data(), residual_weight, x.row(t).data());
        });
    }
};

}  // namespace HWY_NAMESPACE
}  // namespace carat::inline CARAT_ABI::nn::audio

/// \file
/// The conformer's convolution, causal and one channel at a time:
///
///     a, b = halves of linear_start · norm(x)
///     y[t] = Σ_j depthwise[j] ⊙ (a ⊙ sigmoid(b))[t - kernel + 1 + j]      (zeros before the start)
///     x = x + linear_end · act(norm(y))
///
/// Source: spec/audio.md section 7.4.
#pragma once

#include "carat/nn/audio/clipped_norm.hpp"
#include "carat/nn/clipped_linear.hpp"
#include "carat/simd/activation.hpp"
#include "carat/simd/add.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace carat::inline CARAT_ABI::nn::audio {
inline namespace HWY_NAMESPACE {

template <AudioConfig C, class Policy, class Act = simd::ActivationFor<C.hidden_act>>
struct LightConvolution {
    static constexpr std::size_t hidden = C.hidden_size, kernel = C.conv_kernel_size;
    using Start = ClippedLinear<2 * hidden, hidden, C.use_clipped_linears, Policy>;
    using End = ClippedLinear<hidden, hidden, C.use_clipped_linears, Policy>;
    using Norm = ClippedNorm<C>;

    struct Weights {
        View<const float, hidden> pre_layer_norm, conv_norm;
        typename Start::Weights linear_start;
        typename End::Weights linear_end;
        View<const float, hidden, 1, kernel> depthwise_conv1d;
    };
    struct Scratch {
        Rows<float, hidden> row, gated;  ///< [tokens]
        Rows<float, 2 * hidden> halves;  ///< [tokens]
        typename Start::Scratch start;
        typename End::Scratch end;
        View<float, kernel, hidden> taps;  ///< the depthwise weight, channels last

        template <class Space>
        static constexpr Scratch take(Space& space, std::size_t tokens) {
            return {space.template take<float, dynamic, hidden>(tokens),
                    space.template take<float, dynamic, hidden>(tokens),
                    space.template take<float, dynamic, 2 * hidden>(tokens),
                    Start::Scratch::take(space, tokens),
                    End::Scratch::take(space, tokens),
                    space.template take<float, kernel, hidden>()};
        }
    };
    [[no_unique_address]] Act act{};

    /// x [tokens, hidden], in place.
    void forward(const Weights& w, Rows<float, hidden> x, const Scratch& s,
                 ExecutorRef executor) const {
        const auto row = s.row.rows(0, x.rows()), gated = s.gated.rows(0, x.rows());
        const auto halves = s.halves.rows(0, x.rows());
        for_rows(executor, x.rows(), [&](std::size_t t) {  // no clip before this norm
            simd::rms_norm(x.row(t).data(), w.pre_layer_norm.data(), hidden, Norm::eps,
                           row.row(t).data());
        });
        Start{}.forward(w.linear_start, row, halves, s.start, executor);
        for_rows(executor, x.rows(), [&](std::size_t t) {
            const float* a = halves.row(t).data();
            simd::map(a, a + hidden, hidden, gated.row(t).data(), [](auto value, auto gate) {
                using std::exp;
                return value / (decltype(gate)(1.0f) + exp(-gate));
            });
        });
        for (std::size_t j = 0; j < kernel; ++j)
            for (std::size_t c = 0; c < hidden; ++c)
                s.taps(j, c) = w.depthwise_conv1d.data()[c * kernel + j];
        for_rows(executor, x.rows(), [&](std::size_t t) {
            float* y = row.row(t).data();
            std::fill_n(y, hidden, 0.0f);
            for (std::size_t j = t + 1 < kernel ? kernel - 1 - t : 0; j < kernel; ++j)
                simd::add_product(y, s.taps.row(j).data(), gated.row(t + 1 + j - kernel).data(),
                                  hidden);
            Norm::apply(w.conv_norm, y, y);
            simd::map(y, hidden, y, act);
        });
        End{}.forward(w.linear_end, row, gated, s.end, executor);
        for_rows(executor, x.rows(),
                 [&](std::size_t t) { simd::add(x.row(t).data(), gated.row(t).data(), hidden); });
    }
};

}  // namespace HWY_NAMESPACE
}  // namespace carat::inline CARAT_ABI::nn::audio

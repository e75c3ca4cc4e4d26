/// \file
/// rms_norm(clip(x)): the norms of the conformer, whose input is kept within gradient_clipping.
/// Source: spec/audio.md section 7.
#pragma once

#include "carat/config/audio_config.hpp"
#include "carat/nn/clipped_linear.hpp"
#include "carat/simd/add.hpp"
#include "carat/simd/norm.hpp"
#include "carat/tensor/view.hpp"

#include <algorithm>
#include <cstddef>
#include <limits>

namespace carat::inline CARAT_ABI::nn::audio {
inline namespace HWY_NAMESPACE {

template <AudioConfig C>
struct ClippedNorm {
    static constexpr std::size_t hidden = C.hidden_size;
    static constexpr auto eps = static_cast<float>(C.rms_norm_eps);
    static constexpr auto bound = static_cast<float>(
        std::min(C.gradient_clipping, static_cast<double>(std::numeric_limits<float>::max())));
    using Weight = View<const float, hidden>;

    /// out = rms_norm(clip(x)) of a row; out may be x.
    static void apply(Weight w, const float* x, float* out) {
        simd::map(x, hidden, out, Clamp{-bound, bound});
        simd::rms_norm(out, w.data(), hidden, eps, out);
    }
    /// x += scale · rms_norm(clip(y)) of a row; y is overwritten.
    static void add(Weight w, float* y, float scale, float* x) {
        apply(w, y, y);
        simd::add_scaled(y, hidden, scale, x);
    }
};

}  // namespace HWY_NAMESPACE
}  // namespace carat::inline CARAT_ABI::nn::audio

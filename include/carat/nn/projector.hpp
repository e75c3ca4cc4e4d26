/// \file
/// From a tower into the text model's embeddings: embedding_projection · rms_norm(x), the norm
/// without a weight. Source: spec/vision.md section 9.
#pragma once

#include "carat/nn/linear.hpp"
#include "carat/simd/norm.hpp"

#include <cstddef>

namespace carat::inline CARAT_ABI::nn {
inline namespace HWY_NAMESPACE {

template <std::size_t text_hidden, std::size_t hidden, class Policy>
struct Projector {
    using W = typename Policy::tower;
    using A = Activation<W, Policy::arithmetic>;

    struct Weights {
        View<const W, text_hidden, hidden> embedding_projection;
    };
    using Scratch = Rounded<A, hidden>;

    /// x [rows, hidden] is overwritten; out [rows, text_hidden].
    void forward(const Weights& w, float eps, Rows<float, hidden> x, Rows<float, text_hidden> out,
                 const Scratch& s, ExecutorRef executor) const {
        for_rows(executor, x.rows(), [&](std::size_t i) {
            simd::rms_norm(x.row(i).data(), hidden, eps, x.row(i).data());
        });
        project(executor, s(x, executor), Product{w.embedding_projection, out});
    }
};

}  // namespace HWY_NAMESPACE
}  // namespace carat::inline CARAT_ABI::nn

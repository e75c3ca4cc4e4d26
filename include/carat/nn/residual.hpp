/// \file
/// The residual stream of a layer, with the norms around its modules: into a module goes norm(x),
/// and norm(y) of its result is added to x.
#pragma once

#include "carat/nn/linear.hpp"
#include "carat/simd/add.hpp"
#include "carat/simd/norm.hpp"

#include <cstddef>

namespace carat::inline CARAT_ABI::nn {
inline namespace HWY_NAMESPACE {

/// Of its width alone, so that all kinds of layers of a model share the code.
template <std::size_t hidden>
struct Residual {
    using Norm = View<const float, hidden>;

    Rows<float, hidden> x;  ///< [tokens, hidden]
    float eps;              ///< of the norms
    ExecutorRef executor;

    /// out = norm(x)
    void norm(Norm w, Rows<float, hidden> out) const {
        for_rows(executor, x.rows(), [&](std::size_t t) { norm_row(t, w, out); });
    }
    /// x += norm(y); y is overwritten.
    void add(Rows<float, hidden> y, Norm w) const {
        for_rows(executor, x.rows(), [&](std::size_t t) { add_row(t, y, w); });
    }
    /// x += norm(y), and then out = next_norm(x): one region less than apart.
    void add(Rows<float, hidden> y, Norm w, Norm next, Rows<float, hidden> out) const {
        for_rows(executor, x.rows(), [&](std::size_t t) {
            add_row(t, y, w);
            norm_row(t, next, out);
        });
    }
    /// x *= factor
    void scale(float factor) const {
        for_rows(executor, x.rows(),
                 [&](std::size_t t) { simd::scale(x.row(t).data(), factor, hidden); });
    }

    /// The same of token t alone, on this thread.
    void norm_row(std::size_t t, Norm w, Rows<float, hidden> out) const {
        simd::rms_norm(x.row(t).data(), w.data(), hidden, eps, out.row(t).data());
    }
    void add_row(std::size_t t, Rows<float, hidden> y, Norm w) const {
        simd::rms_norm(y.row(t).data(), w.data(), hidden, eps, y.row(t).data());
        simd::add(x.row(t).data(), y.row(t).data(), hidden);
    }
};

}  // namespace HWY_NAMESPACE
}  // namespace carat::inline CARAT_ABI::nn

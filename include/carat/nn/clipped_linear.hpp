/// \file
/// Linear layer of the towers, y = clamp(clamp(x) · Wᵀ): input and output stay within bounds that
/// the checkpoint stores beside the weight (E2B, E4B), or nothing is clamped (31B, 26B-A4B).
/// Source: spec/vision.md section 6.
#pragma once

#include "carat/nn/linear.hpp"
#include "carat/simd/batch.hpp"
#include "carat/simd/map.hpp"
#include "carat/tensor/view.hpp"

#include <algorithm>
#include <cstddef>
#include <limits>

namespace carat::inline CARAT_ABI::nn {
inline namespace HWY_NAMESPACE {

/// Brings a value, or a batch of them, between two bounds.
struct Clamp {
    float low = -std::numeric_limits<float>::infinity();
    float high = std::numeric_limits<float>::infinity();

    /// Bounds as a checkpoint stores them; one that it does not have does not bound.
    static Clamp between(View<const float, 1> low, View<const float, 1> high) {
        Clamp c;
        if (low) c.low = low[0];
        if (high) c.high = high[0];
        return c;
    }
    /// A NaN stays one.
    float operator()(float x) const {
        x = x < low ? low : x;
        return x > high ? high : x;
    }
    simd::Batch operator()(simd::Batch x) const {
        const simd::Batch lowest(low), highest(high);
        x = xsimd::select(x < lowest, lowest, x);
        return xsimd::select(x > highest, highest, x);
    }
};

/// The weight of a layer and, if it is clipped, its bounds.
template <class W, std::size_t out, std::size_t in, bool clipped>
struct ClippedWeights {
    View<const W, out, in> weight;
    View<const float, 1> input_min, input_max, output_min, output_max;

    [[nodiscard]] Clamp input() const { return Clamp::between(input_min, input_max); }
    [[nodiscard]] Clamp output() const { return Clamp::between(output_min, output_max); }
};
template <class W, std::size_t out, std::size_t in>
struct ClippedWeights<W, out, in, false> {
    View<const W, out, in> weight;
};

/// Rows of a layer's input, clamped, in the type its product takes: a copy, or nothing where an
/// input that is not clamped is taken as it is. One place serves all layers of the same width in
/// turn.
template <class A, std::size_t width, bool clipped>
struct ClippedInput {
    Rows<A, width> copy;

    template <class Space>
    static constexpr ClippedInput take(Space& space, std::size_t rows) {
        return {space.template take<A, dynamic, width>(rows)};
    }
    /// x clamped as the input of the layer `w`.
    template <class Weights>
    Rows<const A, width> operator()(const Weights& w, Rows<const float, width> x,
                                    ExecutorRef executor) const {
        const Clamp clamp = w.input();
        for_rows(executor, x.rows(), [&](std::size_t t) {
            const float* from = x.row(t).data();
            A* to = copy.row(t).data();
            simd::for_each_batch(width, [&](std::size_t i, std::size_t n) {
                float clamped[simd::Batch::size];
                simd::store(clamped, n, clamp(simd::load(from + i, n)));
                simd::convert(clamped, n, to + i);
            });
        });
        return copy.rows(0, x.rows());
    }
};
template <class A, std::size_t width>
struct ClippedInput<A, width, false> : Rounded<A, width> {
    template <class Space>
    static constexpr ClippedInput take(Space& space, std::size_t rows) {
        return {Rounded<A, width>::take(space, rows)};
    }
    template <class Weights>
    Rows<const A, width> operator()(const Weights&, Rows<const float, width> x,
                                    ExecutorRef executor) const {
        return Rounded<A, width>::operator()(x, executor);
    }
};

/// A Product whose rows are clamped as soon as they are there.
template <class M, std::size_t out>
struct ClippedProduct {
    Product<M, out> product;
    Clamp clamp;
    static constexpr std::size_t padded = Product<M, out>::padded;

    template <class A, std::size_t columns>
    void rows(std::size_t begin, std::size_t end, Rows<const A, columns> x,
              std::size_t first) const {
        end = std::min(end, out);
        if (begin >= end) return;
        product.rows(begin, end, x, first);
        for (std::size_t t = 0; t < x.rows(); ++t) {
            float* y = product.y.row(first + t).data() + begin;
            simd::map(y, end - begin, y, clamp);
        }
    }
};

template <class M, std::size_t out>
ClippedProduct(Product<M, out>, Clamp) -> ClippedProduct<M, out>;

template <std::size_t out, std::size_t in, bool clipped, class Policy>
struct ClippedLinear {
    using W = typename Policy::tower;
    using A = Activation<W, Policy::arithmetic>;
    using Weights = ClippedWeights<W, out, in, clipped>;
    using Scratch = ClippedInput<A, in, clipped>;

    /// x [rows, in], y [rows, out].
    void forward(const Weights& w, Rows<const float, in> x, Rows<float, out> y, const Scratch& s,
                 ExecutorRef executor) const {
        const Rows<const A, in> input = s(w, x, executor);
        if constexpr (clipped) {
            project(executor, input, ClippedProduct{Product{w.weight, y}, w.output()});
        } else {
            project(executor, input, Product{w.weight, y});
        }
    }
};

}  // namespace HWY_NAMESPACE
}  // namespace carat::inline CARAT_ABI::nn

/// \file
/// Linear layers: y = x · Wᵀ, several at a time where they share their input.
#pragma once

#include "carat/nn/bands.hpp"
#include "carat/parallel/executor.hpp"
#include "carat/simd/convert.hpp"
#include "carat/simd/matmul.hpp"
#include "carat/simd/panels.hpp"
#include "carat/tensor/matrix.hpp"
#include "carat/tensor/view.hpp"
#include "carat/tensor/weights.hpp"

#include <algorithm>
#include <cstddef>
#include <type_traits>

namespace carat::inline CARAT_ABI::nn {
inline namespace HWY_NAMESPACE {

/// What a product with weights of format W takes its input as: f32, or in fast arithmetic what the
/// machine's dot product for W takes.
template <class W, Arithmetic a>
using Activation = std::conditional_t<
    a == Arithmetic::fast && is_quantized<W>, q8_activation,
    std::conditional_t<a == Arithmetic::fast && std::is_same_v<W, bf16>, bf16, float>>;

/// Rows of a layer's input in the type its product takes: a rounded copy, or nothing where f32 is
/// taken as it is.
template <class A, std::size_t width>
struct Rounded {
    ActivationRows<A, width> copy;

    template <class Space>
    static constexpr Rounded take(Space& space, std::size_t rows) {
        return {space.template take<A, dynamic, width / values_in<A>>(rows)};
    }
    ActivationRows<const A, width> operator()(Rows<const float, width> x,
                                              ExecutorRef executor) const {
        parallel_for(executor, x.rows(), 8, [&](std::size_t begin, std::size_t end) {
            for (std::size_t t = begin; t < end; ++t)
                simd::convert(x.row(t).data(), width, copy.row(t).data());
        });
        return copy.rows(0, x.rows());
    }
};
template <std::size_t width>
struct Rounded<float, width> {
    template <class Space>
    static constexpr Rounded take(Space&, std::size_t) {
        return {};
    }
    Rows<const float, width> operator()(Rows<const float, width> x, ExecutorRef) const { return x; }
};

/// Rows of weights that one thread takes at a time: whole tiles and packed blocks of the kernels
/// (8, 4 and at most 64 rows), whole panels (16) and whole blocks of what a next product reads
/// (32).
inline constexpr std::size_t row_grain = 64;

/// Rows that a thread takes of one matrix before it turns to another: few, so that results stay in
/// the cache; for a token alone, which reads weights faster the longer it stays with one matrix,
/// all whose results `room` floats hold.
constexpr std::size_t rows_at_once(std::size_t tokens, std::size_t room) {
    return tokens > 1 ? row_grain : std::max(room / row_grain, std::size_t{1}) * row_grain;
}

/// One product of a group: w, a Matrix [out, in], with the group's input, into y [tokens, out].
template <class M, std::size_t out>
struct Product {
    M w;
    Rows<float, out> y;
    static constexpr std::size_t padded = (out + row_grain - 1) / row_grain * row_grain;

    /// The rows [begin, end) of w with x, the group's input from row `first` on.
    template <class A, std::size_t columns>
    void rows(std::size_t begin, std::size_t end, Rows<const A, columns> x,
              std::size_t first) const {
        end = std::min(end, out);
        if (begin < end) simd::matmul(w, begin, end, x, y.row(first).data() + begin, out);
    }
};
template <class M, std::size_t out>
Product(M, Rows<float, out>) -> Product<M, out>;

/// All products of the rows x [tokens, in], in the type they take, in one parallel region.
template <class A, std::size_t columns, class... Products>
void project(ExecutorRef executor, Rows<const A, columns> x, const Products&... products) {
    const Bands bands(x.rows());
    parallel_for_2d(executor, bands.count(), (Products::padded + ...), row_grain,
                    [&](std::size_t band, std::size_t begin, std::size_t end, std::size_t) {
                        const std::size_t first = bands.first(band);
                        const auto input = x.rows(first, bands.size(band));
                        std::size_t start = 0;
                        const auto part = [&](const auto& p) {
                            const std::size_t padded = p.padded;
                            if (begin < start + padded && end > start)
                                p.rows(std::max(begin, start) - start,
                                       std::min(end - start, padded), input, first);
                            start += padded;
                        };
                        (part(products), ...);
                    });
}

/// f(row) for each row of a call, on the executor.
template <class F>
void for_rows(ExecutorRef executor, std::size_t rows, F&& f) {
    parallel_for(executor, rows, 4, [&](std::size_t begin, std::size_t end) {
        for (std::size_t row = begin; row < end; ++row) f(row);
    });
}

}  // namespace HWY_NAMESPACE
}  // namespace carat::inline CARAT_ABI::nn

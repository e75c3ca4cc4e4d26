/// \file
/// Matrix<W, out, in>: the weights of a linear layer in format W. Rows of elements for f32, bf16
/// and f16; panels for quantised formats; rows of blocks for a format of somebody's own. A module
/// names its format and never looks inside.
#pragma once

#include "carat/tensor/quantized.hpp"
#include "carat/tensor/view.hpp"

#include <concepts>
#include <cstddef>
#include <type_traits>

namespace carat::inline CARAT_ABI {

template <class W>
inline constexpr bool is_quantized = std::is_same_v<W, q8_0> || std::is_same_v<W, q4_0>;

/// A format of somebody's own: a W is `values` consecutive weights of a row. quantize() makes one
/// from so many floats while a checkpoint is read, dequantize() writes them back; products are made
/// in f32. It may be the linear, embedding and experts of a policy.
template <class W>
concept WeightFormat = !is_quantized<W> && std::is_trivially_copyable_v<W> &&
                       requires(const W w, const float* from, float* to) {
    { W::values } -> std::convertible_to<std::size_t>;
    { W::quantize(from) } -> std::same_as<W>;
    w.dequantize(to);
};

/// A quantised matrix [out, in] as panels of sixteen rows; the last one is filled up with zeros.
template <class Format, std::size_t out, std::size_t in>
class PanelView {
    static_assert(in % quant_block == 0,
                  "carat: q8_0 and q4_0 need rows that are multiples of 32 values; keep this role "
                  "in bf16, or change the config");

  public:
    using format = Format;
    using Element = Panel<Format, in>;
    static constexpr std::size_t panels = (out + panel_rows - 1) / panel_rows;

    constexpr PanelView() = default;
    constexpr explicit PanelView(const Element* data) : data_(data) {}
    [[nodiscard]] constexpr const Element* data() const { return data_; }
    [[nodiscard]] constexpr explicit operator bool() const { return data_ != nullptr; }

    /// One value, for single rows (embeddings) and tests.
    [[nodiscard]] float at(std::size_t row, std::size_t i) const {
        const PanelBlock<Format>& b = data_[row / panel_rows][i / quant_block];
        const std::size_t r = row % panel_rows;
        return to_f32(b.scale[r]) * static_cast<float>(b.level(r, i % quant_block));
    }

  private:
    const Element* data_ = nullptr;
};

/// n quantised matrices, one behind the other: experts.
template <class Format, std::size_t n, std::size_t out, std::size_t in>
class PanelStack {
  public:
    using Item = PanelView<Format, out, in>;

    constexpr PanelStack() = default;
    constexpr explicit PanelStack(const typename Item::Element* data) : data_(data) {}
    [[nodiscard]] constexpr const typename Item::Element* data() const { return data_; }
    [[nodiscard]] constexpr explicit operator bool() const { return data_ != nullptr; }
    [[nodiscard]] constexpr Item row(std::size_t i) const { return Item(data_ + i * Item::panels); }

  private:
    const typename Item::Element* data_ = nullptr;
};

namespace detail {

template <class W, std::size_t out, std::size_t in>
struct MatrixOf {
    static_assert(dtype_of<W> == DType::f32 || dtype_of<W> == DType::bf16 ||
                      dtype_of<W> == DType::f16,
                  "carat: a policy's weights must be f32, bf16, f16, q8_0, q4_0 or a WeightFormat, "
                  "with values, quantize(const float*) and dequantize(float*) const");
    using type = View<const W, out, in>;
};
template <WeightFormat W, std::size_t out, std::size_t in>
struct MatrixOf<W, out, in> {
    static_assert(in % W::values == 0,
                  "carat: this WeightFormat needs rows that are multiples of its values; keep this "
                  "role in bf16, or change the config");
    using type = View<const W, out, in / W::values>;
};
template <class W, std::size_t out, std::size_t in>
requires is_quantized<W>
struct MatrixOf<W, out, in> {
    using type = PanelView<W, out, in>;
};
template <class W, std::size_t n, std::size_t out, std::size_t in>
struct StackOf {
    using type = View<const W, n, out, in>;
};
template <WeightFormat W, std::size_t n, std::size_t out, std::size_t in>
struct StackOf<W, n, out, in> {
    using type = View<const W, n, out, in / W::values>;
};
template <class W, std::size_t n, std::size_t out, std::size_t in>
requires is_quantized<W>
struct StackOf<W, n, out, in> {
    using type = PanelStack<W, n, out, in>;
};

}  // namespace detail

template <class W, std::size_t out, std::size_t in>
using Matrix = typename detail::MatrixOf<W, out, in>::type;
/// n matrices of one shape; row(i) is the i-th.
template <class W, std::size_t n, std::size_t out, std::size_t in>
using MatrixStack = typename detail::StackOf<W, n, out, in>::type;

/// Rows of activations [rows, width] in the type a product takes: elements, or blocks of 32.
template <class A>
inline constexpr std::size_t values_in =
    std::is_same_v<std::remove_const_t<A>, q8_activation> ? quant_block : 1;
template <class A, std::size_t width>
using ActivationRows = Rows<A, width / values_in<A>>;

}  // namespace carat::inline CARAT_ABI

/// \file
/// View<T, extents...>: typed, unowned memory with a shape, row-major and contiguous.
///
/// A static extent is part of the type and costs nothing; `dynamic` ones are stored. `View<const
/// bf16, 2048, 1536>` is one pointer, `View<float, dynamic, 1536>` a pointer and a count.
#pragma once

#include "carat/base/abi.hpp"

#include <array>
#include <cstddef>
#include <span>
#include <type_traits>

namespace carat::inline CARAT_ABI {

inline constexpr std::size_t dynamic = static_cast<std::size_t>(-1);

namespace detail {

/// The sizes of the dynamic extents; nothing at all where there are none.
template <std::size_t n>
struct DynamicSizes {
    std::array<std::size_t, n> sizes{};
    constexpr std::size_t& operator[](std::size_t i) { return sizes[i]; }
    constexpr std::size_t operator[](std::size_t i) const { return sizes[i]; }
};
template <>
struct DynamicSizes<0> {
    constexpr std::size_t operator[](std::size_t) const { return 0; }
};

}  // namespace detail

template <class T, std::size_t... Extents>
class View;

namespace detail {

/// Views of what lies below the outermost axis: at one index, and at several.
template <class T, std::size_t outermost, std::size_t... inner>
struct Inner {
    using Row = View<T, inner...>;
    using Rows = View<T, dynamic, inner...>;
};

}  // namespace detail

template <class T, std::size_t... Extents>
class View {
    static_assert(sizeof...(Extents) > 0, "carat: a View needs at least one extent");

  public:
    using element_type = T;
    static constexpr std::size_t rank = sizeof...(Extents);
    static constexpr std::array<std::size_t, rank> static_extents{Extents...};
    static constexpr std::size_t dynamic_extents = ((Extents == dynamic ? 1u : 0u) + ...);

    constexpr View() = default;
    /// The pointer, then one size for each dynamic extent, outermost first.
    template <class... Sizes>
    requires(sizeof...(Sizes) == dynamic_extents && (std::is_convertible_v<Sizes, std::size_t> &&
                                                     ...)) constexpr explicit View(T* data,
                                                                                   Sizes... sizes)
        : data_(data), sizes_{static_cast<std::size_t>(sizes)...} {}
    /// View<T> to View<const T>, static extents to dynamic ones.
    template <class U, std::size_t... Others>
    requires(std::is_convertible_v<U (*)[], T (*)[]> && sizeof...(Others) == rank &&
             ((Extents == dynamic || Extents == Others) &&
              ...)) constexpr View(const View<U, Others...>& other)
        : data_(other.data()) {
        if constexpr (dynamic_extents > 0) {
            std::size_t at = 0;
            for (std::size_t i = 0; i < rank; ++i)
                if (static_extents[i] == dynamic) sizes_[at++] = other.extent(i);
        }
    }

    [[nodiscard]] constexpr T* data() const { return data_; }
    [[nodiscard]] constexpr explicit operator bool() const { return data_ != nullptr; }
    [[nodiscard]] constexpr std::size_t extent(std::size_t axis) const {
        if (static_extents[axis] != dynamic) return static_extents[axis];
        std::size_t at = 0;
        for (std::size_t i = 0; i < axis; ++i)
            if (static_extents[i] == dynamic) ++at;
        return sizes_[at];
    }
    /// Elements in all.
    [[nodiscard]] constexpr std::size_t size() const {
        std::size_t n = 1;
        for (std::size_t i = 0; i < rank; ++i) n *= extent(i);
        return n;
    }
    /// Elements from one index of the outermost axis to the next.
    [[nodiscard]] constexpr std::size_t stride() const {
        std::size_t n = 1;
        for (std::size_t i = 1; i < rank; ++i) n *= extent(i);
        return n;
    }
    [[nodiscard]] constexpr std::size_t rows() const { return extent(0); }

    constexpr T& operator[](std::size_t i) const requires(rank == 1) { return data_[i]; }
    constexpr T& operator()(std::size_t i, std::size_t j) const requires(rank == 2) {
        return data_[i * extent(1) + j];
    }
    /// Index i of the outermost axis: a view of one rank less.
    [[nodiscard]] constexpr auto row(std::size_t i) const requires(rank > 1) {
        typename detail::Inner<T, Extents...>::Row row;
        row.data_ = data_ + i * stride();
        constexpr std::size_t sizes = row.dynamic_extents;  // the last of this view's
        if constexpr (sizes > 0)
            for (std::size_t k = 0; k < sizes; ++k)
                row.sizes_[k] = sizes_[k + dynamic_extents - sizes];
        return row;
    }
    /// Indices [begin, begin + count) of the outermost axis.
    [[nodiscard]] constexpr auto rows(std::size_t begin, std::size_t count) const {
        typename detail::Inner<T, Extents...>::Rows rows;
        rows.data_ = data_ + begin * stride();
        rows.sizes_[0] = count;
        constexpr std::size_t sizes = rows.dynamic_extents;
        for (std::size_t k = 1; k < sizes; ++k)
            rows.sizes_[k] = sizes_[k + dynamic_extents - sizes];
        return rows;
    }
    [[nodiscard]] constexpr std::span<T> span() const { return {data_, size()}; }
    /// A row is a span, of constants too.
    template <class U>
    requires(rank == 1 && std::is_convertible_v<T (*)[], U (*)[]>) constexpr operator std::span<U>()
        const {
        return span();
    }

  private:
    template <class, std::size_t...>
    friend class View;

    T* data_ = nullptr;
    [[no_unique_address]] detail::DynamicSizes<dynamic_extents> sizes_{};
};

/// Rows of a model's width whose count is known at run time: `[rows, width]`.
template <class T, std::size_t width>
using Rows = View<T, dynamic, width>;

}  // namespace carat::inline CARAT_ABI

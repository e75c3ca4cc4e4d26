/// \file
/// Lists in the order of their names, and of whatever else: one sort for the compiler.
#pragma once

#include "carat/base/abi.hpp"

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

namespace carat::inline CARAT_ABI {
namespace detail {

[[gnu::noinline]] inline std::vector<std::size_t> sorted_places(
    std::size_t n, const void* order, bool (*before)(const void*, std::size_t, std::size_t)) {
    std::vector<std::size_t> places(n);
    for (std::size_t i = 0; i < n; ++i) places[i] = i;
    std::sort(places.begin(), places.end(),
              [&](std::size_t i, std::size_t j) { return before(order, i, j); });
    return places;
}

}  // namespace detail

/// The numbers 0 … n - 1 in the order that before(i, j) says.
template <class Before>
[[nodiscard]] std::vector<std::size_t> sorted_places(std::size_t n, const Before& before) {
    return detail::sorted_places(n, &before, [](const void* order, std::size_t i, std::size_t j) {
        return (*static_cast<const Before*>(order))(i, j);
    });
}

/// Puts `all` into the order of name_of(element), a std::string_view; those of one name stay in
/// their own order.
template <class T, class NameOf>
void sort_by_name(std::vector<T>& all, NameOf&& name_of) {
    std::vector<std::size_t> order = sorted_places(all.size(), [&](std::size_t i, std::size_t j) {
        const int compared = name_of(all[i]).compare(name_of(all[j]));
        return compared != 0 ? compared < 0 : i < j;
    });
    for (std::size_t i = 0; i < all.size(); ++i) {  // the cycle that i is in
        std::size_t at = i;
        for (std::size_t from = order[at]; from != i; from = order[at]) {
            std::swap(all[at], all[from]);
            order[at] = at;
            at = from;
        }
        order[at] = at;
    }
}

}  // namespace carat::inline CARAT_ABI

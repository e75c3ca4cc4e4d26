/// \file
/// Lists in the order of their names: whatever is listed, one sort.
#pragma once

#include "carat/abi.hpp"

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

namespace carat::inline CARAT_ABI {
namespace detail {

struct NamedPlace {
    std::string_view name;
    std::size_t place;
};
[[gnu::noinline]] inline void sort_names(std::vector<NamedPlace>& names) {
    std::sort(names.begin(), names.end(), [](const NamedPlace& a, const NamedPlace& b) {
        const int order = a.name.compare(b.name);
        return order != 0 ? order < 0 : a.place < b.place;
    });
}

}  // namespace detail

/// Puts `all` into the order of name_of(element), a std::string_view; those of one name stay in
/// their own order.
template <class T, class NameOf>
void sort_by_name(std::vector<T>& all, NameOf&& name_of) {
    std::vector<detail::NamedPlace> order;
    order.reserve(all.size());
    for (std::size_t i = 0; i < all.size(); ++i) order.push_back({name_of(all[i]), i});
    detail::sort_names(order);
    std::vector<T> sorted;
    sorted.reserve(all.size());
    for (const detail::NamedPlace& next : order) sorted.push_back(std::move(all[next.place]));
    all = std::move(sorted);
}

}  // namespace carat::inline CARAT_ABI

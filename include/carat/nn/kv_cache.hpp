/// \file
/// The keys and values of one layer: a ring `[kv_heads, capacity, head_dim]`, slot = cache index
/// mod capacity.
///
/// A full layer's ring is as long as the context and never wraps. A sliding layer's holds window -
/// 1 tokens and those of one call, so that no key is overwritten that a query of the call still
/// needs. Source: spec/text.md section 13.
#pragma once

#include "carat/tensor/view.hpp"

#include <algorithm>
#include <cstddef>

namespace carat::nn {

template <class Element, std::size_t kv_heads, std::size_t head_dim>
struct KvCache {
    using element_type = Element;
    static constexpr std::size_t heads = kv_heads, row = head_dim;
    View<Element, kv_heads, dynamic, head_dim> k, v;

    template <class Space>
    static constexpr KvCache take(Space& space, std::size_t capacity) {
        return {space.template take<Element, kv_heads, dynamic, head_dim>(capacity),
                space.template take<Element, kv_heads, dynamic, head_dim>(capacity)};
    }
    [[nodiscard]] std::size_t capacity() const { return k.extent(1); }
    [[nodiscard]] Element* key(std::size_t head, std::size_t index) const {
        return k.data() + (head * capacity() + index % capacity()) * head_dim;
    }
    [[nodiscard]] Element* value(std::size_t head, std::size_t index) const {
        return v.data() + (head * capacity() + index % capacity()) * head_dim;
    }
    /// f(index, count) for the runs of consecutive slots that hold the keys [begin, end): at most
    /// two.
    template <class F>
    void for_each_run(std::size_t begin, std::size_t end, F&& f) const {
        while (begin < end) {
            const std::size_t count = std::min(end - begin, capacity() - begin % capacity());
            f(begin, count);
            begin += count;
        }
    }
};

}  // namespace carat::nn

/// \file
/// The keys and values of one layer: a ring of slots, slot = cache index mod capacity, stored as
/// the kernels of attention read them.
///
/// A full layer's ring is as long as the context and never wraps. A sliding layer's holds window -
/// 1 tokens and those of one call, so that no key is overwritten that a query of the call still
/// needs. Slots come in tiles, whole panels of simd/lane_panels.hpp: a key to a lane, and
/// of the values a dimension to a lane. Source: spec/text.md section 13.
#pragma once

#include "carat/simd/lane_panels.hpp"
#include "carat/tensor/view.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <type_traits>

namespace carat::inline CARAT_ABI::nn {
inline namespace HWY_NAMESPACE {

/// Keys scored together, of a model that writes text. A tile of keys with a head of 256 is 64 kB in
/// bf16 and stays in the second-level cache while the queries of a block pass; shorter ones would
/// split short contexts more evenly, but are merged more often.
inline constexpr std::size_t default_tile = 128;

template <class Element, std::size_t kv_heads, std::size_t head_dim,
          std::size_t tile_keys = default_tile>
struct KvCache {
    static_assert(head_dim % simd::panel_pair<Element> == 0,
                  "carat: head_dim must be even with a cache of bf16, whose kernels take pairs");
    using element_type = Element;
    static constexpr std::size_t heads = kv_heads, row = head_dim;
    static constexpr std::size_t tile = tile_keys;
    /// A value's lanes: whole panels.
    static constexpr std::size_t lanes =
        (head_dim + simd::panel_width - 1) / simd::panel_width * simd::panel_width;

    View<Element, kv_heads, dynamic, tile * head_dim> k;
    View<Element, kv_heads, dynamic, tile * lanes> v;

    /// At least `slots` slots.
    template <class Space>
    static constexpr KvCache take(Space& space, std::size_t slots) {
        const std::size_t tiles = (slots + tile - 1) / tile;
        return {space.template take<Element, kv_heads, dynamic, tile * head_dim>(tiles),
                space.template take<Element, kv_heads, dynamic, tile * lanes>(tiles)};
    }
    [[nodiscard]] std::size_t capacity() const { return k.extent(1) * tile; }

    /// The tiles that hold cache index `index`: keys [head_dim inner], values [tile inner].
    [[nodiscard]] Element* keys(std::size_t head, std::size_t index) const {
        return k.data() + at(head, index) * tile * head_dim;
    }
    [[nodiscard]] Element* values(std::size_t head, std::size_t index) const {
        return v.data() + at(head, index) * tile * lanes;
    }

    /// Rows [head_dim] of one token in, rounded to the cache's type.
    void put_key(std::size_t head, std::size_t index, const float* key) const {
        std::array<Element, head_dim> rounded;
        simd::convert(key, head_dim, rounded.data());
        simd::set_lane(keys(head, index), head_dim, index % tile, rounded.data());
    }
    void put_value(std::size_t head, std::size_t index, const float* value) const {
        std::array<Element, head_dim> rounded;
        simd::convert(value, head_dim, rounded.data());
        simd::set_inner(values(head, index), tile, index % tile, rounded.data(), head_dim);
    }
    /// And out again.
    void key(std::size_t head, std::size_t index, float* out) const {
        std::array<Element, head_dim> stored;
        simd::get_lane(keys(head, index), head_dim, index % tile, stored.data());
        simd::scale_row(stored.data(), head_dim, 1.0f, out);
    }
    void value(std::size_t head, std::size_t index, float* out) const {
        std::array<Element, head_dim> stored;
        simd::get_inner(values(head, index), tile, index % tile, stored.data(), head_dim);
        simd::scale_row(stored.data(), head_dim, 1.0f, out);
    }

    /// A token's key and value of one head as they are stored, for saved states.
    struct Stored {
        std::array<Element, head_dim> key, value;
    };
    [[nodiscard]] Stored stored(std::size_t head, std::size_t index) const {
        Stored s;
        simd::get_lane(keys(head, index), head_dim, index % tile, s.key.data());
        simd::get_inner(values(head, index), tile, index % tile, s.value.data(), head_dim);
        return s;
    }
    void restore(std::size_t head, std::size_t index, const Stored& s) const {
        simd::set_lane(keys(head, index), head_dim, index % tile, s.key.data());
        simd::set_inner(values(head, index), tile, index % tile, s.value.data(), head_dim);
    }
    /// Becomes what `other` of the same capacity is, as far as its first `slots` slots.
    void copy(const KvCache& other, std::size_t slots) const {
        const std::size_t tiles = (std::min(slots, capacity()) + tile - 1) / tile;
        for (std::size_t head = 0; head < kv_heads; ++head) {
            std::copy_n(other.keys(head, 0), tiles * tile * head_dim, keys(head, 0));
            std::copy_n(other.values(head, 0), tiles * tile * lanes, values(head, 0));
        }
    }

  private:
    [[nodiscard]] std::size_t at(std::size_t head, std::size_t index) const {
        return head * k.extent(1) + index / tile % k.extent(1);
    }
};

}  // namespace HWY_NAMESPACE
}  // namespace carat::inline CARAT_ABI::nn

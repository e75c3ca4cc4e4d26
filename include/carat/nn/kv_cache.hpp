/// \file
/// The keys and values of one layer: a ring of slots, slot = cache index mod capacity, stored as
/// the kernels of attention read them.
///
/// A full layer's ring is as long as the context and never wraps. A sliding layer's holds window -
/// 1 tokens and those of one call, so that no key is overwritten that a query of the call still
/// needs. Slots come in tiles, whole panels: a key to a lane, and of the values a dimension to a
/// lane. They are floats, or blocks of eight or four bits a value. Source: spec/text.md section 13.
#pragma once

#include "carat/nn/kv_tile.hpp"
#include "carat/tensor/view.hpp"

#include <algorithm>
#include <cstddef>

namespace carat::inline CARAT_ABI::nn {
inline namespace HWY_NAMESPACE {

/// Element is float, bf16, q8_0 or q4_0.
template <class Element, std::size_t kv_heads, std::size_t head_dim,
          std::size_t tile_keys = kv_tile>
struct KvCache {
    using Tile = KvTile<Element, head_dim, tile_keys>;
    using Keys = typename Tile::Keys;
    using Values = typename Tile::Values;
    static constexpr std::size_t heads = kv_heads, row = head_dim;
    static constexpr std::size_t tile = tile_keys, lanes = Tile::lanes;

    View<Keys, kv_heads, dynamic> k;
    View<Values, kv_heads, dynamic> v;

    /// At least `slots` slots.
    template <class Space>
    static constexpr KvCache take(Space& space, std::size_t slots) {
        const std::size_t tiles = (slots + tile - 1) / tile;
        return {space.template take<Keys, kv_heads, dynamic>(tiles),
                space.template take<Values, kv_heads, dynamic>(tiles)};
    }
    [[nodiscard]] std::size_t capacity() const { return k.extent(1) * tile; }

    /// The tiles that hold cache index `index`.
    [[nodiscard]] Keys& keys(std::size_t head, std::size_t index) const {
        return k.data()[at(head, index)];
    }
    [[nodiscard]] Values& values(std::size_t head, std::size_t index) const {
        return v.data()[at(head, index)];
    }

    /// Rows [head_dim] of one token in, rounded to the cache's type.
    void put_key(std::size_t head, std::size_t index, const float* key) const {
        keys(head, index).set(index % tile, Tile::round(key));
    }
    void put_value(std::size_t head, std::size_t index, const float* value) const {
        values(head, index).set(index % tile, Tile::round(value));
    }
    /// And out again.
    void key(std::size_t head, std::size_t index, float* out) const {
        Tile::widen(keys(head, index).get(index % tile), out);
    }
    void value(std::size_t head, std::size_t index, float* out) const {
        Tile::widen(values(head, index).get(index % tile), out);
    }

    /// Which type keys and values have, for saved states: what a token's row is made of.
    static constexpr DType stored_as = Tile::stored_as;
    /// A token's key and value of one head as they are stored, for saved states.
    struct Stored {
        typename Tile::Row key, value;
    };
    [[nodiscard]] Stored stored(std::size_t head, std::size_t index) const {
        return {keys(head, index).get(index % tile), values(head, index).get(index % tile)};
    }
    void restore(std::size_t head, std::size_t index, const Stored& s) const {
        keys(head, index).set(index % tile, s.key);
        values(head, index).set(index % tile, s.value);
    }
    /// Becomes what `other` of the same capacity is, as far as its first `slots` slots.
    void copy(const KvCache& other, std::size_t slots) const {
        const std::size_t tiles = (std::min(slots, capacity()) + tile - 1) / tile;
        for (std::size_t head = 0; head < kv_heads; ++head) {
            std::copy_n(&other.keys(head, 0), tiles, &keys(head, 0));
            std::copy_n(&other.values(head, 0), tiles, &values(head, 0));
        }
    }

  private:
    [[nodiscard]] std::size_t at(std::size_t head, std::size_t index) const {
        return head * k.extent(1) + index / tile % k.extent(1);
    }
};

}  // namespace HWY_NAMESPACE
}  // namespace carat::inline CARAT_ABI::nn

/// \file
/// The layers of a config as a compile-time sequence of kinds: code is instantiated once a kind,
/// whatever the number of layers.
#pragma once

#include "carat/config/check.hpp"
#include "carat/config/text_config.hpp"

#include <array>
#include <cstddef>
#include <utility>

namespace carat::inline CARAT_ABI {

/// Where a layer's weights lie: the number of its kind, and how many layers of that kind come
/// before it.
struct LayerPlace {
    std::size_t kind = 0, ordinal = 0;
};

template <TextConfig C>
struct LayerKinds {
    static_assert(well_formed<C>());
    static constexpr std::size_t layers = C.num_hidden_layers;
    static constexpr std::size_t count = C.num_kinds();

    /// The distinct kinds, in the order of their first layer.
    static constexpr std::array<LayerKind, count> kinds = [] {
        std::array<LayerKind, count> all{};
        std::size_t n = 0;
        for (std::size_t l = 0; l < layers; ++l)
            if (C.kind_leader(l) == l) all[n++] = C.kind(l);
        return all;
    }();
    static constexpr std::array<LayerPlace, layers> places = [] {
        std::array<LayerPlace, layers> all{};
        for (std::size_t l = 0; l < layers; ++l) {
            while (!(kinds[all[l].kind] == C.kind(l))) ++all[l].kind;
            all[l].ordinal = C.kind_ordinal(l);
        }
        return all;
    }();
    static constexpr std::size_t layers_of(std::size_t kind) {
        return C.layers_of_kind(kinds[kind]);
    }

    /// Owning layers of an attention type: each has a cache.
    static constexpr std::size_t owners(AttentionType type) {
        std::size_t n = 0;
        for (std::size_t l = 0; l < C.first_shared_layer(); ++l)
            if (C.attention_type(l) == type) ++n;
        return n;
    }
    /// The kind of the first owning layer of a type; with none, that of layer 0, and there are no
    /// caches of the type.
    static constexpr LayerKind owner(AttentionType type) {
        for (std::size_t l = 0; l < C.first_shared_layer(); ++l)
            if (C.attention_type(l) == type) return C.kind(l);
        return C.kind(0);
    }
    /// For each layer: which of its type's caches it reads.
    static constexpr std::array<std::size_t, layers> cache_slot = [] {
        std::array<std::size_t, layers> slot{};
        for (std::size_t l = 0; l < layers; ++l)
            for (std::size_t p = 0; p < C.kv_producer(l); ++p)
                if (C.attention_type(p) == C.attention_type(l) && !C.shares_kv(p)) ++slot[l];
        return slot;
    }();
};

/// `f.operator()<kind>(layer, ordinal)` for every layer in order, until one returns false; `kind`
/// is an index into `LayerKinds<C>::kinds`. True if all went through.
template <TextConfig C, class F>
constexpr bool for_each_layer(F&& f) {
    return [&]<std::size_t... layer>(std::index_sequence<layer...>) {
        constexpr auto& places = LayerKinds<C>::places;
        return (f.template operator()<places[layer].kind>(layer, places[layer].ordinal) && ...);
    }
    (std::make_index_sequence<C.num_hidden_layers>{});
}

}  // namespace carat::inline CARAT_ABI

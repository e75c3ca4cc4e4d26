/// \file
/// A set of layer numbers as a bit mask: small enough to be part of a template argument.
#pragma once

#include "carat/base/abi.hpp"

#include <array>
#include <cstddef>
#include <cstdint>

namespace carat::inline CARAT_ABI {

struct LayerSet {
    static constexpr std::size_t capacity = 256;

    std::array<std::uint64_t, capacity / 64> words{};

    [[nodiscard]] constexpr bool contains(std::size_t layer) const {
        return layer < capacity && ((words[layer / 64] >> (layer % 64)) & 1u) != 0;
    }
    /// Layers at or beyond `capacity` are ignored; TextConfig refuses them in words of its own.
    constexpr void insert(std::size_t layer) {
        if (layer < capacity) words[layer / 64] |= std::uint64_t{1} << (layer % 64);
    }
    friend constexpr bool operator==(const LayerSet&, const LayerSet&) = default;
};

/// The layers of a repeating pattern whose last member counts: every_nth(5, 35) = {4, 9, 14, …,
/// 34}.
constexpr LayerSet every_nth(std::size_t period, std::size_t layers) {
    LayerSet set;
    for (std::size_t layer = period; period > 0 && layer <= layers; layer += period)
        set.insert(layer - 1);
    return set;
}

}  // namespace carat::inline CARAT_ABI

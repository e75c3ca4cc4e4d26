/// \file
/// Bytes of a picture as the numbers that a model was trained on.
#pragma once

#include "carat/media/image/picture_config.hpp"

#include <array>
#include <cstddef>

namespace carat::inline CARAT_ABI {

namespace detail {

inline std::array<float, 256> rescale_table(Rescale how) {
    std::array<float, 256> table{};
    for (std::size_t v = 0; v < table.size(); ++v) {
        constexpr double factor = 1.0 / 255.0;
        const auto byte = static_cast<float>(v);
        table[v] = how == Rescale::times    ? byte * static_cast<float>(factor)
                   : how == Rescale::divide ? byte / 255.0f
                                            : static_cast<float>(static_cast<double>(v) * factor);
    }
    return table;
}

}  // namespace detail

}  // namespace carat::inline CARAT_ABI

/// \file
/// Pictures into what the vision tower takes: patches of values and their positions. Source:
/// spec/vision.md section 5.
#pragma once

#include "carat/media/image.hpp"
#include "carat/media/picture_config.hpp"
#include "carat/media/picture_size.hpp"
#include "carat/media/resize.hpp"
#include "carat/result.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace carat::inline CARAT_ABI {

/// The patches of one picture, row-major, without padding.
struct Patches {
    std::size_t count = 0;                ///< patches
    std::size_t soft_tokens = 0;          ///< what the tower makes of them
    std::vector<float> values;            ///< [count, 3 · patch_size²]: row, column, channel
    std::vector<std::int32_t> positions;  ///< [count, 2]: x, y
};

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

/// The image resized to its budget and cut. Bad input: as picture_size().
[[nodiscard]] inline Result<Patches> make_patches(Image image, const PictureConfig& c) {
    const Result<PictureSize> size = picture_size(image.width, image.height, c);
    if (!size) return size.error();
    image = resize(std::move(image), size->width, size->height, c.resampling);
    const std::array<float, 256> values = detail::rescale_table(c.rescale);
    const std::size_t p = c.patch_size, columns = size->width / p, rows = size->height / p;
    Patches out;
    out.count = columns * rows;
    out.soft_tokens = size->soft_tokens(c);
    out.values.reserve(out.count * c.patch_values());
    out.positions.reserve(2 * out.count);
    for (std::size_t y = 0; y < rows; ++y)
        for (std::size_t x = 0; x < columns; ++x) {
            out.positions.push_back(static_cast<std::int32_t>(x));
            out.positions.push_back(static_cast<std::int32_t>(y));
            for (std::size_t row = 0; row < p; ++row) {
                const std::uint8_t* from = image.at(x * p, y * p + row);
                for (std::size_t i = 0; i < 3 * p; ++i) out.values.push_back(values[from[i]]);
            }
        }
    return out;
}

}  // namespace carat::inline CARAT_ABI

/// \file
/// What patches.hpp declares.
#pragma once

#include "carat/base/result.hpp"
#include "carat/media/image/image.hpp"
#include "carat/media/image/patches.hpp"
#include "carat/media/image/picture_config.hpp"
#include "carat/media/image/picture_size.hpp"
#include "carat/media/image/rescale.hpp"
#include "carat/media/image/resize.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace carat::inline CARAT_ABI {

CARAT_ONCE Result<Patches> make_patches(Image image, const PictureConfig& c) {
    return memory_errors([&]() -> Result<Patches> {
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
    });
}

}  // namespace carat::inline CARAT_ABI

/// \file
/// Pictures into what the vision tower takes: patches of values and their positions. Source:
/// spec/vision.md section 5.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/result.hpp"
#include "carat/media/image/image.hpp"
#include "carat/media/image/picture_config.hpp"
#include "carat/tensor/view.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace carat::inline CARAT_ABI {

/// The patches of one picture, row-major, without padding.
struct Patches {
    std::size_t count = 0;                ///< patches
    std::size_t soft_tokens = 0;          ///< what the tower makes of them
    std::vector<float> values;            ///< [count, 3 · patch_size²]: row, column, channel
    std::vector<std::int32_t> positions;  ///< [count, 2]: x, y

    /// The values for a model whose patches have `width` of them. Bad input: settings of another
    /// patch_size (mismatch).
    template <std::size_t width>
    [[nodiscard]] Result<Rows<const float, width>> rows() const {
        if (values.size() == count * width) return Rows<const float, width>(values.data(), count);
        return Error{Errc::mismatch,
                     joined({"patches of ", count > 0 ? values.size() / count : 0,
                             " values, expected ", width, ": patch_size is not the model's"})};
    }
    [[nodiscard]] Rows<const std::int32_t, 2> places() const {
        return Rows<const std::int32_t, 2>(positions.data(), positions.size() / 2);
    }
};

/// The image resized to its budget and cut. Bad input: as picture_size();
/// more than the system has memory for (out_of_memory).
[[nodiscard]] Result<Patches> make_patches(Image image, const PictureConfig& c);

}  // namespace carat::inline CARAT_ABI

#ifndef CARAT_SEPARATE_COMPILATION
#include "carat/media/image/patches.inl.hpp"
#endif

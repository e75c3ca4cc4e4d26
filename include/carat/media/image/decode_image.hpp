/// \file
/// The door for pictures: bytes or a file into an Image. PNG, JPEG, GIF (its first frame), WebP and
/// BMP, told apart by their first bytes and not by their names.
#pragma once

#include "carat/base/result.hpp"
#include "carat/media/image/image.hpp"
#include "carat/media/image/image_limits.hpp"

#include <cstdint>
#include <span>
#include <string>

namespace carat::inline CARAT_ABI {

enum class ImageFormat { unknown, png, jpeg, gif, webp, bmp };

[[nodiscard]] ImageFormat image_format(std::span<const std::uint8_t> bytes);

/// The picture, upright as its EXIF orientation says; alpha is dropped and nothing blended, as the
/// reference does. Of 16 bits a channel the upper 8. `what` names it in errors.
/// Bad input: bytes of no such format or that end too early (bad_format), more pixels than the
/// limits allow (out_of_range) or the system has memory for (out_of_memory), compressed BMP
/// (unsupported).
[[nodiscard]] Result<Image> decode_image(std::span<const std::uint8_t> bytes,
                                         const std::string& what, const ImageLimits& limits = {});

/// The same of a file.
[[nodiscard]] Result<Image> read_image(const std::string& path, const ImageLimits& limits = {});

}  // namespace carat::inline CARAT_ABI

#ifndef CARAT_SEPARATE_COMPILATION
#include "carat/media/image/decode_image.inl.hpp"
#endif

/// \file
/// GIF, still and animated, through giflib.
#pragma once

#include "carat/base/result.hpp"
#include "carat/media/image/image.hpp"
#include "carat/media/image/image_limits.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace carat::inline CARAT_ABI {

/// The frames of an animation, each as it is seen, and how long they stay.
struct Animation {
    std::vector<Image> frames;
    double seconds = 0;  ///< of all frames
    [[nodiscard]] double fps() const {
        return seconds > 0 ? static_cast<double>(frames.size()) / seconds : 0;
    }
};

namespace detail {

/// The first picture.
Result<Image> decode_gif(Bytes bytes, const std::string& what, const ImageLimits& limits);

}  // namespace detail

/// All frames, on white. Bad input: as decode_image, for all frames together.
[[nodiscard]] Result<Animation> decode_animated_gif(std::span<const std::uint8_t> bytes,
                                                    const std::string& what,
                                                    const ImageLimits& limits = {});

}  // namespace carat::inline CARAT_ABI

#ifndef CARAT_SEPARATE_COMPILATION
#include "carat/media/image/gif.inl.hpp"
#endif

/// \file
/// What a decoder of pictures is held to, and how it says what is wrong.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/result.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace carat::inline CARAT_ABI {

struct ImageLimits {
    /// A picture's header that promises more pixels than this is refused before memory is taken
    /// for them; for an animation, all frames together.
    std::size_t max_pixels = std::size_t{1} << 27;
    /// So are more frames of an animation, or of a video that is kept whole: each takes memory
    /// beside its pixels.
    std::size_t max_frames = std::size_t{1} << 16;
};

namespace detail {

using Bytes = std::span<const std::uint8_t>;

/// Nothing, or why a picture of this size is refused.
inline Result<void> check_size(std::size_t width, std::size_t height, std::size_t frames,
                               const ImageLimits& limits, const std::string& what) {
    if (width == 0 || height == 0)
        return Error{Errc::bad_format,
                     joined({what, ": the picture is ", width, " by ", height, " pixels"})};
    if (width > limits.max_pixels || height > limits.max_pixels / width ||
        frames > limits.max_pixels / (width * height))
        return Error{Errc::out_of_range,
                     joined({what, ": ", width, " by ", height, " pixels",
                             frames > 1 ? joined({" in ", frames, " frames"}) : std::string(),
                             ", expected at most ", limits.max_pixels, " in all"})};
    if (frames > limits.max_frames)
        return Error{Errc::out_of_range,
                     joined({what, ": ", frames, " frames, expected at most ", limits.max_frames})};
    return {};
}

}  // namespace detail
}  // namespace carat::inline CARAT_ABI

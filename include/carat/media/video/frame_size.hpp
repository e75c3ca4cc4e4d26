/// \file
/// The frames of a clip are of one size.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/result.hpp"
#include "carat/media/image/image.hpp"

#include <cstddef>
#include <string_view>

namespace carat::inline CARAT_ABI::detail {

/// The size of a clip's first frame, which all must have.
class FrameSize {
  public:
    /// Bad input: a frame of another size (mismatch); `what` names it.
    [[nodiscard]] Result<void> check(const Image& frame, std::string_view what) {
        if (width_ == 0) {
            width_ = frame.width;
            height_ = frame.height;
        }
        if (frame.width == width_ && frame.height == height_) return {};
        return Error{Errc::mismatch,
                     joined({what, ": the frame is ", frame.width, " by ", frame.height,
                             " pixels, the first is ", width_, " by ", height_})};
    }

  private:
    std::size_t width_ = 0, height_ = 0;
};

}  // namespace carat::inline CARAT_ABI::detail

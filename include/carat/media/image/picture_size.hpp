/// \file
/// To which size a picture is brought: as large as the budget of soft tokens allows, in its own
/// shape, whole tokens along both sides. Source: spec/vision.md section 3.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/result.hpp"
#include "carat/media/image/picture_config.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <utility>

namespace carat::inline CARAT_ABI {

struct PictureSize {
    std::size_t width = 0, height = 0;  ///< pixels
    friend bool operator==(const PictureSize&, const PictureSize&) = default;
    [[nodiscard]] std::size_t soft_tokens(const PictureConfig& c) const {
        return (width / c.side()) * (height / c.side());
    }
};

/// Bad input: a config of more than 2^24 pixels (invalid_argument), a size of 0, a size that the
/// budget has no room for (out_of_range), or, without do_resize, one that is not whole tokens
/// (mismatch).
[[nodiscard]] inline Result<PictureSize> picture_size(std::size_t width, std::size_t height,
                                                      const PictureConfig& c) {
    if (std::string wrong = detail::budget_fault(c); !wrong.empty())
        return Error{Errc::invalid_argument, std::move(wrong)};
    const auto text = [](std::size_t w, std::size_t h) {
        return joined({w, " by ", h, " pixels"});
    };
    if (width == 0 || height == 0 || width > 0x7fffffff || height > 0x7fffffff)
        return Error{Errc::out_of_range, "the picture is " + text(width, height)};
    const std::size_t side = c.side();
    const std::size_t target = c.max_patches() * c.patch_size * c.patch_size;
    if (!c.do_resize) {
        if (width % side != 0 || height % side != 0 || width * height > target)
            return Error{Errc::mismatch,
                         joined({"the picture is ", text(width, height), ", expected multiples of ",
                                 side, " and at most ", target, " pixels, for it is not resized"})};
        return PictureSize{width, height};
    }
    const auto w = static_cast<double>(width), h = static_cast<double>(height);
    const auto per = static_cast<double>(side);
    const double factor = std::sqrt(static_cast<double>(target) / (w * h));
    PictureSize out{static_cast<std::size_t>(std::floor(factor * w / per)) * side,
                    static_cast<std::size_t>(std::floor(factor * h / per)) * side};
    const std::size_t longest = c.max_patches() / c.cell() * side;
    if (out.width == 0 && out.height == 0)
        return Error{Errc::out_of_range,
                     "the picture of " + text(width, height) + " would be resized to nothing"};
    if (out.height == 0) {
        out.height = side;
        out.width = std::min(static_cast<std::size_t>(std::floor(w / h)) * side, longest);
    } else if (out.width == 0) {
        out.width = side;
        out.height = std::min(static_cast<std::size_t>(std::floor(h / w)) * side, longest);
    }
    if (out.width * out.height > target)
        return Error{Errc::out_of_range,
                     "the picture of " + text(width, height) + " exceeds the patch budget"};
    return out;
}

}  // namespace carat::inline CARAT_ABI

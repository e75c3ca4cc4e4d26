/// \file
/// Which frames of a clip a model looks at, and when they are. Source: spec/vision.md section 12.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/result.hpp"
#include "carat/media/image/image_limits.hpp"
#include "carat/media/image/picture_config.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <string>
#include <vector>

namespace carat::inline CARAT_ABI {

/// The frames taken of a clip.
struct FrameTimes {
    std::vector<std::size_t> indices;  ///< of each frame in the whole clip
    double fps = 24;                   ///< of the whole clip

    /// "mm:ss" of frame i; after thirty years time stands still.
    [[nodiscard]] std::string timestamp(std::size_t i) const {
        constexpr double most = 1e9;  // a number of minutes that is one, whatever fps was made up
        const double exact = static_cast<double>(indices[i]) / fps;
        const double seconds = exact < most ? exact : most;
        const auto minutes = static_cast<long long>(std::floor(seconds / 60));
        char text[32];
        std::snprintf(text, sizeof text, "%02lld:%02d", minutes,
                      static_cast<int>(std::fmod(seconds, 60.0)));
        return text;
    }
};

/// Which frames of a clip of `total`, `clip_fps` of them a second, are taken: num_frames, or as
/// many as fps asks for and at least one, evenly from the first on; all, if there are no more than
/// that or sampling is off. (The reference refuses a shorter clip.)
[[nodiscard]] inline std::vector<std::size_t> sampled_frames(std::size_t total,
                                                             const VideoConfig& c,
                                                             double clip_fps = 24) {
    std::vector<std::size_t> out;
    const auto frames = static_cast<double>(total);
    const double wanted = c.fps > 0 ? std::max(1.0, std::trunc(frames / clip_fps * c.fps))
                                    : static_cast<double>(c.num_frames);
    const bool all = !c.do_sample_frames || frames <= wanted;
    const double step = all ? 1.0 : frames / wanted;
    const std::size_t count = all ? total : static_cast<std::size_t>(wanted);
    out.reserve(count);
    for (std::size_t i = 0; i < count; ++i)
        out.push_back(
            all ? i : static_cast<std::size_t>(static_cast<float>(static_cast<double>(i) * step)));
    return out;
}

namespace detail {

/// Bad input: frames that, each taken at its budget, have more pixels than pictures may have.
[[nodiscard]] inline Result<void> check_frames(const std::string& path, std::size_t frames,
                                               const VideoConfig& c) {
    if (!budget_fault(c.frame).empty()) return {};  // said where a frame is cut
    constexpr std::size_t most = ImageLimits{}.max_pixels;
    const std::size_t pixels = c.frame.max_soft_tokens * c.frame.side() * c.frame.side();
    if (frames <= most / pixels) return {};
    return Error{Errc::out_of_range, joined({path, ": ", frames, " frames of up to ", pixels,
                                             " pixels, expected at most ", most,
                                             " in all: take fewer with num_frames or fps"})};
}

}  // namespace detail
}  // namespace carat::inline CARAT_ABI

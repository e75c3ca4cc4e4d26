/// \file
/// Which frames of a clip a model looks at, and when they are. Source: spec/vision.md section 12.
#pragma once

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

}  // namespace carat::inline CARAT_ABI

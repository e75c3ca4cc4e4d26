/// \file
/// What video.hpp declares.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/progress.hpp"
#include "carat/base/result.hpp"
#include "carat/media/image/decode_image.hpp"
#include "carat/media/image/picture_config.hpp"
#include "carat/media/video/frame_times.hpp"
#include "carat/media/video/video.hpp"
#include "carat/media/video/video_file.hpp"

#include <string>
#include <utility>

namespace carat::inline CARAT_ABI {

CARAT_ONCE Result<Video> read_video(const std::string& path, double fps, const VideoConfig& config,
                                    const ImageLimits& limits, Progress progress) {
    Video out;
    auto times = see_video(path, fps, config, limits, progress, [&](Image frame) -> Result<void> {
        if (auto fits =
                detail::check_size(frame.width, frame.height, out.frames.size() + 1, limits, path);
            !fits)
            return fits;
        out.frames.push_back(std::move(frame));
        return {};
    });
    if (!times) return std::move(times).error();
    out.times = std::move(*times);
    return out;
}

}  // namespace carat::inline CARAT_ABI

/// \file
/// Videos: a folder of frames, an animated GIF or a video file into the frames that a model looks
/// at, and when they are. Source: spec/vision.md section 12.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/open_file.hpp"
#include "carat/base/printable.hpp"
#include "carat/base/progress.hpp"
#include "carat/base/result.hpp"
#include "carat/media/image/decode_image.hpp"
#include "carat/media/image/gif.hpp"
#include "carat/media/image/picture_config.hpp"
#include "carat/media/media_file.hpp"
#include "carat/media/video/frame_folder.hpp"
#include "carat/media/video/frame_size.hpp"
#include "carat/media/video/frame_times.hpp"
#include "carat/media/video/video_file.hpp"

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace carat::inline CARAT_ABI {

/// Frames taken from a clip, all of the same size, and their places in it.
struct Video {
    std::vector<Image> frames;
    FrameTimes times;
};

namespace detail {

/// see_video() of a folder of pictures.
template <class See>
Result<FrameTimes> see_folder(const std::string& path, double fps, const VideoConfig& config,
                              const ImageLimits& limits, Progress progress, See&& see) {
    const auto names = pictures_in(path);
    if (!names) return names.error();
    FrameTimes out;
    if (fps > 0) out.fps = fps;
    out.indices = sampled_frames(names->size(), config, out.fps);
    FrameSize size;
    for (std::size_t i = 0; i < out.indices.size(); ++i) {
        if (!progress(i, out.indices.size())) return Error{Errc::cancelled, path + ": cancelled"};
        const std::string name = path + "/" + (*names)[out.indices[i]];
        Result<Image> frame = read_image(name, limits);
        // Whoever packed the folder has named its files.
        if (!frame)
            return Error{frame.error().code, printable(frame.error().text, std::string::npos)};
        if (auto same = size.check(*frame, printable(name, std::string::npos)); !same)
            return std::move(same).error();
        if (auto seen = see(std::move(*frame)); !seen) return std::move(seen).error();
    }
    return out;
}

/// see_video() of an animated GIF.
template <class See>
Result<FrameTimes> see_gif(const std::string& path, double fps, const VideoConfig& config,
                           const ImageLimits& limits, See&& see) {
    const auto bytes = read_media_file(path);
    if (!bytes) return bytes.error();
    Result<Animation> all = decode_animated_gif(*bytes, path, limits);
    if (!all) return std::move(all).error();
    FrameTimes out;
    if (fps > 0)
        out.fps = fps;
    else if (all->fps() > 0)
        out.fps = all->fps();
    out.indices = sampled_frames(all->frames.size(), config, out.fps);
    for (const std::size_t i : out.indices)
        if (auto seen = see(std::move(all->frames[i])); !seen) return std::move(seen).error();
    return out;
}

}  // namespace detail

/// Hands the frames that a model looks at to `see(Image) -> Result<void>`, in order, one at a time:
/// of a folder of pictures, in the order of their names, of an animated GIF, or of a video file
/// (media/video/video_file.hpp). `fps` greater than 0 says how many frames a second the clip has;
/// else a file says it itself, and a folder has 24. Bad input: as read_image and see_video_file,
/// frames of different sizes (mismatch), a folder without pictures, and what `see` refuses.
template <class See>
[[nodiscard]] Result<FrameTimes> see_video(const std::string& path, double fps,
                                           const VideoConfig& config, const ImageLimits& limits,
                                           Progress progress, See&& see) {
    return memory_errors([&]() -> Result<FrameTimes> {
        if (is_folder(path)) return detail::see_folder(path, fps, config, limits, progress, see);
        const auto start = read_media_start(path);
        if (!start) return start.error();
        switch (image_format(*start)) {
            case ImageFormat::gif:
                return detail::see_gif(path, fps, config, limits, see);
            case ImageFormat::unknown:
                return see_video_file(path, fps, config, limits, progress, see);
            default:
                return Error{Errc::unsupported, path +
                                                    ": a picture, expected a video: a file, a "
                                                    "folder of frames or an animated GIF"};
        }
    });
}

/// The same, with all frames in memory; the limits hold for all of them together.
[[nodiscard]] Result<Video> read_video(const std::string& path, double fps,
                                       const VideoConfig& config, const ImageLimits& limits = {},
                                       Progress progress = {});

}  // namespace carat::inline CARAT_ABI

#ifndef CARAT_SEPARATE_COMPILATION
#include "carat/media/video/video.inl.hpp"
#endif

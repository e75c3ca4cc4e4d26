/// \file
/// The pictures and videos that messages name, cut into patches.
#pragma once

#include "carat/attachments/part_source.hpp"
#include "carat/base/joined.hpp"
#include "carat/base/progress.hpp"
#include "carat/base/result.hpp"
#include "carat/format/json.hpp"
#include "carat/media/image/decode_image.hpp"
#include "carat/media/image/image_limits.hpp"
#include "carat/media/image/patches.hpp"
#include "carat/media/image/picture_config.hpp"
#include "carat/media/video/video.hpp"
#include "carat/prompt/media_expansion.hpp"
#include "carat/prompt/media_parts.hpp"

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace carat::inline CARAT_ABI {

/// A picture, or a video as the frames that the model looks at, and what stands for it in a prompt.
struct Sight {
    std::vector<Patches> frames{};
    MediaText text{};
    std::size_t max_patches = 0;  ///< the budget of a frame
};

namespace detail {

/// A whole number of a part's, 0 where it is none that a size can be.
inline std::size_t whole_number(const JsonValue* value) {
    const auto n = json::unsigned_integer(value);
    return n && *n <= 0x7fffffff ? static_cast<std::size_t>(*n) : 0;
}
/// `config` with what the part says itself: `max_soft_tokens`, `num_frames`, `sample_fps`. Its
/// `fps`, else 0.
inline Result<double> take_own_settings(const MediaPart& part, VisionProcessorConfig& config) {
    const bool video = part.kind == MediaKind::video;
    if (const auto* own = json::find(part.part, "max_soft_tokens")) {
        std::size_t& budget = (video ? config.video.frame : config.image).max_soft_tokens;
        budget = whole_number(own);
        if (!is_soft_token_budget(budget))
            return fault_of(part, Errc::invalid_argument,
                            "max_soft_tokens must be 70, 140, 280, 560 or 1120");
    }
    if (!video) return 0.0;
    const auto rate = [&](const char* key, double& to) -> Result<void> {
        const auto* own = json::find(part.part, key);
        if (own == nullptr) return {};
        to = json::number(own).value_or(0);
        if (is_frame_rate(to)) return {};
        return fault_of(part, Errc::invalid_argument,
                        std::string(key) + " must be a number above 0");
    };
    double fps = 0, sample_fps = 0;
    if (auto read = rate("fps", fps); !read) return std::move(read).error();
    if (auto read = rate("sample_fps", sample_fps); !read) return std::move(read).error();
    if (sample_fps > 0) {
        config.video.fps = sample_fps;
        config.video.do_sample_frames = true;
    }
    if (const auto* own = json::find(part.part, "num_frames")) {
        config.video.num_frames = whole_number(own);
        config.video.fps = 0;
        config.video.do_sample_frames = true;
        if (config.video.num_frames == 0)
            return fault_of(part, Errc::invalid_argument,
                            "num_frames must be a whole number above 0");
        if (sample_fps > 0)
            return fault_of(part, Errc::invalid_argument,
                            "num_frames and sample_fps exclude each other");
    }
    return fps;
}

}  // namespace detail

/// Reads an image or video part, whose own settings come before the model's: `max_soft_tokens`; of
/// videos `fps`, the clip's frames a second, and `num_frames` or `sample_fps`, which are taken of
/// it or of a second of it. `progress` hears of a video's frames. Bad input: settings that are
/// none, more frames than pictures may have pixels, and as
/// part_source(), read_image(), see_video() and make_patches(); the error says which part it was.
[[nodiscard]] inline Result<Sight> read_sight(const MediaPart& part, const std::string& folder,
                                              VisionProcessorConfig config,
                                              Progress progress = {}) {
    return memory_errors(part.where, [&]() -> Result<Sight> {
        const auto source = part_source(part, folder);
        if (!source) return source.error();
        const auto fps = detail::take_own_settings(part, config);
        if (!fps) return fps.error();
        const auto fault = [&](const Error& e) { return detail::fault_of(part, e.code, e.text); };
        const bool video = part.kind == MediaKind::video;
        const PictureConfig& picture = video ? config.video.frame : config.image;

        Sight sight;
        const auto cut = [&](Image image) -> Result<void> {
            auto patches = make_patches(std::move(image), picture);
            if (!patches)
                return Error{patches.error().code, source->name + ": " + patches.error().text};
            sight.max_patches = picture.max_patches();
            // The patches stay: no more of them than a decoder may give pixels.
            const std::size_t most = ImageLimits{}.max_pixels /
                                     (sight.max_patches * picture.patch_size * picture.patch_size);
            if (sight.frames.size() == std::max<std::size_t>(1, most))
                return Error{Errc::out_of_range,
                             joined({source->name, ": more than ", most, " frames of up to ",
                                     picture.max_soft_tokens,
                                     " soft tokens: take fewer, with num_frames or sample_fps"})};
            sight.frames.push_back(*std::move(patches));
            return {};
        };
        if (!video) {
            auto image = source->path.empty() ? decode_image(source->bytes, source->name)
                                              : read_image(source->path);
            if (!image) return fault(image.error());
            if (auto done = cut(*std::move(image)); !done) return fault(done.error());
            sight.text = image_text(sight.frames[0].soft_tokens);
            return sight;
        }
        if (source->path.empty())
            return fault({Errc::unsupported, source->name + ": a video must be a file"});
        const auto times = see_video(source->path, *fps, config.video, {}, progress, cut);
        if (!times) return fault(times.error());
        if (sight.frames.empty())
            return fault({Errc::invalid_argument, source->name + ": no frame of it is taken"});
        std::vector<std::string> timestamps;
        for (std::size_t i = 0; i < sight.frames.size(); ++i)
            timestamps.push_back(times->timestamp(i));
        sight.text = video_text(timestamps, sight.frames[0].soft_tokens);
        return sight;
    });
}

}  // namespace carat::inline CARAT_ABI

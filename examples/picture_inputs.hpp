// The pictures and videos that messages name, as the model sees them.
#pragma once

#include "carat/media/image/decode_image.hpp"
#include "carat/media/image/patches.hpp"
#include "carat/media/image/picture_config.hpp"
#include "carat/media/video/video.hpp"
#include "carat/prompt/media_expansion.hpp"
#include "carat/prompt/media_parts.hpp"
#include "carat/text/read_file.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

/// How a model's folder wants its pictures; as every published Gemma 4 where it does not say.
/// `max_soft_tokens` of an image, where it is not 0, comes before the model's.
inline carat::Result<carat::VisionProcessorConfig> picture_config(const std::string& model_folder,
                                                                  std::size_t max_soft_tokens = 0) {
    carat::Result<carat::VisionProcessorConfig> config = carat::VisionProcessorConfig{};
    const std::string path = carat::path_in(model_folder, "processor_config.json");
    if (carat::file_exists(path)) {
        const auto text = carat::read_file(path);
        if (!text) return text.error();
        config = carat::read_vision_processor_config(*text, path);
    }
    if (config && max_soft_tokens > 0) config->image.max_soft_tokens = max_soft_tokens;
    return config;
}

/// --max-soft-tokens
inline void add_budget_option(CLI::App& app, std::size_t& max_soft_tokens) {
    app.add_option("--max-soft-tokens", max_soft_tokens, "budget of an image")
        ->check(CLI::IsMember({70, 140, 280, 560, 1120}));
}

/// An image, or a video as its frames, and what stands for it in the prompt.
struct Sight {
    std::vector<carat::Patches> frames;
    carat::MediaText text;
    std::size_t max_patches = 0;  // the budget, to which tensors are padded
};

/// Reads one image or video part. Its own `max_soft_tokens`, `fps` and `num_frames` come before the
/// model's.
inline carat::Result<Sight> read_sight(const carat::MediaPart& part, const std::string& folder,
                                       carat::VisionProcessorConfig config,
                                       carat::Progress progress = {}) {
    const auto fault = [&](carat::Errc code, const std::string& text) {
        return carat::Error{code, part.where + ": " + text};
    };
    const bool video = part.kind == carat::MediaKind::video;
    if (part.source.empty())
        return fault(carat::Errc::invalid_argument,
                     std::string(video ? "a video" : "an image") + " part without a path");
    if (part.source.find("://") != std::string::npos || part.source.starts_with("data:"))
        return fault(carat::Errc::unsupported,
                     part.source.substr(0, 40) + ": only paths of files can be read");
    const std::string path =
        part.source.starts_with('/') ? part.source : carat::path_in(folder, part.source);

    carat::PictureConfig& picture = video ? config.video.frame : config.image;
    if (const auto* own = carat::json::find(part.part, "max_soft_tokens")) {
        picture.max_soft_tokens = carat::json::unsigned_integer(own).value_or(0);
        if (!carat::is_soft_token_budget(picture.max_soft_tokens))
            return fault(carat::Errc::invalid_argument,
                         "max_soft_tokens must be 70, 140, 280, 560 or 1120");
    }
    Sight sight;
    sight.max_patches = picture.max_patches();
    const auto cut = [&](carat::Image image) -> carat::Result<void> {
        auto patches = carat::make_patches(std::move(image), picture);
        if (!patches) return carat::Error{patches.error().code, path + ": " + patches.error().text};
        sight.frames.push_back(std::move(*patches));
        return {};
    };
    if (!video) {
        auto image = carat::read_image(path);
        if (!image) return fault(image.error().code, image.error().text);
        if (auto done = cut(std::move(*image)); !done)
            return fault(done.error().code, done.error().text);
        sight.text = carat::image_text(sight.frames[0].soft_tokens);
        return sight;
    }
    double fps = 0;
    if (const auto* own = carat::json::find(part.part, "fps")) {
        fps = carat::json::number(own).value_or(0);
        if (!(fps > 0 && fps < 1e6))
            return fault(carat::Errc::invalid_argument, "fps must be a number above 0");
    }
    if (const auto* own = carat::json::find(part.part, "num_frames")) {
        config.video.num_frames = carat::json::unsigned_integer(own).value_or(0);
        if (config.video.num_frames == 0)
            return fault(carat::Errc::invalid_argument,
                         "num_frames must be a whole number above 0");
    }
    const auto times = carat::see_video(path, fps, config.video, {}, progress, cut);
    if (!times) return fault(times.error().code, times.error().text);
    std::vector<std::string> timestamps;
    for (std::size_t i = 0; i < sight.frames.size(); ++i) timestamps.push_back(times->timestamp(i));
    sight.text = carat::video_text(timestamps, sight.frames[0].soft_tokens);
    return sight;
}

/// A kind's patches and positions as the reference pads and stacks them: [pictures, patches, …] or
/// [videos, frames, patches, …].
struct PictureTensors {
    std::vector<std::size_t> shape;  // without the last axis
    std::vector<float> values;
    std::vector<std::int64_t> positions;

    static PictureTensors of(const std::vector<const Sight*>& sights, bool video) {
        std::size_t frames = 1, patches = 0, width = 0;
        for (const Sight* s : sights) {
            frames = std::max(frames, s->frames.size());
            patches = std::max(patches, s->max_patches);
            width = s->frames[0].values.size() / s->frames[0].count;
        }
        PictureTensors t;
        t.shape = {sights.size(), patches};
        if (video) t.shape.insert(t.shape.begin() + 1, frames);
        const std::size_t rows = sights.size() * frames * patches;
        t.values.resize(rows * width);
        t.positions.assign(rows * 2, -1);
        for (std::size_t i = 0; i < sights.size(); ++i)
            for (std::size_t f = 0; f < sights[i]->frames.size(); ++f) {
                const carat::Patches& p = sights[i]->frames[f];
                const std::size_t row = (i * frames + f) * patches;
                std::ranges::copy(p.values,
                                  t.values.begin() + static_cast<std::ptrdiff_t>(row * width));
                std::ranges::copy(p.positions,
                                  t.positions.begin() + static_cast<std::ptrdiff_t>(row * 2));
            }
        return t;
    }
};

// The media of messages as the tensors of the reference's processor, padded and stacked.
#pragma once

#include "carat/attachments/processor_config.hpp"
#include "carat/attachments/read_clip.hpp"
#include "carat/attachments/read_sight.hpp"
#include "carat/media/audio/mel.hpp"
#include "carat/prompt/media_parts.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

/// Features of all clips among the media, padded to the longest.
inline carat::Result<carat::MelBatch> read_clips(const std::vector<carat::MediaPart>& media,
                                                 const std::string& folder,
                                                 const std::string& model_folder) {
    const auto config = carat::mel_config(model_folder);
    if (!config) return config.error();
    std::vector<std::vector<float>> samples;
    for (const carat::MediaPart& part : media) {
        if (part.kind != carat::MediaKind::audio) continue;
        auto clip = carat::read_clip(part, folder, *config);
        if (!clip) return clip.error();
        samples.push_back(std::move(*clip));
    }
    const std::vector<std::span<const float>> clips(samples.begin(), samples.end());
    return carat::mel_features(clips, *config);
}

/// A kind's patches and positions as the reference pads and stacks them: [pictures, patches, …] or
/// [videos, frames, patches, …].
struct PictureTensors {
    std::vector<std::size_t> shape;  // without the last axis
    std::vector<float> values;
    std::vector<std::int64_t> positions;

    static PictureTensors of(const std::vector<const carat::Sight*>& sights, bool video) {
        std::size_t frames = 1, patches = 0, width = 0;
        for (const carat::Sight* s : sights) {
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

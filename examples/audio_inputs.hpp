// The clips that messages name, as the model hears them.
#pragma once

#include "carat/media/audio/audio_file.hpp"
#include "carat/media/audio/mel.hpp"
#include "carat/prompt/media_parts.hpp"
#include "carat/text/read_file.hpp"

#include <string>
#include <utility>
#include <vector>

/// How a model's folder wants its sound; as every published Gemma 4 where it does not say.
inline carat::Result<carat::MelConfig> mel_config(const std::string& model_folder) {
    const std::string path = carat::path_in(model_folder, "processor_config.json");
    if (!carat::file_exists(path)) return carat::MelConfig{};
    const auto text = carat::read_file(path);
    if (!text) return text.error();
    return carat::read_mel_config(*text, path);
}

/// The folder that paths in a messages file are relative to.
inline std::string folder_of(const std::string& file) {
    const std::size_t slash = file.rfind('/');
    return slash == std::string::npos ? "." : file.substr(0, slash + 1);
}

/// The samples of one part, at the model's rate. Errors say which part it was.
inline carat::Result<std::vector<float>> read_clip(const carat::MediaPart& part,
                                                   const std::string& folder,
                                                   const carat::MelConfig& config) {
    const auto fault = [&](const carat::Error& e) {
        return carat::Error{e.code, part.where + ": " + e.text};
    };
    if (part.source.empty())
        return fault({carat::Errc::invalid_argument, "an audio part without a path"});
    if (part.source.find("://") != std::string::npos || part.source.starts_with("data:"))
        return fault({carat::Errc::unsupported,
                      part.source.substr(0, 40) + ": only paths of files can be read"});
    const bool absolute = part.source.starts_with('/');
    auto clip = carat::read_audio_file(absolute ? part.source : carat::path_in(folder, part.source),
                                       {.sample_rate_hz = config.sampling_rate});
    if (!clip) return fault(clip.error());
    return std::move(clip->samples);
}

/// Features of all clips among the media, padded to the longest.
inline carat::Result<carat::MelBatch> read_clips(const std::vector<carat::MediaPart>& media,
                                                 const std::string& folder,
                                                 const std::string& model_folder) {
    const auto config = mel_config(model_folder);
    if (!config) return config.error();
    std::vector<std::vector<float>> samples;
    for (const carat::MediaPart& part : media) {
        if (part.kind != carat::MediaKind::audio) continue;
        auto clip = read_clip(part, folder, *config);
        if (!clip) return clip.error();
        samples.push_back(std::move(*clip));
    }
    const std::vector<std::span<const float>> clips(samples.begin(), samples.end());
    return carat::mel_features(clips, *config);
}

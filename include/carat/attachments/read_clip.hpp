/// \file
/// The sounds that messages name.
#pragma once

#include "carat/attachments/part_source.hpp"
#include "carat/base/result.hpp"
#include "carat/media/audio/audio_file.hpp"
#include "carat/media/audio/mel_config.hpp"
#include "carat/prompt/media_parts.hpp"

#include <span>
#include <string>
#include <utility>
#include <vector>

namespace carat::inline CARAT_ABI {

/// The samples of an audio part, mono, at the model's rate. Bad input: as part_source() and
/// read_audio_file(); the error says which part it was.
[[nodiscard]] inline Result<std::vector<float>> read_clip(const MediaPart& part,
                                                          const std::string& folder,
                                                          const MelConfig& config) {
    return memory_errors(part.where, [&]() -> Result<std::vector<float>> {
        const auto source = part_source(part, folder);
        if (!source) return source.error();
        const AudioFileOptions options{.sample_rate_hz = config.sampling_rate};
        auto clip = source->path.empty() ? decode_audio(std::as_bytes(std::span(source->bytes)),
                                                        source->name, options)
                                         : read_audio_file(source->path, options);
        if (!clip) return detail::fault_of(part, clip.error().code, clip.error().text);
        return std::move(clip->samples);
    });
}

}  // namespace carat::inline CARAT_ABI

/// \file
/// What mel.hpp declares.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/result.hpp"
#include "carat/media/audio/fft.hpp"
#include "carat/media/audio/mel.hpp"
#include "carat/media/audio/mel_config.hpp"
#include "carat/tensor/finite.hpp"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <span>
#include <string>

namespace carat::inline CARAT_ABI {

CARAT_ONCE Result<MelBatch> mel_features(std::span<const std::span<const float>> clips,
                                         const MelConfig& config) {
    return memory_errors([&]() -> Result<MelBatch> {
        MelBatch batch;
        batch.clips = clips.size();
        batch.bins = config.feature_size;
        for (const auto& clip : clips)
            batch.frames = std::max(batch.frames, config.padded_frames(clip.size()));
        const std::size_t most = std::numeric_limits<std::size_t>::max() / sizeof(float);
        if (batch.frames > 0 && batch.bins > 0 && batch.clips > most / batch.frames / batch.bins)
            return Error{
                Errc::out_of_range,
                joined({batch.clips, " clips of up to ", batch.frames, " rows of ", batch.bins,
                        " features, expected at most ", most, " features in all"})};
        batch.features.assign(batch.clips * batch.frames * batch.bins, 0.0f);
        batch.mask.assign(batch.clips * batch.frames, 0);
        MelExtractor extractor(config);
        for (std::size_t c = 0; c < clips.size(); ++c) {
            const auto fault = [&](Errc code, const std::string& what) {
                return Error{code, "clip " + std::to_string(c) + ": " + what};
            };
            if (clips[c].empty()) return fault(Errc::invalid_argument, "there are no samples");
            extractor.clear();
            std::size_t row = c * batch.frames;
            const Result<void> heard = extractor.push(clips[c], [&](std::span<const float> y) {
                std::copy(y.begin(), y.end(),
                          batch.features.begin() + static_cast<std::ptrdiff_t>(row * batch.bins));
                batch.mask[row++] = 1;
            });
            if (!heard) return fault(heard.error().code, heard.error().text);
            batch.valid.push_back(row - c * batch.frames);
        }
        return batch;
    });
}

CARAT_ONCE Result<MelBatch> mel_features(std::span<const float> clip, const MelConfig& config) {
    return mel_features(std::span<const std::span<const float>>(&clip, 1), config);
}

}  // namespace carat::inline CARAT_ABI

/// \file
/// MelConfig: how a model wants its sound, the `feature_extractor` of processor_config.json.
/// Source: spec/audio.md section 1.
#pragma once

#include "carat/base/result.hpp"

#include <cstddef>
#include <string_view>
#include <vector>

namespace carat::inline CARAT_ABI {

/// Fields carry the names of processor_config.json. As it is: what every published Gemma 4 says.
struct MelConfig {
    std::size_t sampling_rate = 16000;  ///< samples a second
    std::size_t feature_size = 128;     ///< mel bins
    std::size_t frame_length = 320;     ///< samples
    std::size_t hop_length = 160;       ///< samples from one frame to the next
    std::size_t fft_length = 512;
    double min_frequency = 0.0, max_frequency = 8000.0;  ///< Hz
    double preemphasis = 0.0;
    bool preemphasis_htk_flavor = true;
    double input_scale_factor = 1.0;
    double mel_floor = 0.001;              ///< added before the logarithm
    std::vector<double> per_bin_mean{};    ///< [feature_size] or empty
    std::vector<double> per_bin_stddev{};  ///< [feature_size] or empty
    std::size_t max_samples = 480000;      ///< a longer clip is cut to its first 30 s
    std::size_t pad_samples_to = 128;      ///< a batch is padded to a multiple of so many samples

    friend bool operator==(const MelConfig&, const MelConfig&) = default;

    /// Samples that are taken as silence before the first, so that frame 0 is centred on it.
    [[nodiscard]] std::size_t left_padding() const noexcept { return frame_length / 2; }
    /// Frames that a clip of `samples`, padding included, comes out as.
    [[nodiscard]] std::size_t frames(std::size_t samples) const noexcept {
        const std::size_t padded = samples + left_padding(), unfold = frame_length + 1;
        return padded < unfold ? 0 : (padded - unfold) / hop_length + 1;
    }
    /// Frames of a batch whose longest clip has `samples`.
    [[nodiscard]] std::size_t padded_frames(std::size_t samples) const noexcept {
        const std::size_t cut = samples < max_samples ? samples : max_samples;
        return frames((cut + pad_samples_to - 1) / pad_samples_to * pad_samples_to);
    }
    /// Frames of a clip of `samples` that hold sound to their end; they come first.
    [[nodiscard]] std::size_t valid_frames(std::size_t samples) const noexcept {
        return frames(samples < max_samples ? samples : max_samples);
    }
};

/// Soft tokens of a clip with so many valid frames: two convolutions of stride 2.
constexpr std::size_t audio_soft_tokens(std::size_t valid_frames) { return (valid_frames + 3) / 4; }

/// Reads the text of a processor_config.json. What it does not say is as in every published Gemma
/// 4. Bad input: what is not JSON, values of another type, settings that make no sense, random
/// dither; one line.
Result<MelConfig> read_mel_config(std::string_view json_text, std::string_view what);

}  // namespace carat::inline CARAT_ABI

#ifndef CARAT_SEPARATE_COMPILATION
#include "carat/media/audio/mel_config.inl.hpp"
#endif

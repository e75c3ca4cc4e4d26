/// \file
/// Waveform: mono samples and their rate, from whatever a host has in memory. Needs no package; see
/// media/audio/audio_file.hpp for files and media/audio/resampler.hpp for other rates.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/result.hpp"
#include "carat/tensor/finite.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace carat::inline CARAT_ABI {

struct Waveform {
    std::vector<float> samples;  ///< nominally -1 to 1
    std::size_t sample_rate_hz = 16000;

    [[nodiscard]] double seconds() const noexcept {
        return static_cast<double>(samples.size()) / static_cast<double>(sample_rate_hz);
    }
};

/// A sample of integer PCM or of floats as a float from -1 to 1: 8 bits are unsigned around 128.
template <class T>
constexpr float pcm_to_f32(T x) {
    if constexpr (std::is_same_v<T, std::uint8_t>) {
        return (static_cast<float>(x) - 128.0f) / 128.0f;
    } else if constexpr (std::is_same_v<T, std::int16_t>) {
        return static_cast<float>(x) / 32768.0f;
    } else if constexpr (std::is_same_v<T, std::int32_t>) {
        return static_cast<float>(x) / 2147483648.0f;
    } else {
        static_assert(std::is_same_v<T, float>,
                      "carat: samples are std::uint8_t, std::int16_t, std::int32_t or float");
        return x;
    }
}

/// Appends the mean over the channels of interleaved samples [frames, channels].
template <class T>
void mix_down(std::span<const T> interleaved, std::size_t channels, std::vector<float>& mono) {
    for (std::size_t i = 0; i + channels <= interleaved.size(); i += channels) {
        double sum = 0.0;
        for (std::size_t c = 0; c < channels; ++c)
            sum += static_cast<double>(pcm_to_f32(interleaved[i + c]));
        mono.push_back(static_cast<float>(sum / static_cast<double>(channels)));
    }
}

/// Samples that are in memory: [frames, channels], interleaved. Bad input: no samples, no channels,
/// a number of samples that is no multiple of the channels, a rate of 0, samples that are not
/// finite.
template <class T>
Result<Waveform> make_waveform(std::span<const T> interleaved, std::size_t sample_rate_hz,
                               std::size_t channels = 1) {
    return memory_errors([&]() -> Result<Waveform> {
        const auto fault = [](const std::string& text) {
            return Error{Errc::invalid_argument, "waveform: " + text};
        };
        if (sample_rate_hz == 0) return fault("the sample rate is 0");
        if (channels == 0 || interleaved.size() % channels != 0)
            return fault(joined(
                {interleaved.size(), " samples are no whole frames of ", channels, " channels"}));
        if (interleaved.empty()) return fault("there are no samples");
        if constexpr (std::is_same_v<T, float>)
            if (const std::size_t i = first_not_finite(interleaved); i < interleaved.size())
                return fault(joined({"sample ", i, " is not a finite number"}));
        Waveform w{{}, sample_rate_hz};
        w.samples.reserve(interleaved.size() / channels);
        mix_down(interleaved, channels, w.samples);
        return w;
    });
}

}  // namespace carat::inline CARAT_ABI

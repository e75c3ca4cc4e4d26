/// \file
/// What decoders of sound hand on block by block, gathered as mono at the wanted rate and held to
/// limits.
#pragma once

#include "carat/base/result.hpp"
#include "carat/media/audio/resampler.hpp"
#include "carat/media/audio/waveform.hpp"
#include "carat/tensor/finite.hpp"

#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace carat::inline CARAT_ABI {

struct AudioFileOptions {
    std::size_t sample_rate_hz = 16000;  ///< of the result
    /// A longer file is refused, whatever its header says: six hours at 16 kHz are 1.4 GB, which a
    /// megabyte of silence may become.
    double max_seconds = 6.0 * 3600.0;
};

namespace detail {

/// `what` names the file in errors.
class SoundGatherer {
  public:
    static Result<SoundGatherer> create(std::string what, long rate_hz, long channels,
                                        const AudioFileOptions& options) {
        if (channels < 1 || channels > 1024 || rate_hz < 1)
            return Error{Errc::bad_format, what + ": says that it has " + std::to_string(channels) +
                                               " channels at " + std::to_string(rate_hz) + " Hz"};
        auto resampler =
            Resampler::create(static_cast<std::size_t>(rate_hz), options.sample_rate_hz);
        if (!resampler) return Error{resampler.error().code, what + ": " + resampler.error().text};
        return SoundGatherer(std::move(what), static_cast<std::size_t>(rate_hz),
                             static_cast<std::size_t>(channels), options, std::move(*resampler));
    }
    [[nodiscard]] std::size_t frames() const { return frames_; }

    /// Samples [frames, channels]. Bad input: not finite ones, more than max_seconds.
    Result<void> push(std::span<const float> interleaved) {
        if (const std::size_t i = first_not_finite(interleaved); i < interleaved.size())
            return fault(Errc::bad_format, "sample " + std::to_string(frames_ * channels_ + i) +
                                               " is not a finite number");
        frames_ += interleaved.size() / channels_;
        if (static_cast<double>(frames_) > options_.max_seconds * static_cast<double>(rate_hz_))
            return fault(Errc::out_of_range,
                         "is longer than " +
                             std::to_string(static_cast<long>(options_.max_seconds)) + " seconds");
        mono_.clear();
        mix_down(interleaved, channels_, mono_);
        resampler_.push(mono_, out_.samples);
        return {};
    }
    /// The whole. Bad input: no samples.
    Result<Waveform> finish() {
        if (frames_ == 0) return fault(Errc::invalid_argument, "has no samples");
        resampler_.finish(out_.samples);
        return std::move(out_);
    }

  private:
    SoundGatherer(std::string what, std::size_t rate_hz, std::size_t channels,
                  const AudioFileOptions& options, Resampler resampler)
        : what_(std::move(what)),
          rate_hz_(rate_hz),
          channels_(channels),
          options_(options),
          resampler_(std::move(resampler)),
          out_{{}, options.sample_rate_hz} {}
    [[nodiscard]] Error fault(Errc code, const std::string& text) const {
        return {code, what_ + ": " + text};
    }

    std::string what_;
    std::size_t rate_hz_, channels_, frames_ = 0;
    AudioFileOptions options_;
    Resampler resampler_;
    std::vector<float> mono_;
    Waveform out_;
};

}  // namespace detail
}  // namespace carat::inline CARAT_ABI

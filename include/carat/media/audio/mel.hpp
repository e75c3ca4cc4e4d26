/// \file
/// Sound into what an audio tower takes: logarithms of mel-scaled magnitudes, a row every 10 ms.
///
///     MelExtractor extractor;                      // a stream, in pieces of any size
///     extractor.push(samples, [&](std::span<const float> row) { … });
///     MelBatch batch = mel_features(clips);        // whole clips, padded to the longest
///
/// A row depends on 20 ms of sound and comes out as soon as one more sample has arrived, so a
/// stream's rows are those of the whole clip, bit for bit. Source: spec/audio.md sections 2 to 4.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/result.hpp"
#include "carat/media/audio/fft.hpp"
#include "carat/media/audio/mel_config.hpp"
#include "carat/tensor/finite.hpp"
#include "carat/tensor/view.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace carat::inline CARAT_ABI {

/// Triangles on the HTK mel scale over the bins of a spectrum, not normalised to equal area.
class MelBank {
  public:
    explicit MelBank(const MelConfig& c) {
        const auto mel = [](double hz) { return 2595.0 * std::log10(1.0 + hz / 700.0); };
        const auto hz = [](double m) { return 700.0 * (std::pow(10.0, m / 2595.0) - 1.0); };
        const double first = mel(c.min_frequency), last = mel(c.max_frequency);
        const std::size_t edges = c.feature_size + 2, bins = c.fft_length / 2 + 1;
        const auto edge = [&](std::size_t j) {
            return hz(first +
                      static_cast<double>(j) * (last - first) / static_cast<double>(edges - 1));
        };
        const double nyquist = static_cast<double>(c.sampling_rate / 2);
        for (std::size_t j = 0; j < c.feature_size; ++j) {
            const double left = edge(j), top = edge(j + 1), right = edge(j + 2);
            Triangle t{0, weights_.size(), weights_.size()};
            for (std::size_t b = 0; b < bins; ++b) {
                const double f = static_cast<double>(b) * nyquist / static_cast<double>(bins - 1);
                const double w = std::min((f - left) / (top - left), (right - f) / (right - top));
                if (!(w > 0)) continue;  // also where the triangle has no width
                if (t.end == t.begin) t.first_bin = b;
                weights_.push_back(w);
                t.end = weights_.size();
            }
            triangles_.push_back(t);
        }
    }
    /// out[j] = Σ_b magnitudes[b] · W[b][j].
    void apply(std::span<const double> magnitudes, std::span<double> out) const {
        for (std::size_t j = 0; j < triangles_.size(); ++j) {
            const Triangle& t = triangles_[j];
            double sum = 0.0;
            for (std::size_t i = t.begin; i < t.end; ++i)
                sum += weights_[i] * magnitudes[t.first_bin + i - t.begin];
            out[j] = sum;
        }
    }

  private:
    struct Triangle {
        std::size_t first_bin, begin, end;  // weights [begin, end) from first_bin on
    };
    std::vector<double> weights_;
    std::vector<Triangle> triangles_;
};

/// Takes a stream of samples at the config's rate and gives rows of features.
class MelExtractor {
  public:
    /// A config that read_mel_config() gave, or the default.
    explicit MelExtractor(MelConfig config = {})
        : config_(std::move(config)),
          bank_(config_),
          fft_(config_.fft_length),
          window_(config_.frame_length),
          frame_(config_.frame_length),
          magnitudes_(fft_.bins()),
          mel_(config_.feature_size),
          row_(config_.feature_size) {
        const auto n = static_cast<double>(config_.frame_length);
        for (std::size_t i = 0; i < window_.size(); ++i)  // periodic Hann
            window_[i] = static_cast<float>(
                0.5 - 0.5 * std::cos(2.0 * std::numbers::pi * static_cast<double>(i) / n));
        clear();
    }

    /// Appends samples and calls on_row(row [feature_size]) for each row they complete. What comes
    /// after max_samples is not heard. Bad input: a sample that is not finite (invalid_argument);
    /// nothing is appended then. Where memory is refused (out_of_memory), also to on_row, the
    /// stream is to be cleared.
    template <class OnRow>
    Result<void> push(std::span<const float> samples, OnRow&& on_row) {
        return memory_errors([&]() -> Result<void> {
            if (const std::size_t i = first_not_finite(samples); i < samples.size())
                return Error{Errc::invalid_argument,
                             "sample " + std::to_string(heard_ + i) + " is not a finite number"};
            const std::size_t n = std::min(samples.size(), config_.max_samples - heard_);
            heard_ += n;
            const auto scale = static_cast<float>(config_.input_scale_factor);
            for (std::size_t i = 0; i < n; ++i) {
                pending_.push_back(samples[i] * scale);
                if (pending_.size() - begin_ == config_.frame_length + 1) {
                    compute(pending_.data() + begin_);
                    on_row(std::span<const float>(row_));
                    begin_ += config_.hop_length;
                }
            }
            pending_.erase(pending_.begin(),
                           pending_.begin() + static_cast<std::ptrdiff_t>(begin_));
            begin_ = 0;
            return {};
        });
    }
    /// Forgets the stream: what comes next is the beginning of another.
    void clear() {
        pending_.assign(config_.left_padding(), 0.0f);
        begin_ = heard_ = 0;
    }
    /// Samples taken so far.
    [[nodiscard]] std::size_t samples() const noexcept { return heard_; }
    [[nodiscard]] const MelConfig& config() const noexcept { return config_; }

  private:
    /// row_ of the frame at x [frame_length + 1]; the last sample matters to pre-emphasis only.
    void compute(const float* x) {
        const auto a = static_cast<float>(config_.preemphasis);
        for (std::size_t i = 0; i < frame_.size(); ++i) {
            float y = x[i];
            if (a > 0 && config_.preemphasis_htk_flavor)
                y = i == 0 ? x[0] * (1.0f - a) : x[i] - a * x[i - 1];
            else if (a > 0)
                y = x[i + 1] - a * x[i];
            frame_[i] = y * window_[i];
        }
        fft_.magnitudes(frame_, magnitudes_);
        bank_.apply(magnitudes_, mel_);
        for (std::size_t j = 0; j < row_.size(); ++j) {
            double y = std::log(mel_[j] + config_.mel_floor);  // a floor that is added, not a bound
            if (!config_.per_bin_mean.empty()) y -= config_.per_bin_mean[j];
            if (!config_.per_bin_stddev.empty()) y /= config_.per_bin_stddev[j];
            row_[j] = static_cast<float>(y);
        }
    }

    MelConfig config_;
    MelBank bank_;
    RealFft fft_;
    std::vector<float> window_, frame_;
    std::vector<double> magnitudes_, mel_;
    std::vector<float> row_;
    std::vector<float> pending_;  // samples that a coming frame needs, from begin_ on
    std::size_t begin_ = 0, heard_ = 0;
};

/// Features of clips, padded to the longest: `input_features` and `input_features_mask`.
struct MelBatch {
    std::size_t clips = 0, frames = 0, bins = 0;
    std::vector<float> features;     ///< [clips, frames, bins], 0 where the mask is
    std::vector<std::uint8_t> mask;  ///< [clips, frames]
    std::vector<std::size_t> valid;  ///< [clips]: ones in the mask, which come first

    [[nodiscard]] std::span<const float> clip(std::size_t c) const {
        return std::span(features).subspan(c * frames * bins, frames * bins);
    }
    /// Clip c for a model that hears `width` bins. Bad input: settings of another feature_size
    /// (mismatch).
    template <std::size_t width>
    [[nodiscard]] Result<Rows<const float, width>> rows(std::size_t c) const {
        if (bins == width) return Rows<const float, width>(clip(c).data(), frames);
        return Error{Errc::mismatch, joined({"features of ", bins, " mel bins, expected ", width,
                                             ": feature_size is not the model's"})};
    }
    /// Soft tokens that clip c becomes.
    [[nodiscard]] std::size_t soft_tokens(std::size_t c) const {
        return audio_soft_tokens(valid[c]);
    }
};

/// Features of whole clips at the config's rate. Bad input: a clip without samples, samples that
/// are not finite; the error names the clip. More than the system has memory for (out_of_memory).
Result<MelBatch> mel_features(std::span<const std::span<const float>> clips,
                              const MelConfig& config = {});
Result<MelBatch> mel_features(std::span<const float> clip, const MelConfig& config = {});

}  // namespace carat::inline CARAT_ABI

#ifndef CARAT_SEPARATE_COMPILATION
#include "carat/media/audio/mel.inl.hpp"
#endif

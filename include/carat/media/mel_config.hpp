/// \file
/// MelConfig: how a model wants its sound, the `feature_extractor` of processor_config.json.
/// Source: spec/audio.md section 1.
#pragma once

#include "carat/json.hpp"
#include "carat/result.hpp"

#include <cmath>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
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

namespace detail {

/// Nothing, or what makes no sense in a MelConfig.
inline std::string fault(const MelConfig& c) {
    const auto text = [](auto v) { return std::to_string(v); };
    if (c.sampling_rate < 1000 || c.sampling_rate > 1000000)
        return "sampling_rate is " + text(c.sampling_rate) + ", expected 1000 to 1000000";
    if (c.feature_size == 0 || c.feature_size > 4096)
        return "feature_size is " + text(c.feature_size) + ", expected 1 to 4096";
    if (c.frame_length < 2 || c.frame_length > c.fft_length)
        return "frame_length is " + text(c.frame_length) + ", expected 2 to fft_length, which is " +
               text(c.fft_length);
    if (c.hop_length == 0 || c.hop_length > c.frame_length)
        return "hop_length is " + text(c.hop_length) + ", expected 1 to frame_length";
    if (c.fft_length > 65536 || c.fft_length % 2 != 0)
        return "fft_length is " + text(c.fft_length) + ", expected an even number up to 65536";
    if (!(c.min_frequency >= 0 && c.min_frequency < c.max_frequency))
        return "min_frequency must be at least 0 and less than max_frequency";
    if (!(c.mel_floor > 0)) return "mel_floor must be greater than 0";
    for (const auto& [name, factor] : {std::pair("preemphasis", c.preemphasis),
                                       std::pair("input_scale_factor", c.input_scale_factor)})
        if (!(std::abs(factor) <= 1e6))
            return std::string(name) + " is out of range, expected -1e6 to 1e6";
    for (const auto* list : {&c.per_bin_mean, &c.per_bin_stddev})
        if (!list->empty() && list->size() != c.feature_size)
            return std::string(list == &c.per_bin_mean ? "per_bin_mean" : "per_bin_stddev") +
                   " has " + text(list->size()) + " numbers, expected one for each of the " +
                   text(c.feature_size) + " mel bins";
    for (std::size_t i = 0; i < c.per_bin_stddev.size(); ++i)
        if (!(c.per_bin_stddev[i] > 0))
            return "per_bin_stddev[" + text(i) + "] must be greater than 0";
    return {};
}

}  // namespace detail

/// Reads the text of a processor_config.json. What it does not say is as in every published Gemma
/// 4. Bad input: what is not JSON, values of another type, settings that make no sense, random
/// dither; one line.
inline Result<MelConfig> read_mel_config(std::string_view json_text, std::string_view what) {
    const Result<Json> tree = parse_json(json_text, what);
    if (!tree) return tree.error();
    const JsonValue* in = json::find(*tree, "feature_extractor");
    std::string wrong;
    const auto get = [&](const char* key) {
        const JsonValue* v = json::find(in, key);
        return v != nullptr && v->IsNull() ? nullptr : v;
    };
    const auto expected = [&](const char* key, const char* type) {
        if (wrong.empty())
            wrong = std::string(key) + " is " + json::type_name(get(key)) + ", expected " + type;
    };
    MelConfig c;
    const auto size = [&](const char* key, std::size_t& to) {
        if (get(key) == nullptr) return;
        if (const auto v = json::unsigned_integer(get(key)))
            to = static_cast<std::size_t>(*v);
        else
            expected(key, "a whole number, not negative");
    };
    const auto real = [&](const char* key, double& to) {
        if (get(key) == nullptr) return;
        if (const auto v = json::number(get(key)))
            to = *v;
        else
            expected(key, "a number");
    };
    const auto flag = [&](const char* key, bool& to) {
        if (get(key) == nullptr) return;
        if (const auto v = json::boolean(get(key)))
            to = *v;
        else
            expected(key, "true or false");
    };
    const auto list = [&](const char* key, std::vector<double>& to) {
        if (get(key) != nullptr && !get(key)->IsArray()) expected(key, "an array of numbers");
        for (const JsonValue& v : json::elements(get(key))) {
            if (const auto number = json::number(v))
                to.push_back(*number);
            else
                expected(key, "an array of numbers");
        }
    };
    size("sampling_rate", c.sampling_rate);
    size("feature_size", c.feature_size);
    const auto milliseconds = [&](const char* key, std::size_t& to) {
        if (get(key) == nullptr) return;
        double ms = 0;
        real(key, ms);
        // Ties go to the even number of samples.
        const double n = std::nearbyint(static_cast<double>(c.sampling_rate) * ms / 1000.0);
        if (n >= 1 && n <= 65536)
            to = static_cast<std::size_t>(n);
        else if (wrong.empty())
            wrong = std::string(key) + " is out of range, expected 1 to 65536 samples";
    };
    milliseconds("frame_length_ms", c.frame_length);
    milliseconds("hop_length_ms", c.hop_length);
    size("frame_length", c.frame_length);
    size("hop_length", c.hop_length);
    bool overdrive = false;
    flag("fft_overdrive", overdrive);
    std::size_t power = 1;
    while (power < c.frame_length && power < 65536) power *= 2;
    c.fft_length = overdrive ? 2 * power : power;
    size("fft_length", c.fft_length);
    real("min_frequency", c.min_frequency);
    real("max_frequency", c.max_frequency);
    real("preemphasis", c.preemphasis);
    flag("preemphasis_htk_flavor", c.preemphasis_htk_flavor);
    real("input_scale_factor", c.input_scale_factor);
    real("mel_floor", c.mel_floor);
    list("per_bin_mean", c.per_bin_mean);
    list("per_bin_stddev", c.per_bin_stddev);
    double dither = 0;
    real("dither", dither);
    if (wrong.empty() && dither != 0) wrong = "dither must be 0: features are never random";
    if (wrong.empty()) wrong = detail::fault(c);
    if (!wrong.empty())
        return Error{Errc::bad_format, std::string(what) + ": feature_extractor." + wrong};
    return c;
}

}  // namespace carat::inline CARAT_ABI

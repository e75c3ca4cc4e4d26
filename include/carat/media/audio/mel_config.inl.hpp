/// \file
/// What mel_config.hpp declares.
#pragma once

#include "carat/base/result.hpp"
#include "carat/format/json.hpp"
#include "carat/media/audio/mel_config.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace carat::inline CARAT_ABI {

namespace detail {

/// Nothing, or what makes no sense in a MelConfig.
inline std::string fault(const MelConfig& c) {
    const auto text = [](auto v) {
        char digits[32];
        return std::string(digits, std::to_chars(digits, digits + sizeof digits, v).ptr);
    };
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
    std::size_t rest = c.fft_length;
    for (const std::size_t prime : {2u, 3u, 5u})
        while (rest % prime == 0) rest /= prime;
    if (rest != 1)  // a transform of prime length takes its square
        return "fft_length is " + text(c.fft_length) +
               ", expected a product of twos, threes and fives";
    // Whatever is made of the longest clip: 2^26 features are 256 MB.
    constexpr std::size_t most = std::size_t{1} << 26;
    const std::size_t rows = c.frames(c.max_samples), wide = std::max(c.feature_size, c.fft_length);
    if (rows > most / wide)
        return "hop_length is " + text(c.hop_length) + ", which makes " + text(rows) + " rows of " +
               text(c.max_samples) + " samples, with fft_length " + text(c.fft_length) +
               " and feature_size " + text(c.feature_size) + " expected at most " +
               text(most / wide);
    if (!(c.min_frequency >= 0 && c.min_frequency < c.max_frequency))
        return "min_frequency is " + text(c.min_frequency) +
               ", expected at least 0 and less than max_frequency, which is " +
               text(c.max_frequency);
    if (!(c.mel_floor > 0)) return "mel_floor is " + text(c.mel_floor) + ", expected more than 0";
    for (const auto& [name, factor] : {std::pair("preemphasis", c.preemphasis),
                                       std::pair("input_scale_factor", c.input_scale_factor)})
        if (!(std::abs(factor) <= 1e6))
            return std::string(name) + " is " + text(factor) + ", expected -1e6 to 1e6";
    for (const auto* list : {&c.per_bin_mean, &c.per_bin_stddev})
        if (!list->empty() && list->size() != c.feature_size)
            return std::string(list == &c.per_bin_mean ? "per_bin_mean" : "per_bin_stddev") +
                   " has " + text(list->size()) + " numbers, expected one for each of the " +
                   text(c.feature_size) + " mel bins";
    for (std::size_t i = 0; i < c.per_bin_stddev.size(); ++i)
        if (!(c.per_bin_stddev[i] > 0))
            return "per_bin_stddev[" + text(i) + "] is " + text(c.per_bin_stddev[i]) +
                   ", expected more than 0";
    return {};
}

}  // namespace detail

CARAT_ONCE Result<MelConfig> read_mel_config(std::string_view json_text, std::string_view what) {
    return memory_errors([&]() -> Result<MelConfig> {
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
                wrong =
                    std::string(key) + " is " + json::type_name(get(key)) + ", expected " + type;
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
    });
}

}  // namespace carat::inline CARAT_ABI

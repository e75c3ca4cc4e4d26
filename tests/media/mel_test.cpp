#include "carat/media/audio/mel.hpp"

#include "carat/checkpoint/mapped_file.hpp"
#include "carat/checkpoint/safetensors.hpp"
#include "carat/format/json.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <numbers>
#include <random>
#include <string>
#include <vector>

namespace carat {
namespace {

const std::string fixtures = CARAT_SOURCE_DIR "/tests/fixtures/";

MappedFile open(const std::string& path) {
    auto map = MappedFile::open(path);
    INFO(path);
    REQUIRE(map);
    return std::move(*map);
}
Json json_file(const std::string& path) {
    const MappedFile map = open(path);
    auto tree = parse_json(map.text(), path);
    REQUIRE(tree);
    return std::move(*tree);
}

/// The reference feature extractor's waveforms and what it makes of them.
struct Reference {
    MappedFile map = open(fixtures + "hf/processor/audio.safetensors");
    Safetensors file = std::move(*Safetensors::read(map.bytes(), "audio.safetensors"));

    template <class T>
    [[nodiscard]] std::vector<T> values(const std::string& name) const {
        const StoredTensor* t = file.find(name);
        INFO(name);
        REQUIRE(t != nullptr);
        std::vector<T> out(t->count());
        REQUIRE(t->bytes == out.size() * sizeof(T));
        if (!out.empty()) std::memcpy(out.data(), t->data, t->bytes);
        return out;
    }
    [[nodiscard]] std::vector<float> samples(const std::string& name) const {
        std::vector<float> out;
        for (const std::int16_t v : values<std::int16_t>(name + ".pcm"))
            out.push_back(static_cast<float>(v) / 32768.0f);
        return out;
    }
};

/// The fixtures' noise floor is 1e-5; the largest difference between two rows of features.
constexpr double tolerance = 1e-5;
double distance(std::span<const float> a, std::span<const float> b) {
    REQUIRE(a.size() == b.size());
    double largest = 0.0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        const double d = std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
        largest = d > largest || std::isnan(d) ? d : largest;
    }
    return largest;
}

/// The sum of two tones that the spec's own checks use.
std::vector<float> tones(std::size_t n, double f1, double f2, double a1, double a2) {
    std::vector<float> x(n);
    for (std::size_t i = 0; i < n; ++i) {
        const double t = 2.0 * std::numbers::pi * static_cast<double>(i) / 16000.0;
        x[i] = static_cast<float>(a1 * std::sin(t * f1) + a2 * std::sin(t * f2));
    }
    return x;
}

TEST_CASE("mel features are the reference's for every waveform of the fixtures") {
    const Reference r;
    for (const std::string name : {"silence", "sweep", "noise", "mix", "len100", "len200"}) {
        CAPTURE(name);
        const auto batch = mel_features(r.samples(name));
        REQUIRE(batch);
        CHECK(batch->mask == r.values<std::uint8_t>(name + ".mask"));
        CHECK(distance(batch->features, r.values<float>(name + ".features")) <= tolerance);
    }
}

TEST_CASE("a clip beyond 30 s is cut") {
    const Reference r;
    const auto batch = mel_features(r.samples("long"));
    REQUIRE(batch);
    CHECK(batch->frames == 2999);
    CHECK(batch->soft_tokens(0) == 750);
    CHECK(batch->mask == r.values<std::uint8_t>("long.mask"));
    const std::span<const float> all = batch->features;
    CHECK(distance(all.first(48 * 128), r.values<float>("long.first")) <= tolerance);
    CHECK(distance(all.last(48 * 128), r.values<float>("long.last")) <= tolerance);
    std::vector<float> means;
    for (std::size_t t = 0; t < batch->frames; ++t) {
        double sum = 0.0;
        for (const float v : all.subspan(t * 128, 128)) sum += static_cast<double>(v);
        means.push_back(static_cast<float>(sum / 128.0));
    }
    CHECK(distance(means, r.values<float>("long.frame_means")) <= tolerance);
}

TEST_CASE("clips of different lengths are padded to the longest") {
    const Reference r;
    const std::vector<float> a = r.samples("sweep"), b = r.samples("noise"), c = r.samples("mix");
    const std::span<const float> clips[] = {a, b, c};
    const auto batch = mel_features(clips);
    REQUIRE(batch);
    CHECK(batch->frames == 137);
    CHECK(batch->mask == r.values<std::uint8_t>("batch.mask"));
    CHECK(distance(batch->features, r.values<float>("batch.features")) <= tolerance);
}

TEST_CASE("rows of the second set of waveforms, and their counts") {
    const Json cases = json_file(fixtures + "preprocess/mel.json");
    CHECK(json::elements(cases).size() == 4);
    for (const JsonValue& c : json::elements(cases)) {
        const auto n = [&](const char* key) { return json::number(json::find(c, key)).value(); };
        const auto count = [&](const char* key) { return static_cast<std::size_t>(n(key)); };
        const auto batch =
            mel_features(tones(count("samples"), n("f1"), n("f2"), n("a1"), n("a2")));
        REQUIRE(batch);
        CHECK(batch->frames == count("frames"));
        CHECK(batch->valid[0] == count("valid_frames"));
        CHECK(batch->soft_tokens(0) == count("soft_tokens"));
        for (const JsonValue::Member& row : json::members(json::find(c, "rows"))) {
            const auto t = static_cast<std::size_t>(std::stoul(std::string(json::key(row))));
            CAPTURE(t);
            std::vector<float> expected;
            for (const JsonValue& v : json::elements(row.value))
                expected.push_back(static_cast<float>(json::number(v).value()));
            CHECK(distance(batch->clip(0).subspan(t * 128, 128), expected) <= tolerance);
        }
    }
}

TEST_CASE("the spec's own check values") {
    const auto batch = mel_features(tones(4000, 440, 3000, 0.5, 0.25));
    REQUIRE(batch);
    CHECK(batch->frames == 25);
    CHECK(batch->valid[0] == 24);
    const auto y = [&](std::size_t t, std::size_t j) { return batch->features[t * 128 + j]; };
    CHECK(y(0, 0) == doctest::Approx(-6.9077554).epsilon(1e-6));
    CHECK(y(0, 1) == doctest::Approx(0.8704543).epsilon(1e-5));
    CHECK(y(1, 17) == doctest::Approx(-1.8120981).epsilon(1e-5));
    CHECK(y(5, 90) == doctest::Approx(-4.0458076).epsilon(1e-5));
    CHECK(y(23, 17) == doctest::Approx(-1.8209029).epsilon(1e-5));
    CHECK(y(24, 17) == 0.0f);
}

TEST_CASE("frames and soft tokens of every length that was counted") {
    const MelConfig c;
    const Json counts = json_file(fixtures + "hf/processor/audio_token_counts.json");
    const auto samples = json::elements(json::find(counts, "samples"));
    const auto by_formula = json::elements(json::find(counts, "compute_audio_num_tokens"));
    const auto extracted = json::elements(json::find(counts, "valid_frames_tokens_frames"));
    REQUIRE(samples.size() == extracted.size());
    for (std::size_t i = 0; i < samples.size(); ++i) {
        const auto n = static_cast<std::size_t>(json::integer(samples[i]).value());
        CAPTURE(n);
        const auto row = json::elements(extracted[i]);
        const auto value = [](const JsonValue& v) {
            return static_cast<std::size_t>(json::integer(v).value());
        };
        CHECK(c.valid_frames(n) == value(row[0]));
        CHECK(audio_soft_tokens(c.valid_frames(n)) == value(row[1]));
        CHECK(c.padded_frames(n) == value(row[2]));
        CHECK(audio_soft_tokens(c.valid_frames(n)) == value(by_formula[i]));
    }
    const Json more = json_file(fixtures + "preprocess/audio_counts.json");
    CHECK(json::elements(more).size() > 0);
    for (const JsonValue& row : json::elements(more)) {
        const auto value = [&](const char* key) {
            return static_cast<std::size_t>(json::integer(json::find(row, key)).value());
        };
        CHECK(c.valid_frames(value("samples")) == value("valid_frames"));
        CHECK(audio_soft_tokens(c.valid_frames(value("samples"))) == value("soft_tokens"));
    }
}

TEST_CASE("the mel bank is the reference's") {
    const Reference r;
    const auto expected = r.values<float>("mel_filters");
    const MelBank bank(MelConfig{});
    std::vector<double> one(257, 0.0), out(128);
    double largest = 0.0, sum = 0.0;
    for (std::size_t b = 0; b < 257; ++b) {
        one[b] = 1.0;
        bank.apply(one, out);
        one[b] = 0.0;
        for (std::size_t j = 0; j < 128; ++j) {
            largest =
                std::max(largest, std::abs(out[j] - static_cast<double>(expected[b * 128 + j])));
            sum += out[j];
        }
    }
    CHECK(largest <= 6e-8);  // half a unit in the last place of the fixture's f32
    CHECK(sum == doctest::Approx(252.785137).epsilon(1e-9));
}

TEST_CASE("a stream in pieces of any size has the rows of the whole clip, bit for bit") {
    const Reference r;
    std::mt19937 random(7);
    for (const std::string name : {"mix", "sweep", "long"}) {
        CAPTURE(name);
        const auto samples = r.samples(name);
        const auto whole = mel_features(samples);
        REQUIRE(whole);
        MelExtractor extractor;
        for (const std::size_t most : {1u, 7u, 161u, 2000u, 100000u}) {
            CAPTURE(most);
            extractor.clear();
            std::vector<float> rows;
            std::span<const float> rest = samples;
            if (most < 100) rest = rest.first(5000);
            while (!rest.empty()) {
                std::uniform_int_distribution<std::size_t> size(0, most);
                const std::size_t n = std::min(size(random), rest.size());
                REQUIRE(extractor.push(rest.first(n), [&](std::span<const float> y) {
                    rows.insert(rows.end(), y.begin(), y.end());
                }));
                rest = rest.subspan(n);
            }
            const std::size_t heard = most < 100 ? 5000 : samples.size();
            CHECK(rows.size() == extractor.config().valid_frames(heard) * 128);
            CHECK(std::equal(rows.begin(), rows.end(), whole->features.begin()));
        }
    }
}

TEST_CASE("pre-emphasis, scale, mean and deviation") {
    const auto x = tones(2000, 440, 3000, 0.5, 0.25);
    MelConfig c;
    const auto plain = mel_features(x, c);
    c.input_scale_factor = 0.5;
    std::vector<float> doubled(x);
    for (float& v : doubled) v *= 2.0f;
    CHECK(mel_features(doubled, c)->features == plain->features);
    c = {};
    c.per_bin_mean.assign(128, 1.0);
    c.per_bin_stddev.assign(128, 2.0);
    const auto scaled = mel_features(x, c);
    CHECK(scaled->features[5] == doctest::Approx((plain->features[5] - 1.0f) / 2.0f));
    // y[n] = x[n + 1] - a · x[n] is a filter: features of the clip filtered by hand, one earlier.
    c = {};
    c.preemphasis = 0.5;
    c.preemphasis_htk_flavor = false;
    std::vector<float> filtered(x.size());
    for (std::size_t i = 0; i + 1 < x.size(); ++i) filtered[i] = x[i + 1] - 0.5f * x[i];
    const auto a = mel_features(x, c), b = mel_features(filtered);
    CHECK(distance(a->clip(0).subspan(128 * 3, 128), b->clip(0).subspan(128 * 3, 128)) <= 1e-6);
    // The other flavour sees only its own frame, whose first sample has no one before it; the
    // window is 0 there.
    c.preemphasis_htk_flavor = true;
    for (std::size_t i = x.size() - 1; i > 0; --i) filtered[i] = x[i] - 0.5f * x[i - 1];
    const auto d = mel_features(x, c), e = mel_features(filtered);
    CHECK(distance(d->clip(0).subspan(128 * 3, 128), e->clip(0).subspan(128 * 3, 128)) <= 1e-6);
}

TEST_CASE("a processor_config.json says how") {
    for (const std::string& folder :
         {fixtures + "hf/e2b-mini", std::string(CARAT_SOURCE_DIR "/examples/pocket")}) {
        const MappedFile map = open(folder + "/processor_config.json");
        const auto c = read_mel_config(map.text(), "processor_config.json");
        REQUIRE(c);
        CHECK(*c == MelConfig{});
    }
    CHECK(*read_mel_config("{}", "x") == MelConfig{});
    const auto ms = read_mel_config(
        R"({"feature_extractor": {"frame_length_ms": 32.0, "hop_length_ms": 10.0,
            "fft_overdrive": true}})",
        "x");
    REQUIRE(ms);
    CHECK(ms->frame_length == 512);
    CHECK(ms->fft_length == 1024);
    for (const auto& refused :
         {std::pair(R"({"hop_length": 0})", "x: feature_extractor.hop_length is 0"),
          std::pair(R"({"hop_length": "a"})", "x: feature_extractor.hop_length is a string"),
          std::pair(R"({"dither": 0.1})", "x: feature_extractor.dither must be 0"),
          std::pair(R"({"per_bin_mean": [1, 2]})",
                    "x: feature_extractor.per_bin_mean has 2 numbers"),
          std::pair(R"({"per_bin_mean": "none"})",
                    "x: feature_extractor.per_bin_mean is a string, expected an array of numbers"),
          std::pair(R"({"feature_size": 2, "per_bin_stddev": [1, 0]})",
                    "x: feature_extractor.per_bin_stddev[1] is 0, expected more than 0"),
          std::pair(R"({"input_scale_factor": 1e300})",
                    "x: feature_extractor.input_scale_factor is 1e+300, expected -1e6 to 1e6"),
          std::pair(R"({"min_frequency": 9000.5})",
                    "x: feature_extractor.min_frequency is 9000.5, expected at least 0 and less "
                    "than max_frequency, which is 8000"),
          std::pair(R"({"mel_floor": -1e-9})",
                    "x: feature_extractor.mel_floor is -1e-09, expected more"),
          std::pair(R"({"fft_length": 65498})",  // twice a prime
                    "x: feature_extractor.fft_length is 65498, expected a product of twos, threes "
                    "and fives"),
          std::pair(R"({"hop_length": 1, "feature_size": 4096})",
                    "x: feature_extractor.hop_length is 1, which makes 479840 rows of 480000 "
                    "samples, with fft_length 512 and feature_size 4096 expected at most 16384"),
          std::pair(R"({"hop_length": 1, "fft_length": 65536})",
                    "x: feature_extractor.hop_length is 1, which makes 479840 rows of 480000 "
                    "samples, with fft_length 65536 and feature_size 128 expected at most 1024"),
          std::pair(R"({"frame_length_ms": -20})",
                    "x: feature_extractor.frame_length_ms is out of range"),
          std::pair(R"({"sampling_rate": 18446744073709551615, "hop_length_ms": 20000})",
                    "x: feature_extractor.hop_length_ms is out of range")}) {
        const std::string text = refused.first, sentence = refused.second;
        CAPTURE(text);
        const auto c = read_mel_config("{\"feature_extractor\": " + text + "}", "x");
        REQUIRE_FALSE(c);
        CHECK(c.error().text.starts_with(sentence));
    }
}

TEST_CASE("features that no memory could hold are counted before it is asked for") {
    MelConfig c;
    c.feature_size = std::size_t{1} << (std::numeric_limits<std::size_t>::digits - 2);
    CHECK(mel_features(std::vector<float>(1000, 0.1f), c)
              .error()
              .text.starts_with("1 clips of up to 6 rows of "));
}

TEST_CASE("a band too narrow for its triangles has features all the same") {
    MelConfig narrow;
    narrow.max_frequency = 1e-300;
    const auto batch = mel_features(std::vector<float>(1000, 0.1f), narrow);
    REQUIRE(batch);
    for (const float x : batch->features) REQUIRE(std::isfinite(x));
}

TEST_CASE("features are rows for a model that hears so many bins, and for no other") {
    MelConfig narrow;
    narrow.feature_size = 4;
    const std::vector<float> clip(16000, 0.25f);
    const std::span<const float> clips[] = {clip, clip};
    const auto mel = mel_features(clips, narrow);
    REQUIRE(mel);
    const auto rows = mel->rows<4>(1);
    REQUIRE(rows);
    CHECK(rows->rows() == mel->frames);
    CHECK(rows->data() == mel->features.data() + mel->frames * 4);
    const auto other = mel->rows<128>(0);
    REQUIRE_FALSE(other);
    CHECK(other.error().text ==
          "features of 4 mel bins, expected 128: feature_size is not the model's");
}

TEST_CASE("what is no sound is refused in one line") {
    CHECK(mel_features(std::span<const float>()).error().text == "clip 0: there are no samples");
    for (const float bad :
         {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
        std::vector<float> x(500, 0.1f);
        x[321] = bad;
        CHECK(mel_features(x).error().text == "clip 0: sample 321 is not a finite number");
    }
}

}  // namespace
}  // namespace carat

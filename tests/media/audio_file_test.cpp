#include "carat/media/audio/audio_file.hpp"

#include "carat/checkpoint/mapped_file.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <numbers>
#include <random>
#include <sndfile.h>
#include <string>
#include <vector>

namespace carat {
namespace {

/// Sound written by libsndfile into memory.
struct Written {
    std::vector<std::byte> bytes;
    sf_count_t at = 0;

    Written(int format, int rate, int channels, std::span<const float> interleaved) {
        SF_VIRTUAL_IO io{};
        io.get_filelen = [](void* self) {
            return static_cast<sf_count_t>(static_cast<Written*>(self)->bytes.size());
        };
        io.seek = [](sf_count_t offset, int whence, void* self) {
            auto& w = *static_cast<Written*>(self);
            const auto size = static_cast<sf_count_t>(w.bytes.size());
            w.at = offset + (whence == SEEK_CUR ? w.at : whence == SEEK_END ? size : 0);
            return w.at;
        };
        io.write = [](const void* from, sf_count_t n, void* self) {
            auto& w = *static_cast<Written*>(self);
            const auto at = static_cast<std::size_t>(w.at), size = static_cast<std::size_t>(n);
            if (w.bytes.size() < at + size) w.bytes.resize(at + size);
            std::memcpy(w.bytes.data() + at, from, size);
            w.at += n;
            return n;
        };
        io.read = [](void* to, sf_count_t n, void* self) {
            auto& w = *static_cast<Written*>(self);
            n = std::min(n, static_cast<sf_count_t>(w.bytes.size()) - w.at);
            std::memcpy(to, w.bytes.data() + w.at, static_cast<std::size_t>(n));
            w.at += n;
            return n;
        };
        io.tell = [](void* self) { return static_cast<Written*>(self)->at; };
        SF_INFO info{};
        info.samplerate = rate;
        info.channels = channels;
        info.format = format;
        SNDFILE* file = sf_open_virtual(&io, SFM_WRITE, &info, this);
        REQUIRE(file != nullptr);
        const auto frames = static_cast<sf_count_t>(interleaved.size()) / channels;
        REQUIRE(sf_writef_float(file, interleaved.data(), frames) == frames);
        sf_close(file);
    }
};

/// 0.5 s of one tone in each channel, in steps of 1/128 so that every PCM width can hold it.
std::vector<float> tone(std::size_t frames, std::size_t channels, double rate, bool steps = false) {
    std::vector<float> x(frames * channels);
    for (std::size_t i = 0; i < x.size(); ++i) {
        const double t = static_cast<double>(i / channels) / rate;
        const auto hz = 300.0 * static_cast<double>(1 + i % channels);
        const double y = 0.4 * std::sin(2.0 * std::numbers::pi * hz * t);
        x[i] = static_cast<float>(steps ? std::round(y * 128.0) / 128.0 : y);
    }
    return x;
}
double largest_difference(std::span<const float> a, std::span<const float> b) {
    REQUIRE(a.size() == b.size());
    double largest = 0.0;
    for (std::size_t i = 0; i < a.size(); ++i)
        largest =
            std::max(largest, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
    return largest;
}

TEST_CASE("every width of WAV gives the samples that were written") {
    const auto x = tone(8000, 1, 16000, true);
    for (const int width : {SF_FORMAT_PCM_U8, SF_FORMAT_PCM_16, SF_FORMAT_PCM_24, SF_FORMAT_PCM_32,
                            SF_FORMAT_FLOAT, SF_FORMAT_DOUBLE}) {
        CAPTURE(width);
        const Written file(SF_FORMAT_WAV | width, 16000, 1, x);
        const auto w = decode_audio(file.bytes, "tone.wav");
        REQUIRE(w);
        CHECK(w->sample_rate_hz == 16000);
        CHECK(largest_difference(w->samples, x) <= (width == SF_FORMAT_PCM_U8 ? 1.0 / 127 : 1e-6));
    }
    const Written flac(SF_FORMAT_FLAC | SF_FORMAT_PCM_16, 16000, 1, x);
    CHECK(largest_difference(decode_audio(flac.bytes, "tone.flac")->samples, x) == 0.0);
}

TEST_CASE("OGG and MP3 come back as the tone they were") {
    const auto x = tone(16000, 1, 16000);
    for (const int format :
         {SF_FORMAT_OGG | SF_FORMAT_VORBIS, SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III}) {
        CAPTURE(format);
        const Written file(format, 16000, 1, x);
        const auto w = decode_audio(file.bytes, "tone");
        REQUIRE(w);
        REQUIRE(w->samples.size() >= 16000);
        double energy = 0.0;
        for (const float v : w->samples) energy += static_cast<double>(v) * static_cast<double>(v);
        CHECK(energy / 16000.0 == doctest::Approx(0.08).epsilon(0.1));
    }
}

TEST_CASE("channels are averaged, rates become 16 kHz") {
    const auto x = tone(24000, 2, 48000);
    const Written file(SF_FORMAT_WAV | SF_FORMAT_FLOAT, 48000, 2, x);
    const auto w = decode_audio(file.bytes, "stereo.wav");
    REQUIRE(w);
    REQUIRE(w->samples.size() == 8000);
    for (std::size_t i = 200; i < 7800; ++i) {  // the ends ring
        const double t = static_cast<double>(i) / 16000.0, pi = std::numbers::pi;
        const double y = 0.2 * std::sin(2 * pi * 300 * t) + 0.2 * std::sin(2 * pi * 600 * t);
        REQUIRE(std::abs(static_cast<double>(w->samples[i]) - y) < 1e-4);
    }
    for (const std::size_t rate : {8000u, 11025u, 22050u, 44100u, 96000u}) {
        CAPTURE(rate);
        const auto y = tone(rate, 1, static_cast<double>(rate));
        CHECK(resampled({y, rate}, 16000)->samples.size() == 16000);
        CHECK(resampled({{y.begin(), y.begin() + 1}, rate}, 16000)->samples.size() ==
              (16000 + rate - 1) / rate);
    }
}

TEST_CASE("a resampler gives the same in pieces") {
    const auto x = tone(44100, 1, 44100);
    const auto whole = resampled({x, 44100}, 16000);
    REQUIRE(whole);
    std::mt19937 random(3);
    for (const std::size_t most : {50u, 3000u, 30000u}) {
        auto r = Resampler::create(44100, 16000);
        REQUIRE(r);
        std::vector<float> out;
        for (std::span<const float> rest = x; !rest.empty();) {
            std::uniform_int_distribution<std::size_t> size(0, most);
            const std::size_t n = std::min(size(random), rest.size());
            r->push(rest.first(n), out);
            rest = rest.subspan(n);
        }
        r->finish(out);
        CHECK(out == whole->samples);
    }
}

TEST_CASE("samples in memory need no file") {
    const std::vector<std::int16_t> pcm = {16384, -16384, 32767, 32767};
    const auto w = make_waveform(std::span<const std::int16_t>(pcm), 16000, 2);
    REQUIRE(w);
    CHECK(w->samples == std::vector<float>{0.0f, 32767.0f / 32768.0f});
    const std::vector<std::uint8_t> bytes = {128, 0, 255};
    CHECK(make_waveform(std::span<const std::uint8_t>(bytes), 8000)->samples ==
          std::vector<float>{0.0f, -1.0f, 127.0f / 128.0f});
    const std::vector<float> nan = {0.0f, std::numeric_limits<float>::quiet_NaN()};
    const std::span<const float> none;
    CHECK(make_waveform(std::span<const float>(nan), 16000).error().text ==
          "waveform: sample 1 is not a finite number");
    CHECK(make_waveform(none, 16000).error().text == "waveform: there are no samples");
    CHECK_FALSE(make_waveform(std::span<const float>(nan), 16000, 3));
    CHECK_FALSE(make_waveform(std::span<const float>(nan), 0));
    CHECK_FALSE(make_waveform(std::span<const float>(nan), 16000, 0));
}

TEST_CASE("the samples of pocket are read as they are") {
    const std::string path = CARAT_SOURCE_DIR "/examples/pocket/samples/digits.wav";
    const auto w = read_audio_file(path);
    REQUIRE(w);
    const auto map = MappedFile::open(path);
    REQUIRE(map);
    CHECK(decode_audio(map->bytes(), path)->samples == w->samples);
}

TEST_CASE("bad files are one line") {
    const auto one_line = [](const Result<Waveform>& w) {
        REQUIRE_FALSE(w);
        CAPTURE(w.error().text);
        CHECK(w.error().text.find('\n') == std::string::npos);
        CHECK(w.error().text.starts_with("x"));
    };
    one_line(decode_audio({}, "x"));
    one_line(decode_audio(std::vector<std::byte>(1000, std::byte{7}), "x"));
    const auto missing = read_audio_file("no/such/file.wav");
    REQUIRE_FALSE(missing);
    CHECK(missing.error().code == Errc::io);
    const auto text = read_audio_file(CARAT_SOURCE_DIR "/README.md");
    REQUIRE_FALSE(text);
    CHECK(text.error().text.find(": no sound") != std::string::npos);
    const auto x = tone(1000, 1, 16000);
    std::vector<float> nan = x;
    nan[7] = std::numeric_limits<float>::quiet_NaN();
    one_line(decode_audio(Written(SF_FORMAT_WAV | SF_FORMAT_FLOAT, 16000, 1, nan).bytes, "x"));
    one_line(decode_audio(Written(SF_FORMAT_WAV | SF_FORMAT_PCM_16, 16000, 1, {}).bytes, "x"));
    one_line(decode_audio(Written(SF_FORMAT_WAV | SF_FORMAT_PCM_16, 50, 1, x).bytes, "x"));
    one_line(decode_audio(Written(SF_FORMAT_WAV | SF_FORMAT_PCM_16, 16000, 1, x).bytes, "x",
                          {.max_seconds = 0.05}));
    // Few bytes of a slow rate would become many samples.
    CHECK(decode_audio(Written(SF_FORMAT_WAV | SF_FORMAT_PCM_16, 100, 1, x).bytes, "x")
              .error()
              .text == "x: a sample rate of 100 Hz, expected 1000 to 1000000");
    CHECK(decode_audio(Written(SF_FORMAT_WAV | SF_FORMAT_PCM_16, 1000, 1, x).bytes, "x")
              ->samples.size() == 16000);
    // A header that promises 4 GB, at 2 billion Hz.
    auto absurd = Written(SF_FORMAT_WAV | SF_FORMAT_PCM_16, 16000, 1, x).bytes;
    std::fill_n(absurd.begin() + 24, 4, std::byte{0x7f});
    one_line(decode_audio(absurd, "x"));
    absurd = Written(SF_FORMAT_WAV | SF_FORMAT_PCM_16, 16000, 1, x).bytes;
    std::fill_n(absurd.begin() + 40, 4, std::byte{0x7f});  // the data are as long as the file
    const auto cut = decode_audio(absurd, "x");
    if (cut) CHECK(cut->samples.size() <= 1000);
}

TEST_CASE("broken bytes are an error or sound, never anything else") {
    const auto x = tone(3000, 2, 22050);
    std::mt19937 random(11);
    for (const int format :
         {SF_FORMAT_WAV | SF_FORMAT_PCM_24, SF_FORMAT_FLAC | SF_FORMAT_PCM_16,
          SF_FORMAT_OGG | SF_FORMAT_VORBIS, SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III}) {
        const auto good = Written(format, 22050, 2, x).bytes;
        for (int i = 0; i < 60; ++i) {
            auto bad = good;
            std::uniform_int_distribution<std::size_t> place(0, bad.size() - 1), head(0, 63);
            for (int flips = 0; flips < 4; ++flips) {
                std::byte& b = bad[flips % 2 == 0 ? place(random) : head(random)];
                b ^= static_cast<std::byte>(1u << (random() % 8));
            }
            if (i % 4 == 3) bad.resize(place(random));
            const auto w = decode_audio(bad, "x", {.max_seconds = 60});
            if (w)
                for (const float v : w->samples) REQUIRE(std::isfinite(v));
            else
                CHECK(w.error().text.find('\n') == std::string::npos);
        }
    }
}

}  // namespace
}  // namespace carat

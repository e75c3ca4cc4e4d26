/// \file
/// Sound files into waveforms: WAV of 8 to 32 bits and float, FLAC, OGG, MP3 and what else
/// libsndfile reads, at any rate and with any number of channels.
#pragma once

#include "carat/media/resampler.hpp"
#include "carat/media/waveform.hpp"
#include "carat/result.hpp"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <memory>
#include <sndfile.h>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace carat {

struct AudioFileOptions {
    std::size_t sample_rate_hz = 16000;  ///< of the result
    double max_seconds = 6.0 * 3600.0;   ///< a longer file is refused, whatever its header says
};

namespace detail {

/// A file in memory, as libsndfile wants to see it.
struct SoundBytes {
    std::span<const std::byte> bytes;
    sf_count_t at = 0;

    static SF_VIRTUAL_IO functions() {
        SF_VIRTUAL_IO io{};
        io.get_filelen = [](void* self) -> sf_count_t {
            return static_cast<sf_count_t>(static_cast<SoundBytes*>(self)->bytes.size());
        };
        io.seek = [](sf_count_t offset, int whence, void* self) -> sf_count_t {
            auto& s = *static_cast<SoundBytes*>(self);
            const auto size = static_cast<sf_count_t>(s.bytes.size());
            const sf_count_t from = whence == SEEK_CUR ? s.at : whence == SEEK_END ? size : 0;
            if (offset < -from || offset > size - from) return -1;
            return s.at = from + offset;
        };
        io.read = [](void* to, sf_count_t n, void* self) -> sf_count_t {
            auto& s = *static_cast<SoundBytes*>(self);
            n = std::min(n, static_cast<sf_count_t>(s.bytes.size()) - s.at);
            if (n <= 0) return 0;
            std::memcpy(to, s.bytes.data() + s.at, static_cast<std::size_t>(n));
            s.at += n;
            return n;
        };
        io.write = [](const void*, sf_count_t, void*) -> sf_count_t { return 0; };
        io.tell = [](void* self) -> sf_count_t { return static_cast<SoundBytes*>(self)->at; };
        return io;
    }
};

struct CloseSound {
    void operator()(SNDFILE* f) const { sf_close(f); }
};
using SoundFile = std::unique_ptr<SNDFILE, CloseSound>;

/// Decodes to the end block by block; the header's word for the length is not taken.
inline Result<Waveform> decode(SoundFile file, const SF_INFO& info, const std::string& what,
                               const AudioFileOptions& options) {
    const auto fault = [&](Errc code, const std::string& text) {
        return Error{code, what + ": " + text};
    };
    if (!file)
        return fault(Errc::bad_format,
                     std::string("is no sound file that can be read: ") + sf_strerror(nullptr));
    if (info.channels < 1 || info.channels > 1024 || info.samplerate < 1)
        return fault(Errc::bad_format, "says that it has " + std::to_string(info.channels) +
                                           " channels at " + std::to_string(info.samplerate) +
                                           " Hz");
    const auto channels = static_cast<std::size_t>(info.channels);
    const auto rate = static_cast<std::size_t>(info.samplerate);
    auto resampler = Resampler::create(rate, options.sample_rate_hz);
    if (!resampler) return fault(resampler.error().code, resampler.error().text);

    constexpr std::size_t block_frames = 4096;
    std::vector<float> block(block_frames * channels), mono;
    Waveform out{{}, options.sample_rate_hz};
    std::size_t frames = 0;
    while (true) {
        const sf_count_t n =
            sf_readf_float(file.get(), block.data(), static_cast<sf_count_t>(block_frames));
        if (n <= 0) break;
        const std::span<const float> part(block.data(), static_cast<std::size_t>(n) * channels);
        for (std::size_t i = 0; i < part.size(); ++i)
            if (!std::isfinite(part[i]))
                return fault(Errc::bad_format, "sample " + std::to_string(frames * channels + i) +
                                                   " is not a finite number");
        frames += static_cast<std::size_t>(n);
        if (static_cast<double>(frames) > options.max_seconds * static_cast<double>(rate))
            return fault(Errc::out_of_range,
                         "is longer than " +
                             std::to_string(static_cast<long>(options.max_seconds)) + " seconds");
        mono.clear();
        mix_down(part, channels, mono);
        resampler->push(mono, out.samples);
    }
    if (sf_error(file.get()) != SF_ERR_NO_ERROR)
        return fault(Errc::bad_format, "is broken after " + std::to_string(frames) +
                                           " samples: " + sf_strerror(file.get()));
    if (frames == 0) return fault(Errc::invalid_argument, "has no samples");
    resampler->finish(out.samples);
    return out;
}

}  // namespace detail

/// A sound file in memory; `what` names it in errors. Mono, at the wanted rate.
/// Bad input: what is no sound file or breaks off in its middle, no samples, samples that are not
/// finite, a rate that cannot be resampled, more than max_seconds.
inline Result<Waveform> decode_audio(std::span<const std::byte> bytes, const std::string& what,
                                     const AudioFileOptions& options = {}) {
    detail::SoundBytes source{bytes};
    SF_VIRTUAL_IO io = detail::SoundBytes::functions();
    SF_INFO info{};
    detail::SoundFile file(sf_open_virtual(&io, SFM_READ, &info, &source));
    return detail::decode(std::move(file), info, what, options);
}

/// The same from a path. Bad input: also a file that cannot be opened.
inline Result<Waveform> read_audio_file(const std::string& path,
                                        const AudioFileOptions& options = {}) {
    SF_INFO info{};
    detail::SoundFile file(sf_open(path.c_str(), SFM_READ, &info));
    if (!file && sf_error(nullptr) == SF_ERR_SYSTEM)
        return Error{Errc::io, path + ": cannot be opened: " + std::strerror(errno)};
    return detail::decode(std::move(file), info, path, options);
}

}  // namespace carat

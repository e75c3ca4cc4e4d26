/// \file
/// Sound as libsndfile reads it.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/result.hpp"
#include "carat/media/audio/gather_sound.hpp"
#include "carat/media/audio/waveform.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <sndfile.h>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace carat::inline CARAT_ABI {

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
    if (!file)
        return Error{Errc::bad_format,
                     what + ": no sound that can be read: " + sf_strerror(nullptr)};
    auto sound = SoundGatherer::create(what, info.samplerate, info.channels, options);
    if (!sound) return std::move(sound).error();
    constexpr sf_count_t block_frames = 4096;
    const auto channels = static_cast<std::size_t>(info.channels);
    std::vector<float> block(static_cast<std::size_t>(block_frames) * channels);
    while (true) {
        const sf_count_t n = sf_readf_float(file.get(), block.data(), block_frames);
        if (n <= 0) break;
        const auto part = std::span(block).first(static_cast<std::size_t>(n) * channels);
        if (auto pushed = sound->push(part); !pushed) return std::move(pushed).error();
    }
    if (sf_error(file.get()) != SF_ERR_NO_ERROR)
        return Error{Errc::bad_format, joined({what, ": is broken after ", sound->frames(),
                                               " samples: ", sf_strerror(file.get())})};
    if (info.frames < SF_COUNT_MAX && sound->frames() < static_cast<std::uint64_t>(info.frames))
        return Error{Errc::bad_format,
                     joined({what, ": ends after ", sound->frames(), " samples, expected ",
                             static_cast<std::uint64_t>(info.frames)})};
    return sound->finish();
}

}  // namespace detail

}  // namespace carat::inline CARAT_ABI

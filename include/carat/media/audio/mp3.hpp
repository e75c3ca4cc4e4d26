/// \file
/// MP3 through libmpg123. libsndfile would read it with the same library, but lets it print what it
/// thinks of a damaged file.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/result.hpp"
#include "carat/media/audio/gather_sound.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <memory>
#include <mpg123.h>
#include <span>
#include <string>
#include <sys/types.h>
#include <utility>
#include <vector>

namespace carat::inline CARAT_ABI::detail {

/// An MPEG frame's first bytes, or an ID3 tag with one behind it. (FLAC too may have such a tag.)
inline bool is_mp3(std::span<const std::byte> bytes) {
    const auto at = [&](std::size_t i) { return std::to_integer<unsigned>(bytes[i]); };
    std::size_t start = 0;
    if (bytes.size() >= 10 && std::memcmp(bytes.data(), "ID3", 3) == 0)
        start = 10 + (((at(6) & 127) << 21) | ((at(7) & 127) << 14) | ((at(8) & 127) << 7) |
                      (at(9) & 127));
    if (start >= bytes.size() || bytes.size() - start < 4) return false;
    const bool sync = at(start) == 0xff && (at(start + 1) & 0xe0) == 0xe0;
    return sync && (at(start + 1) & 0x06) != 0 && (at(start + 2) & 0xf0) != 0xf0;
}

inline Result<Waveform> decode_mp3(std::span<const std::byte> bytes, const std::string& what,
                                   const AudioFileOptions& options) {
    struct Source {
        std::span<const std::byte> bytes;
        std::size_t at = 0;
    } source{bytes};
    struct Delete {
        void operator()(mpg123_handle* h) const { mpg123_delete(h); }
    };
    mpg123_init();  // nothing in libraries of today
    int code = MPG123_OK;
    const std::unique_ptr<mpg123_handle, Delete> mp3(mpg123_new(nullptr, &code));
    if (!mp3) return Error{Errc::out_of_memory, what + ": MP3: " + mpg123_plain_strerror(code)};
    const auto fault = [&] {
        return Error{Errc::bad_format, what + ": MP3: " + mpg123_strerror(mp3.get())};
    };
    mpg123_param(mp3.get(), MPG123_ADD_FLAGS, MPG123_QUIET | MPG123_FORCE_FLOAT | MPG123_GAPLESS,
                 0.0);
    mpg123_param(mp3.get(), MPG123_REMOVE_FLAGS, MPG123_AUTO_RESAMPLE, 0.0);
    mpg123_replace_reader_handle(
        mp3.get(),
        [](void* self, void* to, std::size_t n) -> ssize_t {
            auto& s = *static_cast<Source*>(self);
            n = std::min(n, s.bytes.size() - s.at);
            if (n > 0) std::memcpy(to, s.bytes.data() + s.at, n);
            s.at += n;
            return static_cast<ssize_t>(n);
        },
        [](void* self, off_t offset, int whence) -> off_t {
            auto& s = *static_cast<Source*>(self);
            const auto size = static_cast<off_t>(s.bytes.size());
            const off_t from = whence == SEEK_CUR   ? static_cast<off_t>(s.at)
                               : whence == SEEK_END ? size
                                                    : 0;
            if (offset < -from || offset > size - from) return -1;
            s.at = static_cast<std::size_t>(from + offset);
            return from + offset;
        },
        nullptr);
    if (mpg123_open_handle(mp3.get(), &source) != MPG123_OK) return fault();
    long rate = 0;
    int channels = 0, encoding = 0;
    if (mpg123_getformat(mp3.get(), &rate, &channels, &encoding) != MPG123_OK) return fault();
    auto sound = SoundGatherer::create(what, rate, channels, options);
    if (!sound) return std::move(sound).error();
    std::vector<float> block(4096 * static_cast<std::size_t>(channels));
    while (true) {
        std::size_t done = 0;
        const int state = mpg123_read(mp3.get(), reinterpret_cast<unsigned char*>(block.data()),
                                      block.size() * sizeof(float), &done);
        if (auto pushed = sound->push(std::span(block).first(done / sizeof(float))); !pushed)
            return std::move(pushed).error();
        if (state == MPG123_DONE) return sound->finish();
        if (state == MPG123_OK) continue;
        long other_rate = 0;
        int other_channels = 0;
        if (state != MPG123_NEW_FORMAT ||
            mpg123_getformat(mp3.get(), &other_rate, &other_channels, &encoding) != MPG123_OK)
            return fault();
        if (other_rate != rate || other_channels != channels)
            return Error{Errc::bad_format,
                         joined({what, ": MP3: its rate or channels change after ", sound->frames(),
                                 " samples"})};
    }
}

}  // namespace carat::inline CARAT_ABI::detail

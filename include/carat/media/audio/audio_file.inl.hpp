/// \file
/// What audio_file.hpp declares.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/result.hpp"
#include "carat/media/audio/audio_file.hpp"
#include "carat/media/audio/gather_sound.hpp"
#include "carat/media/audio/mp3.hpp"
#include "carat/media/audio/sound_file.hpp"
#include "carat/media/audio/waveform.hpp"
#include "carat/media/media_file.hpp"
#include "carat/media/video/video_file.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <sndfile.h>
#include <span>
#include <string>
#include <utility>

namespace carat::inline CARAT_ABI {

CARAT_ONCE Result<Waveform> decode_audio(std::span<const std::byte> bytes, const std::string& what,
                                         const AudioFileOptions& options) {
    return memory_errors([&]() -> Result<Waveform> {
        if (detail::is_mp3(bytes)) return detail::decode_mp3(bytes, what, options);
        detail::SoundBytes source{bytes};
        SF_VIRTUAL_IO io = detail::SoundBytes::functions();
        SF_INFO info{};
        detail::SoundFile file(sf_open_virtual(&io, SFM_READ, &info, &source));
        return detail::decode(std::move(file), info, what, options);
    });
}

CARAT_ONCE Result<Waveform> read_audio_file(const std::string& path,
                                            const AudioFileOptions& options) {
    return memory_errors([&]() -> Result<Waveform> {
        SF_INFO info{};
        const auto start = read_media_start(path);
        if (!start) return start.error();
        const auto bytes = std::as_bytes(std::span(*start));
        if (detail::is_mp3(bytes) ||
            std::memcmp(start->data(), "ID3", std::min<std::size_t>(3, start->size())) == 0) {
            const auto all = read_media_file(path);
            if (!all) return all.error();
            return decode_audio(std::as_bytes(std::span(*all)), path, options);
        }
        detail::SoundFile file(sf_open(path.c_str(), SFM_READ, &info));
        if (!file && reads_video_files && sf_error(nullptr) == SF_ERR_UNRECOGNISED_FORMAT)
            return read_sound_track(path, options);
        return detail::decode(std::move(file), info, path, options);
    });
}

}  // namespace carat::inline CARAT_ABI

/// \file
/// Sound files into waveforms: WAV of 8 to 32 bits and float, FLAC, OGG, MP3 and what else
/// libsndfile reads, at any rate and with any number of channels.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/result.hpp"
#include "carat/media/audio/gather_sound.hpp"
#include "carat/media/audio/waveform.hpp"

#include <cstddef>
#include <span>
#include <string>

namespace carat::inline CARAT_ABI {

/// A sound file in memory; `what` names it in errors. Mono, at the wanted rate.
/// Bad input: what is no sound file or breaks off in its middle, no samples, samples that are not
/// finite, a rate that cannot be resampled, more than max_seconds.
[[nodiscard]] Result<Waveform> decode_audio(std::span<const std::byte> bytes,
                                            const std::string& what,
                                            const AudioFileOptions& options = {});

/// The same from a path; a file that libsndfile does not know may be a video, or other sound that
/// FFmpeg reads: its sound track, then. Bad input: also a file that cannot be opened.
[[nodiscard]] Result<Waveform> read_audio_file(const std::string& path,
                                               const AudioFileOptions& options = {});

}  // namespace carat::inline CARAT_ABI

#ifndef CARAT_SEPARATE_COMPILATION
#include "carat/media/audio/audio_file.inl.hpp"
#endif

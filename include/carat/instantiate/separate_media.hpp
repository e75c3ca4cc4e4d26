/// \file
/// What separate.hpp is for the core, for carat::media: pictures, videos and sound. CMake:
/// carat::separate_media.
#pragma once

#ifndef CARAT_SEPARATE_COMPILATION
#error "carat: CARAT_SEPARATE_COMPILATION must be defined for this unit and for all others"
#endif

#include "carat/media/audio/audio_file.inl.hpp"
#include "carat/media/audio/mel.inl.hpp"
#include "carat/media/audio/mel_config.inl.hpp"
#include "carat/media/image/decode_image.inl.hpp"
#include "carat/media/image/gif.inl.hpp"
#include "carat/media/image/patches.inl.hpp"
#include "carat/media/image/picture_config.inl.hpp"
#include "carat/media/video/video.inl.hpp"

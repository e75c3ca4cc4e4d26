/// \file
/// What separate.hpp is for the core, for carat::media: pictures, videos and sound. CMake:
/// carat::separate_media.
#pragma once

#ifndef CARAT_SEPARATE_COMPILATION
#error "carat: CARAT_SEPARATE_COMPILATION must be defined for this unit and for all others"
#endif

#include "carat/media/audio_file.inl.hpp"
#include "carat/media/decode_image.inl.hpp"
#include "carat/media/gif.inl.hpp"
#include "carat/media/mel.inl.hpp"
#include "carat/media/mel_config.inl.hpp"
#include "carat/media/patches.inl.hpp"
#include "carat/media/picture_config.inl.hpp"
#include "carat/media/video.inl.hpp"

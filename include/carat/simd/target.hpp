/// \file
/// The one door to Highway: includes it so that compiler flags become the instructions they name.
///
/// Static dispatch only: the target follows from -march, and nothing is chosen at run time. carat's
/// vector code lives in an inline namespace named after the target, so that two builds for two
/// machines can be linked into one program.
#pragma once

#if defined(__AVX512BF16__) && !defined(HWY_WANT_AVX3_ZEN4)
#define HWY_WANT_AVX3_ZEN4  // static dispatch leaves the bf16 dot product unused without it
#endif

#include <hwy/highway.h>

#if HWY_MAJOR * 100 + HWY_MINOR < 102
#error "carat needs Highway 1.2 or newer (headers only)."
#endif
#if defined(__AVX2__) && HWY_STATIC_TARGET > HWY_AVX2
#error \
    "carat: AVX2 is on, but Highway fell back to 128 bits. Add -maes -mpclmul, or use -march=native."
#endif
#if defined(__AVX512BF16__) && defined(__AVX512VBMI2__) && HWY_STATIC_TARGET > HWY_AVX3_ZEN4
#error \
    "carat: hwy/highway.h was included before carat. Include carat first, or lose the bf16 dot product."
#endif
#if !HWY_IS_LITTLE_ENDIAN
#error "carat reads little-endian checkpoints as they are; big-endian machines are not supported."
#endif

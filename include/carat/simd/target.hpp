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
#if defined(__ARM_FEATURE_SVE) && !defined(HWY_DISABLED_TARGETS)
// Vectors whose size the compiler does not know fit into no array, and those of most such machines
// are not longer than NEON's.
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128)
#endif

#include "carat/base/abi.hpp"

#include <hwy/highway.h>

#include <cstddef>

#if HWY_MAJOR * 100 + HWY_MINOR < 102
#error "carat needs Highway 1.2 or newer (headers only)."
#endif
#if HWY_TARGET == HWY_SCALAR
#error \
    "carat: Highway has no vectors for this target. Add the flag that turns them on, or compile with clang or g++ 14, where it emulates 128 bits."
#elif defined(__AVX2__) && HWY_STATIC_TARGET > HWY_AVX2
#error \
    "carat: AVX2 is on, but Highway fell back to 128 bits. Add -maes -mpclmul, or use -march=native."
#elif defined(__AVX512BF16__) && defined(__AVX512VBMI2__) && HWY_STATIC_TARGET > HWY_AVX3_ZEN4
#error \
    "carat: hwy/highway.h was included before carat. Include carat first, or lose the bf16 dot product."
#endif
#if HWY_TARGET_IS_SVE
#error \
    "carat: hwy/highway.h was included before carat and chose SVE; carat needs NEON. Include carat first."
#endif
#if HWY_HAVE_SCALABLE && !HWY_TARGET_IS_SVE
#error \
    "carat: Highway chose vectors whose size the compiler does not know, as RISC-V's; carat cannot store them."
#endif
#if !HWY_IS_LITTLE_ENDIAN
#error "carat reads little-endian checkpoints as they are; big-endian machines are not supported."
#endif

namespace carat::inline CARAT_ABI::simd {
inline namespace HWY_NAMESPACE {

/// Whether one instruction multiplies pairs of bf16 and adds both products to a sum. Highway 1.2
/// uses NEON's and says that there is none.
#if HWY_NATIVE_DOT_BF16 || \
    ((HWY_TARGET & HWY_ALL_NEON) && defined(__ARM_FEATURE_BF16_VECTOR_ARITHMETIC))
inline constexpr bool native_dot_bf16 = true;
#else
inline constexpr bool native_dot_bf16 = false;
#endif

/// Whether there are 32 vector registers; AVX2 and SSE have 16.
inline constexpr bool many_registers = HWY_TARGET <= HWY_AVX3 || HWY_ARCH_ARM_A64;

/// Bytes of weights that are still in the second-level cache when the next tokens take them.
inline constexpr std::size_t cached_weights = std::size_t{1} << 18;

}  // namespace HWY_NAMESPACE
}  // namespace carat::inline CARAT_ABI::simd

/// \file
/// CARAT_ABI, the inline namespace that all of carat lives in: its version and the instruction set
/// that it is compiled for. So the functions and types of two versions, or of builds for two
/// machines, have different names to the linker, and both can be part of one program.
///
/// A host whose units differ in flags and yet share types of carat may define the name itself.
#pragma once

#if defined(CARAT_ABI)
#elif defined(__AVX512FP16__) && defined(__AMX_BF16__) && defined(__AMX_INT8__)
#define CARAT_ABI v0_1_avx512_fp16_amx
#elif defined(__AVX512FP16__)
#define CARAT_ABI v0_1_avx512_fp16
#elif defined(__AVX512BF16__)
#define CARAT_ABI v0_1_avx512_bf16
#elif defined(__AVX512VNNI__) && defined(__AVX512VBMI2__)
#define CARAT_ABI v0_1_avx512_vbmi2
#elif defined(__AVX512VNNI__)
#define CARAT_ABI v0_1_avx512_vnni
#elif defined(__AVX512F__)
#define CARAT_ABI v0_1_avx512
#elif defined(__AVX2__) && defined(__AVXVNNI__)
#define CARAT_ABI v0_1_avx2_vnni
#elif defined(__AVX2__)
#define CARAT_ABI v0_1_avx2
#elif defined(__AVX__)
#define CARAT_ABI v0_1_avx
#elif defined(__SSE4_1__)
#define CARAT_ABI v0_1_sse4
#elif defined(__SSSE3__)
#define CARAT_ABI v0_1_ssse3
#elif defined(__SSE2__)
#define CARAT_ABI v0_1_sse2
#elif defined(__ARM_FEATURE_SVE2) && defined(__ARM_FEATURE_BF16_VECTOR_ARITHMETIC) && \
    defined(__ARM_FEATURE_MATMUL_INT8)
#define CARAT_ABI v0_1_sve2_i8mm
#elif defined(__ARM_FEATURE_SVE2) && defined(__ARM_FEATURE_BF16_VECTOR_ARITHMETIC)
#define CARAT_ABI v0_1_sve2_bf16
#elif defined(__ARM_FEATURE_SVE2)
#define CARAT_ABI v0_1_sve2
#elif defined(__ARM_FEATURE_SVE) && defined(__ARM_FEATURE_BF16_VECTOR_ARITHMETIC) && \
    defined(__ARM_FEATURE_MATMUL_INT8)
#define CARAT_ABI v0_1_sve_i8mm
#elif defined(__ARM_FEATURE_SVE) && defined(__ARM_FEATURE_BF16_VECTOR_ARITHMETIC)
#define CARAT_ABI v0_1_sve_bf16
#elif defined(__ARM_FEATURE_SVE)
#define CARAT_ABI v0_1_sve
#elif defined(__ARM_FEATURE_BF16_VECTOR_ARITHMETIC) && defined(__ARM_FEATURE_MATMUL_INT8)
#define CARAT_ABI v0_1_neon_i8mm
#elif defined(__ARM_FEATURE_BF16_VECTOR_ARITHMETIC)
#define CARAT_ABI v0_1_neon_bf16
#elif defined(__ARM_FEATURE_DOTPROD)
#define CARAT_ABI v0_1_neon_dotprod
#elif defined(__ARM_NEON)
#define CARAT_ABI v0_1_neon
#elif defined(__wasm_simd128__)
#define CARAT_ABI v0_1_wasm_simd128
#else
#define CARAT_ABI v0_1
#endif

/// CARAT_ONCE, before what does not depend on the model: inline, or, where a program defines
/// CARAT_SEPARATE_COMPILATION for all its units, declared in each and defined in the one that
/// includes carat/instantiate/separate.hpp.
#ifdef CARAT_SEPARATE_COMPILATION
#define CARAT_ONCE
#else
#define CARAT_ONCE inline
#endif

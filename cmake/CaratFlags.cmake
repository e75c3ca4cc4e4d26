# Flags of our own tests, benchmarks and examples. Nothing here reaches who links carat.

# carat_warnings: what we hold ourselves to. The presets turn warnings into errors (CMAKE_COMPILE_WARNING_AS_ERROR).
add_library(carat_warnings INTERFACE)
target_compile_options(carat_warnings INTERFACE -Wall -Wextra -Wconversion -Wsign-conversion)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    # GCC 12 takes the undefined vectors in its own AVX-512 header for variables somebody forgot, wherever xsimd's or
    # Highway's use of them is inlined (GCC bug 105593).
    target_compile_options(carat_warnings INTERFACE -Wno-uninitialized -Wno-maybe-uninitialized)
endif()

# carat_arch: the instruction set.
set(CARAT_ARCH native CACHE STRING
    "Instruction set of our own targets: native, baseline (what the compiler does unasked), or a value of -march")
add_library(carat_arch INTERFACE)
if(CARAT_ARCH STREQUAL "native")
    if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(arm|aarch64)")
        target_compile_options(carat_arch INTERFACE -mcpu=native)
    else()
        target_compile_options(carat_arch INTERFACE -march=native)
    endif()
elseif(NOT CARAT_ARCH STREQUAL "baseline")
    target_compile_options(carat_arch INTERFACE "-march=${CARAT_ARCH}")
    if(CARAT_ARCH MATCHES "^x86-64-v[34]$")
        # Highway's AVX2 and AVX-512 targets include AES and PCLMUL, which these levels do not: without them it falls
        # back to 128 bits and says nothing.
        target_compile_options(carat_arch INTERFACE -maes -mpclmul)
    endif()
endif()

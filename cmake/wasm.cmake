# Toolchain file: builds for WebAssembly with Debian's emscripten, and runs what was built under node; cmake/setup.sh
# --with web installs both. What its libc++ lacks, and the libraries that have no package for it, is in cmake/wasm/.
set(ENV{NODE_PATH} /usr/share/nodejs)  # a node from elsewhere does not find there what emscripten's scripts want
set(CMAKE_CXX_LINKER_LAUNCHER env NODE_PATH=/usr/share/nodejs)
include(/usr/share/emscripten/cmake/Modules/Platform/Emscripten.cmake)
set(CMAKE_SYSTEM_PROCESSOR wasm32)
set(CMAKE_CROSSCOMPILING_EMULATOR node --no-experimental-fetch)  # emscripten would fetch files with it, and cannot

# Programs read this machine's files through node, and take the memory that they need; the page does without files.
# The stack is Debian 12's by default; newer emscriptens, which know the old name too, give 64 KB, and a block of packed
# weights alone takes that.
set(CMAKE_EXE_LINKER_FLAGS_INIT "-sNODERAWFS -sEXIT_RUNTIME -sALLOW_MEMORY_GROWTH -sTOTAL_STACK=5242880")

# Highway knows WebAssembly's vectors; Debian 12's xsimd knows SSE's, which emscripten turns into them, but not MMX's,
# which Eigen would take too. Headers that know no architecture are this machine's own, behind emscripten's.
set(bridge "${CMAKE_CURRENT_LIST_DIR}/wasm")
set(CMAKE_CXX_FLAGS_INIT "-msimd128 -msse4.1 -fno-exceptions -fno-rtti -DEIGEN_DONT_VECTORIZE")
string(APPEND CMAKE_CXX_FLAGS_INIT " -include ${bridge}/standard.hpp -idirafter /usr/include")
set(CMAKE_CXX_IMPLICIT_INCLUDE_DIRECTORIES /usr/include)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE BOTH)
set(CMAKE_INCLUDE_PATH /usr/include)
foreach(package SENTENCEPIECE UTF8PROC)  # headers without a library, which CMake wants to see
    file(CONFIGURE OUTPUT "${CMAKE_BINARY_DIR}/headers_only.a" CONTENT "!<arch>\n")
    set(CARAT_${package}_DIR "${bridge}" CACHE PATH "")
    set(CARAT_${package}_LIBRARY "${CMAKE_BINARY_DIR}/headers_only.a" CACHE FILEPATH "")
endforeach()

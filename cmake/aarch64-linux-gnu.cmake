# Toolchain file: builds for 64-bit Arm on another machine with Debian's g++-aarch64-linux-gnu, and runs what was built
# under qemu-user; cmake/setup.sh --with aarch64 installs both, and unpacks what carat::text links into a cache. Headers
# that know no architecture are this machine's own.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64 -L /usr/aarch64-linux-gnu)

set(CMAKE_FIND_ROOT_PATH /usr/aarch64-linux-gnu)
foreach(cache "$ENV{XDG_CACHE_HOME}/carat" "$ENV{HOME}/.cache/carat" "${CMAKE_CURRENT_LIST_DIR}/../build/cache")
    if(IS_DIRECTORY "${cache}/aarch64")
        list(APPEND CMAKE_FIND_ROOT_PATH "${cache}/aarch64")
        break()
    endif()
endforeach()
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE BOTH)

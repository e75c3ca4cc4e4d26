# Finds the packages of the library itself and makes an imported target of each. Included by carat's own CMakeLists.txt
# and by an installed carat-config.cmake, so that both look in the same places and say the same sentences.
#
#   carat::highway, carat::xsimd, carat::rapidjson   headers, needed by carat::core
#   carat::sentencepiece, carat::utf8proc            libraries, needed by carat::text
#   carat::eigen, carat::sndfile, carat::soxr        headers and libraries, needed by carat::media
#   carat::mpg123, png, jpeg, gif, webp, webpdemux   libraries, needed by carat::media
#   carat::ffmpeg                                    headers; carat::media reads video files where they are
#
# Afterwards CARAT_MISSING, CARAT_TEXT_MISSING and CARAT_MEDIA_MISSING hold one sentence for each package that was not
# found. The targets are
# global, because carat::core may be linked from a folder above the one that found them, and their include folders are
# system folders, as those of every imported target are: their warnings are not ours.

set(CARAT_MISSING "")
set(CARAT_TEXT_MISSING "")
set(CARAT_MEDIA_MISSING "")

# Highway's headers are enough; its exported CMake target would link its library. Debian 12's own are too old, so a
# folder only counts if its version will do, and cmake/setup.sh unpacks newer ones into the cache named here.
function(_carat_highway_will_do result folder)
    file(STRINGS "${folder}/hwy/base.h" lines REGEX "#define HWY_(MAJOR|MINOR) [0-9]+")
    string(REGEX REPLACE "[^0-9]+([0-9]+)[^0-9]+([0-9]+)" "\\1.\\2" version "${lines}")
    if(version STREQUAL "" OR version VERSION_LESS 1.2)
        set(${result} FALSE PARENT_SCOPE)
    endif()
endfunction()

if(DEFINED CARAT_HIGHWAY_DIR AND CARAT_HIGHWAY_DIR AND EXISTS "${CARAT_HIGHWAY_DIR}/hwy/base.h")
    set(_carat_will_do TRUE)
    _carat_highway_will_do(_carat_will_do "${CARAT_HIGHWAY_DIR}")
    if(NOT _carat_will_do)
        list(APPEND CARAT_MISSING
            "the headers of Highway 1.2 or newer: those in CARAT_HIGHWAY_DIR='${CARAT_HIGHWAY_DIR}' are older")
    endif()
endif()
find_path(CARAT_HIGHWAY_DIR hwy/highway.h
    VALIDATOR _carat_highway_will_do
    PATHS
        "$ENV{XDG_CACHE_HOME}/carat/highway/usr/include"
        "$ENV{HOME}/.cache/carat/highway/usr/include"
        "${CMAKE_CURRENT_LIST_DIR}/../build/cache/highway/usr/include"
    DOC "Folder that holds hwy/highway.h of Highway 1.2 or newer")
find_path(CARAT_XSIMD_DIR xsimd/xsimd.hpp DOC "Folder that holds xsimd/xsimd.hpp")
find_path(CARAT_RAPIDJSON_DIR rapidjson/document.h DOC "Folder that holds rapidjson/document.h")
find_path(CARAT_SENTENCEPIECE_DIR sentencepiece_processor.h DOC "Folder that holds sentencepiece_processor.h")
find_library(CARAT_SENTENCEPIECE_LIBRARY sentencepiece DOC "The sentencepiece library")
find_path(CARAT_UTF8PROC_DIR utf8proc.h DOC "Folder that holds utf8proc.h")
find_library(CARAT_UTF8PROC_LIBRARY utf8proc DOC "The utf8proc library")
find_path(CARAT_EIGEN_DIR Eigen/Core PATH_SUFFIXES eigen3 DOC "Folder that holds Eigen/Core")
find_path(CARAT_SNDFILE_DIR sndfile.h DOC "Folder that holds sndfile.h")
find_library(CARAT_SNDFILE_LIBRARY sndfile DOC "The sndfile library")
find_path(CARAT_MPG123_DIR mpg123.h DOC "Folder that holds mpg123.h")
find_library(CARAT_MPG123_LIBRARY mpg123 DOC "The mpg123 library")
find_path(CARAT_SOXR_DIR soxr.h DOC "Folder that holds soxr.h")
find_library(CARAT_SOXR_LIBRARY soxr DOC "The soxr library")
find_path(CARAT_PNG_DIR png.h DOC "Folder that holds png.h")
find_library(CARAT_PNG_LIBRARY NAMES png png16 DOC "The PNG library")
find_path(CARAT_JPEG_DIR jpeglib.h DOC "Folder that holds jpeglib.h")
find_library(CARAT_JPEG_LIBRARY jpeg DOC "The JPEG library")
find_path(CARAT_GIF_DIR gif_lib.h DOC "Folder that holds gif_lib.h")
find_library(CARAT_GIF_LIBRARY gif DOC "The GIF library")
find_path(CARAT_WEBP_DIR webp/decode.h DOC "Folder that holds webp/decode.h")
find_library(CARAT_WEBP_LIBRARY webp DOC "The WebP library")
find_library(CARAT_WEBPDEMUX_LIBRARY webpdemux DOC "The library that takes WebP files apart")
find_path(CARAT_FFMPEG_DIR libavformat/avformat.h PATH_SUFFIXES ffmpeg
    DOC "Folder that holds libavformat/avformat.h and its like, of FFmpeg 5.1 or newer")
mark_as_advanced(CARAT_MPG123_DIR CARAT_MPG123_LIBRARY CARAT_FFMPEG_DIR CARAT_HIGHWAY_DIR CARAT_XSIMD_DIR CARAT_RAPIDJSON_DIR CARAT_SENTENCEPIECE_DIR
    CARAT_SENTENCEPIECE_LIBRARY CARAT_UTF8PROC_DIR CARAT_UTF8PROC_LIBRARY
    CARAT_EIGEN_DIR CARAT_SNDFILE_DIR CARAT_SNDFILE_LIBRARY CARAT_SOXR_DIR CARAT_SOXR_LIBRARY
    CARAT_PNG_DIR CARAT_PNG_LIBRARY CARAT_JPEG_DIR CARAT_JPEG_LIBRARY CARAT_GIF_DIR CARAT_GIF_LIBRARY
    CARAT_WEBP_DIR CARAT_WEBP_LIBRARY CARAT_WEBPDEMUX_LIBRARY)

# _carat_package(<target> <list of the missing> <sentence> <include folder> [<library>])
function(_carat_package target missing sentence folder)
    if(NOT folder OR (ARGC GREATER 4 AND NOT ARGV4))
        list(APPEND ${missing} "${sentence}")
        set(${missing} "${${missing}}" PARENT_SCOPE)
        return()
    endif()
    if(TARGET ${target})
        return()
    endif()
    if(ARGC GREATER 4)
        add_library(${target} UNKNOWN IMPORTED GLOBAL)
        set_target_properties(${target} PROPERTIES IMPORTED_LOCATION "${ARGV4}")
    else()
        add_library(${target} INTERFACE IMPORTED GLOBAL)
    endif()
    set_target_properties(${target} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${folder}")
endfunction()

_carat_package(carat::highway CARAT_MISSING
    "the headers of Highway 1.2 or newer: run cmake/setup.sh, install libhwy-dev (Debian 13), or set CARAT_HIGHWAY_DIR to a folder that holds hwy/highway.h"
    "${CARAT_HIGHWAY_DIR}")
_carat_package(carat::xsimd CARAT_MISSING
    "xsimd 8.1 or newer: install libxsimd-dev, or set CARAT_XSIMD_DIR to a folder that holds xsimd/xsimd.hpp"
    "${CARAT_XSIMD_DIR}")
_carat_package(carat::rapidjson CARAT_MISSING
    "RapidJSON: install rapidjson-dev, or set CARAT_RAPIDJSON_DIR to a folder that holds rapidjson/document.h"
    "${CARAT_RAPIDJSON_DIR}")
_carat_package(carat::sentencepiece CARAT_TEXT_MISSING
    "sentencepiece (install libsentencepiece-dev)"
    "${CARAT_SENTENCEPIECE_DIR}" "${CARAT_SENTENCEPIECE_LIBRARY}")
_carat_package(carat::utf8proc CARAT_TEXT_MISSING
    "utf8proc (install libutf8proc-dev)"
    "${CARAT_UTF8PROC_DIR}" "${CARAT_UTF8PROC_LIBRARY}")
_carat_package(carat::eigen CARAT_MEDIA_MISSING
    "Eigen (install libeigen3-dev)"
    "${CARAT_EIGEN_DIR}")
_carat_package(carat::sndfile CARAT_MEDIA_MISSING
    "libsndfile (install libsndfile1-dev)"
    "${CARAT_SNDFILE_DIR}" "${CARAT_SNDFILE_LIBRARY}")
_carat_package(carat::mpg123 CARAT_MEDIA_MISSING
    "mpg123 (install libmpg123-dev)"
    "${CARAT_MPG123_DIR}" "${CARAT_MPG123_LIBRARY}")
_carat_package(carat::soxr CARAT_MEDIA_MISSING
    "the SoX resampler (install libsoxr-dev)"
    "${CARAT_SOXR_DIR}" "${CARAT_SOXR_LIBRARY}")
_carat_package(carat::png CARAT_MEDIA_MISSING
    "libpng (install libpng-dev)"
    "${CARAT_PNG_DIR}" "${CARAT_PNG_LIBRARY}")
_carat_package(carat::jpeg CARAT_MEDIA_MISSING
    "libjpeg-turbo (install libjpeg-dev)"
    "${CARAT_JPEG_DIR}" "${CARAT_JPEG_LIBRARY}")
_carat_package(carat::gif CARAT_MEDIA_MISSING
    "giflib (install libgif-dev)"
    "${CARAT_GIF_DIR}" "${CARAT_GIF_LIBRARY}")
_carat_package(carat::webp CARAT_MEDIA_MISSING
    "libwebp (install libwebp-dev)"
    "${CARAT_WEBP_DIR}" "${CARAT_WEBP_LIBRARY}")
_carat_package(carat::webpdemux CARAT_MEDIA_MISSING
    "libwebpdemux (install libwebp-dev)"
    "${CARAT_WEBP_DIR}" "${CARAT_WEBPDEMUX_LIBRARY}")

# A static library needs others, which the pkg-config file that lies with it names: those of vcpkg are static.
function(_carat_static target module)
    if(NOT TARGET ${target})
        return()
    endif()
    get_target_property(library ${target} IMPORTED_LOCATION)
    get_filename_component(folder "${library}" DIRECTORY)
    if(NOT library MATCHES "\\.(a|lib)$" OR NOT EXISTS "${folder}/pkgconfig/${module}.pc")
        return()
    endif()
    find_package(PkgConfig QUIET)
    if(NOT PkgConfig_FOUND)
        return()
    endif()
    set(path "$ENV{PKG_CONFIG_PATH}")
    set(ENV{PKG_CONFIG_PATH} "${folder}/pkgconfig:${folder}/../share/pkgconfig:${path}")
    pkg_check_modules(_carat_${module} QUIET ${module})
    set(ENV{PKG_CONFIG_PATH} "${path}")
    get_filename_component(name "${library}" NAME_WE)
    string(REGEX REPLACE "^lib" "" name "${name}")
    list(REMOVE_ITEM _carat_${module}_STATIC_LIBRARIES "${name}")
    list(REMOVE_DUPLICATES _carat_${module}_STATIC_LIBRARIES)
    set_target_properties(${target} PROPERTIES
        INTERFACE_LINK_DIRECTORIES "${_carat_${module}_STATIC_LIBRARY_DIRS}"
        INTERFACE_LINK_LIBRARIES "${_carat_${module}_STATIC_LIBRARIES}")
endfunction()
_carat_static(carat::sentencepiece sentencepiece)
_carat_static(carat::sndfile sndfile)
_carat_static(carat::png libpng)
_carat_static(carat::webp libwebp)

# Its libraries are opened by the first video that is read, not linked. Headers older than 5.1 describe sound differently.
set(_carat_video_missing "")
set(_carat_ffmpeg "${CARAT_FFMPEG_DIR}")
foreach(_carat_library avcodec swscale)
    if(_carat_ffmpeg AND NOT EXISTS "${_carat_ffmpeg}/lib${_carat_library}/${_carat_library}.h")
        set(_carat_ffmpeg "")
    endif()
endforeach()
if(_carat_ffmpeg)
    set(_carat_version "")
    foreach(_carat_header version_major.h version.h)
        if(EXISTS "${_carat_ffmpeg}/libavformat/${_carat_header}" AND NOT _carat_version)
            file(STRINGS "${_carat_ffmpeg}/libavformat/${_carat_header}" _carat_version
                REGEX "#define LIBAVFORMAT_VERSION_MAJOR +[0-9]+")
        endif()
    endforeach()
    if(NOT _carat_version MATCHES "([0-9]+)$" OR CMAKE_MATCH_1 LESS 59)
        set(_carat_ffmpeg "")
    endif()
endif()
_carat_package(carat::ffmpeg _carat_video_missing "FFmpeg" "${_carat_ffmpeg}")
if(TARGET carat::ffmpeg)
    set_target_properties(carat::ffmpeg PROPERTIES
        INTERFACE_COMPILE_DEFINITIONS CARAT_FFMPEG INTERFACE_LINK_LIBRARIES "${CMAKE_DL_LIBS}")
endif()

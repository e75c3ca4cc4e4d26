# A room includes only what lies below it. Reads every #include of include/carat and names those that look upwards or
# bring a package into a room that is not its place.
#
#   cmake -DROOT=<repository> -P tests/rooms.cmake
cmake_minimum_required(VERSION 3.25)

set(below_base "")
set(below_format base)
set(below_config base)
set(below_tensor config base)
set(below_parallel base)
set(below_simd tensor config base)
set(below_nn simd parallel ${below_simd})
set(below_model nn ${below_nn})
set(below_generate model ${below_model})
set(below_checkpoint format parallel tensor config base)
set(below_text format tensor config base)
set(below_prompt text ${below_text})
set(below_media format tensor config base)
set(below_constrain prompt ${below_prompt} generate ${below_generate})
set(below_chat constrain ${below_constrain} checkpoint)
set(everything base format config tensor parallel simd nn model generate checkpoint text prompt media constrain chat)
set(below_instantiate ${everything})

# Of base/ these rooms take the name of the inline namespace and no more.
set(cheap_rooms config tensor parallel simd nn)

# Headers at the root are for users and may include everything; rooms include none of them but these.
set(users_of_version ${everything} instantiate)
set(users_of_gemma4 instantiate)  # the one room above a door
set(below_root_version "")
set(below_root_fwd "")

# Who may include which package.
set(places_of_hwy simd)
set(places_of_xsimd simd)
set(places_of_Eigen media)
set(places_of_unsupported media)  # Eigen's FFT
set(places_of_rapidjson format)
set(places_of_sentencepiece text)
set(places_of_utf8proc text)
set(places_of_sndfile media)
set(places_of_soxr media)
foreach(package png jpeglib gif_lib webp mpg123 libavcodec libavformat libswscale)
    set(places_of_${package} media)
endforeach()

set(faults "")
file(GLOB_RECURSE headers RELATIVE "${ROOT}/include/carat" "${ROOT}/include/carat/*.hpp")
foreach(header IN LISTS headers)
    # All of carat lives in the inline namespace that carat/base/abi.hpp names.
    file(STRINGS "${ROOT}/include/carat/${header}" outside REGEX "^namespace carat( |::[^i])")
    if(outside)
        list(APPEND faults "${header} opens 'namespace carat'; it must be 'namespace carat::inline CARAT_ABI'")
    endif()
    if(header MATCHES "/")
        string(REGEX REPLACE "/.*" "" room "${header}")
    else()
        set(room "${header}")
    endif()
    string(REGEX REPLACE "\\.hpp$" "" stem "${room}")
    if(header MATCHES "/" AND NOT DEFINED below_${room})
        list(APPEND faults "${header}: '${room}' is no room of the house; give it a line in tests/rooms.cmake")
        continue()
    endif()
    file(STRINGS "${ROOT}/include/carat/${header}" includes REGEX "^[ \t]*#[ \t]*include")
    # Who includes nothing of carat has no CARAT_ABI, and would open a namespace of that very name.
    file(STRINGS "${ROOT}/include/carat/${header}" named REGEX "inline CARAT_ABI")
    if(named AND NOT includes MATCHES "carat/")
        list(APPEND faults "${header} names CARAT_ABI, but does not include carat/base/abi.hpp")
    endif()
    foreach(include IN LISTS includes)
        string(REGEX REPLACE ".*[<\"]([^>\"]*)[>\"].*" "\\1" include "${include}")

        # Headers of carat.
        if(include MATCHES "^carat/([^/]*)$")
            set(target "${CMAKE_MATCH_1}")
            string(REGEX REPLACE "\\.hpp$" "" target_stem "${target}")
            if(header MATCHES "/")
                if(NOT room IN_LIST users_of_${target_stem})
                    list(APPEND faults "${header} includes ${include}, which is not for ${room}/")
                endif()
            elseif(DEFINED below_root_${stem} AND NOT DEFINED below_root_${target_stem})
                list(APPEND faults "${header} includes ${include}, but stands below all rooms")
            endif()
        elseif(include MATCHES "^carat/models/")
            list(APPEND faults "${header} includes ${include}, which only a program has")
        elseif(include MATCHES "^carat/([^/]*)/")
            set(target "${CMAKE_MATCH_1}")
            if(target STREQUAL "base" AND NOT include STREQUAL "carat/base/abi.hpp" AND room IN_LIST cheap_rooms)
                list(APPEND faults "${header} includes ${include}, which is not for ${room}/")
            elseif(header MATCHES "/")
                if(NOT target STREQUAL room AND NOT target IN_LIST below_${room})
                    list(APPEND faults "${header} includes ${include}, but ${target}/ does not lie below ${room}/")
                endif()
            elseif(DEFINED below_root_${stem} AND NOT include STREQUAL "carat/base/abi.hpp")
                list(APPEND faults "${header} includes ${include}, but stands below all rooms")
            endif()

        # Packages.
        elseif(include MATCHES "^(hwy|xsimd|Eigen|unsupported|rapidjson|sentencepiece|utf8proc|sndfile|soxr|png|jpeglib|gif_lib|webp|mpg123|libavcodec|libavformat|libswscale)[/._]")
            set(package "${CMAKE_MATCH_1}")
            if(NOT room IN_LIST places_of_${package})
                string(REPLACE ";" ", " places "${places_of_${package}}")
                list(APPEND faults "${header} includes ${include}, whose only place is ${places}")
            endif()
        elseif(include MATCHES "/|\\.h$" AND NOT include MATCHES
                "^(sys/|unistd|fcntl|sched|pthread|dirent|dlfcn|errno|poll|linux/|immintrin|arm_)")
            list(APPEND faults "${header} includes ${include}, which is neither carat nor a package it knows")
        endif()

        # The cheap rooms stay cheap.
        if(room MATCHES "^(config|tensor)$" AND include MATCHES "^(ranges|filesystem|iostream|regex|fstream|sstream)$")
            list(APPEND faults "${header} includes ${include}, too dear for ${room}/")
        endif()
    endforeach()
endforeach()

# Whose names begin with the version.
file(STRINGS "${ROOT}/include/carat/version.hpp" version REGEX "Version version{")
string(REGEX REPLACE ".*{([0-9]+), ([0-9]+), ([0-9]+)}.*" "\\1.\\2.\\3" full "${version}")
string(REGEX REPLACE ".*{([0-9]+), ([0-9]+), .*" "v\\1_\\2" version "${version}")
file(STRINGS "${ROOT}/include/carat/base/abi.hpp" names REGEX "#define CARAT_ABI ")
foreach(name IN LISTS names)
    if(NOT name MATCHES "#define CARAT_ABI ${version}(_|$)")
        list(APPEND faults "abi.hpp: '${name}' does not begin with ${version}")
    endif()
endforeach()
# vcpkg's format wants the version written down once more.
file(READ "${ROOT}/cmake/packages/vcpkg/carat/vcpkg.json" port)
string(JSON port GET "${port}" version)
if(NOT port STREQUAL full)
    list(APPEND faults "vcpkg.json says version ${port}, version.hpp says ${full}")
endif()

if(faults)
    list(JOIN faults "\n  " faults)
    message(FATAL_ERROR "carat: a room includes only what lies below it:\n  ${faults}")
endif()

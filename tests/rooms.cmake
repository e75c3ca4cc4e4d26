# A room includes only what lies below it. Reads every #include of include/carat and names those that look upwards or
# bring a package into a room that is not its place.
#
#   cmake -DROOT=<repository> -P tests/rooms.cmake
cmake_minimum_required(VERSION 3.25)

set(below_config "")
set(below_tensor config)
set(below_parallel "")
set(below_simd tensor config)
set(below_nn simd parallel tensor config)
set(below_model nn ${below_nn})
set(below_generate model ${below_model})
set(below_checkpoint tensor config)
set(below_text tensor config)
set(below_media tensor config)
set(everything config tensor parallel simd nn model generate checkpoint text media)
set(below_instantiate ${everything})
set(below_interop ${everything})

# Headers at the root that stand beside the rooms, and who may use them. Other root headers are for users and may
# include everything; no room includes them.
set(users_of_version config tensor parallel simd nn model generate checkpoint text media instantiate interop)
set(users_of_result model generate checkpoint text media instantiate interop)
set(users_of_json model generate checkpoint text media)
set(users_of_json_writer ${users_of_json})
set(below_root_version "")
set(below_root_result "")
set(below_root_json "")
set(below_root_json_writer "")

# Who may include which package.
set(places_of_hwy simd)
set(places_of_xsimd simd)
set(places_of_Eigen media interop)
set(places_of_unsupported media)  # Eigen's FFT
set(places_of_rapidjson json.hpp json_writer.hpp)
set(places_of_sentencepiece text)
set(places_of_utf8proc text)

set(faults "")
file(GLOB_RECURSE headers RELATIVE "${ROOT}/include/carat" "${ROOT}/include/carat/*.hpp")
foreach(header IN LISTS headers)
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
            if(header MATCHES "/")
                if(NOT target STREQUAL room AND NOT target IN_LIST below_${room})
                    list(APPEND faults "${header} includes ${include}, but ${target}/ does not lie below ${room}/")
                endif()
            elseif(DEFINED below_root_${stem})
                list(APPEND faults "${header} includes ${include}, but stands below all rooms")
            endif()

        # Packages.
        elseif(include MATCHES "^(hwy|xsimd|Eigen|unsupported|rapidjson|sentencepiece|utf8proc)[/._]")
            set(package "${CMAKE_MATCH_1}")
            if(NOT room IN_LIST places_of_${package})
                string(REPLACE ";" ", " places "${places_of_${package}}")
                list(APPEND faults "${header} includes ${include}, whose only place is ${places}")
            endif()
        elseif(include MATCHES "/|\\.h$" AND NOT include MATCHES
                "^(sys/|unistd|fcntl|sched|pthread|dirent|errno|poll|linux/|immintrin|arm_)")
            list(APPEND faults "${header} includes ${include}, which is neither carat nor a package it knows")
        endif()

        # The cheap rooms stay cheap.
        if(room MATCHES "^(config|tensor)$" AND include MATCHES "^(ranges|filesystem|iostream|regex|fstream|sstream)$")
            list(APPEND faults "${header} includes ${include}, too dear for ${room}/")
        endif()
    endforeach()
endforeach()

if(faults)
    list(JOIN faults "\n  " faults)
    message(FATAL_ERROR "carat: a room includes only what lies below it:\n  ${faults}")
endif()

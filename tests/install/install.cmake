# Installs the build in BUILD into an empty folder, moves that folder, and builds and runs the project in consumer/.
cmake_minimum_required(VERSION 3.25)

function(run)
    execute_process(COMMAND ${ARGV} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
    if(NOT result EQUAL 0)
        list(JOIN ARGV " " command)
        message(FATAL_ERROR "carat: this failed: ${command}\n${output}")
    endif()
endfunction()

file(REMOVE_RECURSE "${SCRATCH}")
run("${CMAKE_COMMAND}" --install "${BUILD}" --prefix "${SCRATCH}/first")
file(RENAME "${SCRATCH}/first" "${SCRATCH}/prefix")  # an installation must not remember where it was
run("${CMAKE_COMMAND}" -S "${SOURCE}/consumer" -B "${SCRATCH}/build" -G "${GENERATOR}"
    "-DCMAKE_PREFIX_PATH=${SCRATCH}/prefix" "-DCMAKE_CXX_COMPILER=${COMPILER}" "-DCMAKE_CXX_FLAGS=${FLAGS}"
    "-DCARAT_HIGHWAY_DIR=${HIGHWAY}" "-DMODEL=${MODEL}" "-DPARTS=${PARTS}" "-DVERSION=${VERSION}")
run("${CMAKE_COMMAND}" --build "${SCRATCH}/build")
run("${SCRATCH}/build/consumer")
string(REPLACE "," ";" PARTS "${PARTS}")
foreach(part ${PARTS})
    run("${SCRATCH}/build/${part}" "${MODEL}")
endforeach()
if("text" IN_LIST PARTS AND "media" IN_LIST PARTS)
    run("${SCRATCH}/build/pictures" "${MODEL}")
endif()
if("text" IN_LIST PARTS)
    run("${SCRATCH}/build/separate" "${MODEL}")
    file(READ "${SCRATCH}/build/separate_objects" objects)
    string(REPLACE "," ";" objects "${objects}")
    list(FILTER objects EXCLUDE REGEX "/cmake/carat/separate")  # the units that carat brings
    list(LENGTH objects count)
    if(NOT count EQUAL 2)
        message(FATAL_ERROR "carat: two units of the program's own were expected: ${objects}")
    endif()
    list(JOIN objects "," objects)
    run("${CMAKE_COMMAND}" "-DNM=${NM}" "-DOBJECTS=${objects}" -P "${SOURCE}/separate.cmake")
endif()

# pkg-config finds the headers where they are now, and those of the packages, and a compiler is all that it takes then.
find_program(PKG_CONFIG pkg-config)
if(PKG_CONFIG)
    execute_process(COMMAND "${CMAKE_COMMAND}" -E env "PKG_CONFIG_PATH=${SCRATCH}/prefix/share/pkgconfig"
        "${PKG_CONFIG}" --cflags --libs "carat = ${VERSION}"
        RESULT_VARIABLE result OUTPUT_VARIABLE flags ERROR_VARIABLE flags)
    if(NOT result EQUAL 0)
        message(FATAL_ERROR "carat: pkg-config does not find carat ${VERSION}: ${flags}")
    endif()
    separate_arguments(flags NATIVE_COMMAND "${flags}")
    run("${COMPILER}" -std=c++20 "${SOURCE}/consumer/by_pkg_config.cpp" ${flags} -o "${SCRATCH}/by_pkg_config")
    run("${SCRATCH}/by_pkg_config")
    if(STATIC_PNG)  # what a static library needs stands in its pkg-config file
        run("${CMAKE_COMMAND}" -S "${SOURCE}/static" -B "${SCRATCH}/static" -G "${GENERATOR}"
            "-DCMAKE_PREFIX_PATH=${SCRATCH}/prefix" "-DCMAKE_CXX_COMPILER=${COMPILER}"
            "-DCARAT_HIGHWAY_DIR=${HIGHWAY}" "-DCARAT_PNG_LIBRARY=${STATIC_PNG}")
        run("${CMAKE_COMMAND}" --build "${SCRATCH}/static")
        run("${SCRATCH}/static/static")
    endif()
else()
    message(STATUS "carat: not tested with pkg-config nor with static libraries: pkg-config is not here")
endif()

# carat_program(<target> <source>): a program for the model of the build, in examples/ and bench/. It is compiled for the
# checkpoint in CARAT_MODEL, which it includes as <carat/models/model.hpp>. CARAT_WEIGHTS arrives as the name of a weight
# format, carat::weights::CARAT_WEIGHTS, and CARAT_FAST says whether activations are rounded for the machine's dot product.
find_path(CARAT_CLI11_DIR CLI/CLI.hpp DOC "Folder that holds CLI/CLI.hpp")
mark_as_advanced(CARAT_CLI11_DIR)

function(carat_program target source)
    get_filename_component(model "${CARAT_MODEL}" ABSOLUTE BASE_DIR "${PROJECT_SOURCE_DIR}")
    set(weights "${CARAT_WEIGHTS}")
    if(NOT weights)
        carat_stored_weights("${model}" weights)
    endif()
    add_executable(${target} ${source})
    target_link_libraries(${target} PRIVATE carat::carat carat_warnings carat_arch)
    if(TARGET carat::text)
        target_link_libraries(${target} PRIVATE carat::text)
    endif()
    if(TARGET carat::media)
        target_link_libraries(${target} PRIVATE carat::media)
    endif()
    if(CARAT_CLI11_DIR)
        target_include_directories(${target} SYSTEM PRIVATE "${CARAT_CLI11_DIR}")
    endif()
    carat_add_model(${target} CONFIG "${model}/config.json")
    target_compile_definitions(${target} PRIVATE
        "CARAT_WEIGHTS=${weights}" "CARAT_FAST=$<BOOL:$<STREQUAL:${CARAT_ARITHMETIC},fast>>")
endfunction()

# Writes carat as one header: token ids in, logits out, a generation loop; of packages it includes the headers of
# Highway, xsimd and RapidJSON, and it links nothing. What needs libraries (text/, media/) stays outside.
#
#   cmake -DROOT=<repository> -DOUTPUT=<folder>/carat.hpp -P cmake/amalgamate.cmake
cmake_minimum_required(VERSION 3.25)

set(doors version gemma4 config/check config/presets generate/generate generate/loss parallel/thread_pool)

set(text "")
# Appends a header after those that it includes, each once, and before the one that defines what it declares. Contents are
# never a list: they hold semicolons and brackets.
function(take header)
    get_property(taken GLOBAL PROPERTY taken)
    if(header IN_LIST taken)
        return()
    endif()
    set_property(GLOBAL APPEND PROPERTY taken "${header}")
    file(STRINGS "${ROOT}/include/${header}" includes REGEX "^#include \"carat/")
    foreach(include IN LISTS includes)
        string(REGEX REPLACE ".*\"(.*)\".*" "\\1" include "${include}")
        if(NOT include MATCHES "\\.inl\\.hpp$")
            take("${include}")
        endif()
    endforeach()
    file(READ "${ROOT}/include/${header}" body)
    string(REGEX REPLACE "#ifndef CARAT_SEPARATE_COMPILATION\n#include[^\n]*\n#endif\n" "" body "${body}")
    string(REGEX REPLACE "#include \"carat/[^\n]*\n" "" body "${body}")
    string(REPLACE "#pragma once\n" "" body "${body}")
    string(REGEX REPLACE "\n\n\n+" "\n\n" body "${body}")
    file(APPEND "${OUTPUT}.part" "\n// ---- ${header}\n\n${body}")
    string(REGEX REPLACE "\\.hpp$" ".inl.hpp" definitions "${header}")
    if(EXISTS "${ROOT}/include/${definitions}")
        take("${definitions}")
    endif()
endfunction()

file(READ "${ROOT}/include/carat/version.hpp" version)
string(REGEX REPLACE ".*Version version{([0-9]+), ([0-9]+), ([0-9]+)}.*" "\\1.\\2.\\3" version "${version}")
file(WRITE "${OUTPUT}.part"
    "// carat ${version} as one header, written by its target `amalgamation`; changes here are lost.\n"
    "// Wants the headers of Highway 1.2, xsimd 8.1 and RapidJSON on the include path, and C++20. Links nothing.\n"
    "#pragma once\n")
foreach(door IN LISTS doors)
    take("carat/${door}.hpp")
endforeach()
file(RENAME "${OUTPUT}.part" "${OUTPUT}")

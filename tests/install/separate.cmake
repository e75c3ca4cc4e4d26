# cmake -DNM=… -DOBJECTS=… -P separate.cmake: a unit of a program that links carat::separate_text leaves to its own unit
# what does not depend on the model.
cmake_minimum_required(VERSION 3.25)
string(REPLACE "," ";" OBJECTS "${OBJECTS}")
execute_process(COMMAND "${NM}" -C ${OBJECTS} OUTPUT_VARIABLE text COMMAND_ERROR_IS_FATAL ANY)
foreach(wanted "open_files" "Binder::finish" "config_hash" "Tokenizer::open")
    if(NOT text MATCHES "\n *U [^\n]*${wanted}\\(")
        message(FATAL_ERROR "carat: ${wanted}() is not left to another unit in ${OBJECTS}")
    endif()
endforeach()
# No definition of what only readers of files have.
string(REGEX MATCHALL "[0-9a-f]+ [TtWw] [^\n]*(Gguf|rapidjson|Safetensors|TokenizerJsonReader)[^\n]*" found "${text}")
if(found)
    list(JOIN found "\n  " found)
    message(FATAL_ERROR "carat: ${OBJECTS} compile what they should leave alone:\n  ${found}")
endif()

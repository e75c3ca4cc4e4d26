# cmake -DNM=… -DOBJECT=… -P symbols.cmake: what the object asks of the system is memory and mathematics.
cmake_minimum_required(VERSION 3.25)
execute_process(COMMAND "${NM}" -u "${OBJECT}" OUTPUT_VARIABLE text COMMAND_ERROR_IS_FATAL ANY)
string(REGEX REPLACE "__[a-z]+san_[a-z0-9_]*" "" text "${text}")  # a sanitizer's, in builds with one
set(system "thread|pthread_create|filesystem|fstream|open|read|write|mmap|munmap|madvise|[^n]printf|puts|cout|cxa_throw")
string(REGEX MATCHALL "[^ \n]*(${system})[^ \n]*" found "${text}")
if(found)
    list(JOIN found "\n  " found)
    message(FATAL_ERROR "carat: a build without threads and files wants\n  ${found}")
endif()
if(NOT text MATCHES "_Znwm|_ZnwmSt11align_val_t")
    message(FATAL_ERROR "carat: ${OBJECT} has no symbols to look at:\n${text}")
endif()

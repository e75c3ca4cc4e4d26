# cmake -DBUILD=<folder> -DTARGET=<target> -DSENTENCE=<sentence> -P fails.cmake: the target must not build, and say why first of all.
execute_process(COMMAND "${CMAKE_COMMAND}" --build "${BUILD}" --target ${TARGET}
    RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(result EQUAL 0)
    message(FATAL_ERROR "carat: ${TARGET} was built, but should have been refused with\n  ${SENTENCE}")
endif()
# Compilers quote a string of several pieces as one, or as it stands.
string(REGEX REPLACE "\"[ \n]+\"" "" output "${output}")
string(FIND "${output}" "${SENTENCE}" at)
if(at EQUAL -1)
    message(FATAL_ERROR "carat: the compiler refused ${TARGET} in other words than\n  ${SENTENCE}\nIt said\n${output}")
endif()
# Nobody reads on: no other error may stand before it.
string(SUBSTRING "${output}" 0 ${at} before)
string(REPLACE ";" "," before "${before}")  # or a condition that a compiler quotes counts as two
string(REGEX MATCHALL " error: [^\n]*" errors "${before}")
list(LENGTH errors count)
if(count GREATER 1)
    message(FATAL_ERROR "carat: the compiler said other things first:\n${before}")
endif()

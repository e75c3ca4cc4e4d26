# cmake -DGDB=… -DPRINTERS=… -DPROGRAM=… -P gdb.cmake: what gdb shows of views and configs.
cmake_minimum_required(VERSION 3.25)
execute_process(COMMAND "${GDB}" --batch -nx -ex "source ${PRINTERS}" -ex "break stop_here" -ex run
        -ex "print fixed" -ex "print rows" -ex "print halves" -ex "print nothing" -ex "print layers"
        "${PROGRAM}"
    OUTPUT_VARIABLE output ERROR_VARIABLE output RESULT_VARIABLE result)
if(output MATCHES "ptrace: Operation not permitted|Could not trace")
    message(STATUS "carat: gdb may not trace a program here")
    return()
endif()
foreach(expected
        "View<float const> \\[2, 3\\] at 0x[0-9a-f]+ = {1, 2, 3, 4, 5, 6.5}|View<const float> \\[2, 3\\] at 0x[0-9a-f]+ = {1, 2, 3, 4, 5, 6.5}"
        "\\[3, 2\\] at 0x[0-9a-f]+ = {1, 2, 3, 4, 5, 6.5}"
        "\\[2\\] at 0x[0-9a-f]+ = {1.5, -2}|\\[2\\] at 0x[0-9a-f]+ = {1.5, -2.0}"
        "View<float> \\[4\\] at nowhere"
        "{4, 9, 14}")
    if(NOT output MATCHES "${expected}")
        message(FATAL_ERROR "carat: gdb does not show ${expected}\n${output}")
    endif()
endforeach()

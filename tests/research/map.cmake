# Runs attention_map, whose picture must have a pixel for each pair of the text's nine tokens.
execute_process(COMMAND "${PROGRAM}" "${MODEL}" 4 0 "${PICTURE}" "What is the capital of France?"
    COMMAND_ERROR_IS_FATAL ANY)
file(READ "${PICTURE}" head LIMIT 24 HEX)
if(NOT head STREQUAL "89504e470d0a1a0a0000000d494844520000000900000009")
    message(FATAL_ERROR "${PICTURE} begins with ${head}, expected a PNG of 9 x 9 pixels")
endif()

# carat_embed(<target> MODEL <folder or GGUF file> [NAME <name>])
#
# Puts a model into an executable, which then needs no file: the bytes of model.carat (a packed checkpoint, for this
# program's model and weights) or model.safetensors and of the texts beside it (or of the GGUF file) become read-only
# data, and <target> may include <carat/embedded/<name>.hpp>:
#
#     namespace carat::embedded { inline std::span<const std::byte> <name>_weights(); inline std::string_view
#     <name>_tokenizer_json(), <name>_generation_config(), <name>_chat_template(); }
#
# A text that the folder does not have is empty. The default name is `model`. The assembler reads the files, so that
# GCC and clang take large models as quickly as small ones. For ELF systems; more than 2 GB want -mcmodel=medium.
function(carat_embed target)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "MODEL;NAME" "")
    if(NOT TARGET ${target} OR NOT arg_MODEL OR arg_UNPARSED_ARGUMENTS)
        message(FATAL_ERROR "carat_embed: say carat_embed(<target> MODEL <folder or GGUF file> [NAME <name>])")
    endif()
    if(NOT arg_NAME)
        set(arg_NAME model)
    endif()
    if(NOT arg_NAME MATCHES "^[A-Za-z_][A-Za-z0-9_]*$")
        message(FATAL_ERROR "carat_embed: NAME '${arg_NAME}' is not a name that C++ allows")
    endif()
    if(WIN32 OR APPLE)
        message(FATAL_ERROR "carat_embed: knows ELF systems only")
    endif()
    get_filename_component(model "${arg_MODEL}" ABSOLUTE)
    set(weights "${model}")
    if(NOT model MATCHES "\\.([gG][gG][uU][fF]|safetensors)$")
        set(weights "${model}/model.carat")  # packed: nothing is converted when the program starts
        if(NOT EXISTS "${weights}")
            set(weights "${model}/model.safetensors")
        endif()
    endif()
    if(NOT EXISTS "${weights}" OR IS_DIRECTORY "${weights}")
        message(FATAL_ERROR "carat_embed: there is no file ${weights}. MODEL is a folder with model.carat or model.safetensors, "
            "or such a file, or a GGUF file; a model in several files cannot be embedded")
    endif()
    if(EXISTS "${model}/tokenizer.gguf")
        message(FATAL_ERROR "carat_embed: the tokenizer of ${model} is a GGUF file, expected tokenizer.json; "
            "pack from a folder that has one, or embed the GGUF file itself")
    endif()

    set(folder "${CMAKE_CURRENT_BINARY_DIR}/carat_embedded/${target}")
    set(source "${folder}/${arg_NAME}.cpp")
    set(externs "")
    set(header "")
    set(externs "")
    set(assembler "")
    set(files "")
    foreach(part weights tokenizer_json generation_config chat_template)
        set(tokenizer_json "${model}/tokenizer.json")
        set(generation_config "${model}/generation_config.json")
        set(chat_template "${model}/chat_template.jinja")
        set(file "${${part}}")
        set(symbol "carat_embedded_${arg_NAME}_${part}")
        set(read "")
        if(EXISTS "${file}" AND NOT IS_DIRECTORY "${file}")
            set(read "    .incbin \\\"${file}\\\"\\n")
            list(APPEND files "${file}")
        endif()
        string(APPEND assembler
            "    \"    .balign 64\\n    .globl ${symbol}\\n${symbol}:\\n${read}    .globl ${symbol}_end\\n${symbol}_end:\\n    .byte 0\\n\"\n")
        string(APPEND externs "extern \"C\" const char ${symbol}[], ${symbol}_end[];\n")
        if(part STREQUAL "weights")
            string(APPEND header
                "inline std::span<const std::byte> ${arg_NAME}_weights() {\n"
                "    return {reinterpret_cast<const std::byte*>(${symbol}),\n"
                "            static_cast<std::size_t>(${symbol}_end - ${symbol})};\n}\n")
        else()
            string(APPEND header
                "inline std::string_view ${arg_NAME}_${part}() {\n"
                "    return {${symbol}, static_cast<std::size_t>(${symbol}_end - ${symbol})};\n}\n")
        endif()
    endforeach()
    set(note "// Written by carat_embed from ${model}; changes here are lost.\n")
    file(CONFIGURE OUTPUT "${source}" @ONLY CONTENT
        "@note@asm(\n    \"    .section .rodata.carat,\\\"a\\\"\\n\"\n@assembler@    \"    .previous\\n\");\n")
    file(CONFIGURE OUTPUT "${folder}/carat/embedded/${arg_NAME}.hpp" @ONLY CONTENT
        "@note@#pragma once\n
#include <cstddef>\n#include <span>\n#include <string_view>\n
@externs@
namespace carat::embedded {\n
@header@
}  // namespace carat::embedded\n")
    set_source_files_properties("${source}" PROPERTIES OBJECT_DEPENDS "${files}")
    target_sources(${target} PRIVATE "${source}")
    target_include_directories(${target} PRIVATE "${folder}")
endfunction()

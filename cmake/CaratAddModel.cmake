# carat_add_model(<target> CONFIG <config.json> | GGUF <file or folder> [NAME <name>] [DRAFTER <config.json>])
#
# Turns the config.json of a Gemma 4 checkpoint, or a GGUF file (or a folder that holds one), into a value the compiler
# knows. Towers for pictures and sound come from the mmproj file beside a GGUF file, which Gemma4::open() finds by the
# same rule, or from the same file; a model without them only reads. Writes, while CMake configures,
#
#     <build>/carat_models/<target>/carat/models/<name>.hpp      namespace carat::models { inline constexpr
#                                                                ModelConfig <name> = …;
#                                                                using <name>_stored = weights::…; }
#
# and lets <target> include it as <carat/models/<name>.hpp>. The default name is `model`. <name>_stored, for Gemma4<<name>,
# <name>_stored>, keeps weights in the type that the checkpoint has them in: out of the GGUF file, or out of what lies beside
# config.json when CMake configures (carat_stored_weights below). With DRAFTER, the config.json
# of an assistant, the header holds beside it `inline constexpr DrafterConfig <drafter>`, where <drafter> is `drafter`, or
# <name>_drafter for another name than `model`; a pair that does not fit stops the compiler. CMake runs again when one of
# those files changes. What the keys mean, and what a missing one means, is spec/text.md section 1; a file that carat
# cannot follow is refused with a sentence that names the file and the key. `checkpoint/config/config_json.hpp` reads the same
# files by the same rules while a program runs.

function(carat_add_model target)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "CONFIG;GGUF;NAME;DRAFTER" "")
    if(NOT TARGET ${target})
        message(FATAL_ERROR "carat_add_model: there is no target '${target}'")
    endif()
    if(arg_UNPARSED_ARGUMENTS OR (arg_CONFIG AND arg_GGUF) OR NOT (arg_CONFIG OR arg_GGUF))
        message(FATAL_ERROR
            "carat_add_model: say carat_add_model(<target> CONFIG <config.json> | GGUF <file or folder> [NAME <name>] [DRAFTER <config.json>])")
    endif()
    if(NOT arg_NAME)
        set(arg_NAME model)
    endif()
    if(NOT arg_NAME MATCHES "^[A-Za-z_][A-Za-z0-9_]*$")
        message(FATAL_ERROR "carat_add_model: NAME '${arg_NAME}' is not a name that C++ allows")
    endif()

    get_filename_component(file "${arg_CONFIG}${arg_GGUF}" ABSOLUTE)
    if(arg_GGUF)
        _carat_gguf_config(json "${file}")
        _carat_config_of(config "${json}")
        string(JSON stored GET "${json}" carat_weights)
    else()
        _carat_read_config(config "${file}")
        set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${file}")
        get_filename_component(folder "${file}" DIRECTORY)
        carat_stored_weights("${folder}" stored)
    endif()

    set(drafter_include "")
    set(drafter "")
    if(arg_DRAFTER)
        get_filename_component(drafter_file "${arg_DRAFTER}" ABSOLUTE)
        _carat_read_drafter(drafter "${drafter_file}")
        set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${drafter_file}")
        set(drafter_name ${arg_NAME}_drafter)
        if(arg_NAME STREQUAL "model")
            set(drafter_name drafter)
        endif()
        set(drafter_include "#include <carat/config/drafter_check.hpp>\n#include <carat/config/drafter_config.hpp>\n")
        string(CONCAT drafter "\n// Of ${drafter_file}.\n"
            "inline constexpr DrafterConfig ${drafter_name}{\n${drafter}};\n"
            "static_assert(drafts_for<${drafter_name}, ${arg_NAME}.text>());\n")
    endif()

    set(folder "${CMAKE_CURRENT_BINARY_DIR}/carat_models/${target}")
    file(CONFIGURE OUTPUT "${folder}/carat/models/${arg_NAME}.hpp" @ONLY CONTENT
"// Written by carat_add_model from ${file}; changes here are lost.
#pragma once

#include <carat/config/check.hpp>
@drafter_include@#include <carat/config/model_config.hpp>
#include <carat/tensor/weights.hpp>

namespace carat::inline CARAT_ABI::models {

inline constexpr ModelConfig @arg_NAME@{
@config@};
static_assert(well_formed<@arg_NAME@.text>());
using @arg_NAME@_stored = weights::@stored@;
@drafter@
}  // namespace carat::inline CARAT_ABI::models
")
    get_target_property(type ${target} TYPE)
    if(type STREQUAL "INTERFACE_LIBRARY")
        target_include_directories(${target} INTERFACE "$<BUILD_INTERFACE:${folder}>")
    else()
        target_include_directories(${target} PRIVATE "${folder}")
    endif()
endfunction()

# ---- reading JSON
#
# The functions below read one member of a section. A section is a variable that holds the text of a JSON object, e.g.
# `text`, with `text_at` saying where it stands in the file ("text_config."). `file` is the file's name. A value of null
# counts as missing, and then the default is taken; of sliding_window alone it is refused.

function(_carat_refuse sentence)
    message(FATAL_ERROR "carat: ${file}: ${sentence}")
endfunction()

# The type of a member: NUMBER, STRING, BOOLEAN, ARRAY, OBJECT, or empty for a missing one.
function(_carat_type out section key)
    string(JSON type ERROR_VARIABLE error TYPE "${${section}}" "${key}")
    if(error OR type STREQUAL "NULL")
        set(type "")
    endif()
    set(${out} "${type}" PARENT_SCOPE)
endfunction()

# The text of a member that must be of the given type, or empty if it is missing.
function(_carat_get out section key type expected)
    _carat_type(found ${section} "${key}")
    if(found STREQUAL "")
        set(${out} "" PARENT_SCOPE)
        return()
    endif()
    string(JSON value GET "${${section}}" "${key}")
    if(NOT found STREQUAL type)
        string(TOLOWER "${found}" found)
        _carat_refuse("${${section}_at}${key} is of type ${found}, expected ${expected}")
    endif()
    set(${out} "${value}" PARENT_SCOPE)
endfunction()

function(_carat_size out section key default)  # a size: 0 and up
    _carat_get(value ${section} "${key}" NUMBER "a whole number")
    if(value STREQUAL "")
        set(value "${default}")
    elseif(NOT value MATCHES "^[0-9]+$")
        _carat_refuse("${${section}_at}${key} is ${value}, expected a whole number, not negative")
    elseif(value GREATER 2147483647)
        _carat_refuse("${${section}_at}${key} is ${value}, expected at most 2147483647")
    endif()
    set(${out} "${value}" PARENT_SCOPE)
endfunction()

function(_carat_id out section key default)  # a token id: 32 bits wide
    _carat_get(value ${section} "${key}" NUMBER "a token id")
    if(value STREQUAL "")
        set(value "${default}")
    elseif(NOT value MATCHES "^-?[0-9]+$" OR value GREATER 2147483647 OR value LESS -2147483647)
        _carat_refuse("${${section}_at}${key} is ${value}, expected a token id")
    endif()
    set(${out} "${value}" PARENT_SCOPE)
endfunction()

# A number, as a C++ literal of type double. CMake prints 17 digits, which is every bit of it.
function(_carat_number out section key default)
    _carat_get(value ${section} "${key}" NUMBER "a number")
    if(value STREQUAL "")
        set(value "${default}")
    elseif(value MATCHES "^-?[0-9]+$")
        string(APPEND value ".0")
    elseif(NOT value MATCHES "^-?[0-9]+(\\.[0-9]+)?([eE][-+]?[0-9]+)?$")
        _carat_refuse("${${section}_at}${key} is ${value}, expected a finite number")
    endif()
    set(${out} "${value}" PARENT_SCOPE)
endfunction()

function(_carat_bool out section key default)
    _carat_get(value ${section} "${key}" BOOLEAN "true or false")
    if(value STREQUAL "")
        set(value "${default}")
    elseif(value)
        set(value true)
    else()
        set(value false)
    endif()
    set(${out} "${value}" PARENT_SCOPE)
endfunction()

function(_carat_activation out section key default)
    _carat_get(value ${section} "${key}" STRING "the name of an activation")
    if(value STREQUAL "")
        set(value "${default}")
    elseif(value STREQUAL "gelu_pytorch_tanh")
        set(value gelu_tanh)
    elseif(NOT value MATCHES "^(gelu|silu|relu)$")
        _carat_refuse("${${section}_at}${key} is '${value}', and carat knows gelu_pytorch_tanh, gelu, silu and relu")
    endif()
    set(${out} "Activation::${value}" PARENT_SCOPE)
endfunction()

function(_carat_no_bias section)
    _carat_bool(bias ${section} attention_bias false)
    if(bias STREQUAL "true")
        _carat_refuse("${${section}_at}attention_bias is true, and no Gemma 4 has biases: carat cannot run this model")
    endif()
endfunction()

# One entry of rope_parameters, as an initializer of RopeParameters.
function(_carat_rope out section key default_theta default)
    _carat_get(entry ${section} "${key}" OBJECT "an object")
    if(entry STREQUAL "")
        set(${out} "${default}" PARENT_SCOPE)
        return()
    endif()
    set(entry_at "${${section}_at}${key}.")
    _carat_get(type entry rope_type STRING "the name of a kind of rotary embedding")
    _carat_number(theta entry rope_theta "${default_theta}")
    _carat_number(partial entry partial_rotary_factor 1.0)
    _carat_number(factor entry factor 1.0)
    if(type STREQUAL "" OR type STREQUAL "default")
        if(NOT partial EQUAL 1 OR NOT factor EQUAL 1)
            _carat_refuse("${entry_at}rope_type 'default' turns every pair at its own rate; a partial_rotary_factor or a factor other than 1 needs 'proportional'")
        endif()
    elseif(NOT type STREQUAL "proportional")
        _carat_refuse("${entry_at}rope_type is '${type}', and carat knows default and proportional")
    endif()
    set(${out} "{.theta = ${theta}, .partial_rotary_factor = ${partial}, .factor = ${factor}}" PARENT_SCOPE)
endfunction()

# ---- the three parts and the whole

# The initializer of a LayerSet with the given layers.
function(_carat_layer_set out)
    foreach(word RANGE 3)
        set(word_${word} 0x0)
    endforeach()
    foreach(layer IN LISTS ARGN)
        math(EXPR word "${layer} / 64")
        math(EXPR word_${word} "${word_${word}} | (1 << (${layer} % 64))" OUTPUT_FORMAT HEXADECIMAL)
    endforeach()
    set(${out} "{{${word_0}, ${word_1}, ${word_2}, ${word_3}}}" PARENT_SCOPE)
endfunction()

# What the full layers have of their own: global_head_dim and num_global_key_value_heads, 0 if not given. Files say it
# with keys of these names, or, newer ones, with a map from a layer's number to what is different there, which wins.
function(_carat_full_layers out_head_dim out_kv_heads head_dim kv_heads k_eq_v)
    _carat_size(global_head_dim text global_head_dim 512)
    _carat_size(global_kv_heads text num_global_key_value_heads 0)
    _carat_get(map text per_layer_config OBJECT "an object")
    if(NOT map STREQUAL "")
        set(seen "")
        set(first "")
        string(JSON length LENGTH "${map}")
        set(i 0)
        while(i LESS length)
            string(JSON key MEMBER "${map}" ${i})
            math(EXPR i "${i} + 1")
            if(NOT key MATCHES "^[0-9]+$")
                _carat_refuse("text_config.per_layer_config has the key '${key}', expected the number of a layer")
            endif()
            string(REGEX REPLACE "^0+([0-9])" "\\1" layer "${key}")  # written 05 where there are more than ten
            set(map_at "text_config.per_layer_config.")
            _carat_get(entry map "${key}" OBJECT "an object")
            set(entry_at "text_config.per_layer_config.${key}.")
            string(JSON members LENGTH "${entry}")
            set(m 0)
            while(m LESS members)
                string(JSON name MEMBER "${entry}" ${m})
                math(EXPR m "${m} + 1")
                if(NOT name MATCHES "^(head_dim|num_key_value_heads)$")
                    _carat_refuse("${entry_at}${name}: carat lets layers differ in head_dim and num_key_value_heads only")
                endif()
            endwhile()
            _carat_size(own_head_dim entry head_dim ${head_dim})
            _carat_size(own_kv_heads entry num_key_value_heads ${kv_heads})
            if(NOT layer IN_LIST full_layers)
                if(own_head_dim EQUAL head_dim AND own_kv_heads EQUAL kv_heads)
                    continue()  # says nothing new
                endif()
                _carat_refuse("text_config.per_layer_config.${key}: layer ${layer} is no full_attention layer, and carat lets only those differ")
            endif()
            if(first STREQUAL "")
                set(first ${layer})
                set(full_head_dim ${own_head_dim})
                set(full_kv_heads ${own_kv_heads})
            endif()
            if(NOT own_head_dim EQUAL full_head_dim OR NOT own_kv_heads EQUAL full_kv_heads)
                _carat_refuse("text_config.per_layer_config: layers ${first} and ${layer} differ, and carat wants all full_attention layers alike")
            endif()
            list(APPEND seen ${layer})
        endwhile()

        if(first STREQUAL "")
            set(full_head_dim ${head_dim})
            set(full_kv_heads ${kv_heads})
        elseif(NOT full_head_dim EQUAL head_dim OR NOT full_kv_heads EQUAL kv_heads)
            foreach(layer IN LISTS full_layers)
                if(NOT layer IN_LIST seen)
                    _carat_refuse("text_config.per_layer_config: layers ${first} and ${layer} differ, and carat wants all full_attention layers alike")
                endif()
            endforeach()
        endif()
        set(global_head_dim ${full_head_dim})
        set(global_kv_heads 0)
        if(NOT full_kv_heads EQUAL kv_heads)
            if(NOT k_eq_v STREQUAL "true")
                _carat_refuse("text_config.per_layer_config changes num_key_value_heads, which carat knows with attention_k_eq_v only")
            endif()
            set(global_kv_heads ${full_kv_heads})
        endif()
    endif()
    set(${out_head_dim} ${global_head_dim} PARENT_SCOPE)
    set(${out_kv_heads} ${global_kv_heads} PARENT_SCOPE)
endfunction()

function(_carat_read_text out tied)
    _carat_no_bias(text)
    foreach(field
            "vocab_size 262144" "vocab_size_per_layer_input 262144" "hidden_size 2304"
            "hidden_size_per_layer_input 256" "intermediate_size 9216" "num_hidden_layers 30" "num_attention_heads 8"
            "num_key_value_heads 4" "head_dim 256" "sliding_window 512" "num_kv_shared_layers 0" "num_experts 0"
            "top_k_experts 0" "moe_intermediate_size 0" "max_position_embeddings 131072")
        string(REPLACE " " ";" field "${field}")
        list(GET field 0 key)
        list(GET field 1 default)
        _carat_size(${key} text ${key} ${default})
    endforeach()
    string(JSON window ERROR_VARIABLE missing TYPE "${text}" sliding_window)
    if(window STREQUAL "NULL")  # which means something that the default is not
        _carat_refuse("text_config.sliding_window is null, which is no window, but every Gemma 4 has one")
    endif()
    foreach(key attention_k_eq_v use_double_wide_mlp enable_moe_block)
        _carat_bool(${key} text ${key} false)
    endforeach()
    _carat_bool(tie_word_embeddings text tie_word_embeddings true)
    if(tied STREQUAL "false")
        set(tie_word_embeddings false)
    endif()
    _carat_activation(hidden_activation text hidden_activation gelu_tanh)
    _carat_number(rms_norm_eps text rms_norm_eps 1e-6)
    _carat_number(final_logit_softcapping text final_logit_softcapping 0.0)

    # Which layers are full: as listed, or every sixth; the last one always.
    if(num_hidden_layers EQUAL 0 OR num_hidden_layers GREATER 256)
        _carat_refuse("text_config.num_hidden_layers is ${num_hidden_layers}, expected 1 to 256")
    endif()
    math(EXPR last "${num_hidden_layers} - 1")
    set(full_layers "")
    _carat_get(layer_types text layer_types ARRAY "an array")
    if(NOT layer_types STREQUAL "")
        string(JSON length LENGTH "${layer_types}")
        if(NOT length EQUAL num_hidden_layers)
            _carat_refuse("text_config.layer_types has ${length} entries, expected num_hidden_layers, ${num_hidden_layers}")
        endif()
    endif()
    foreach(layer RANGE ${last})
        math(EXPR nth "(${layer} + 1) % 6")
        set(type sliding_attention)
        if(NOT layer_types STREQUAL "")
            string(JSON type GET "${layer_types}" ${layer})
        elseif(nth EQUAL 0)
            set(type full_attention)
        endif()
        if(type STREQUAL "full_attention" OR layer EQUAL last)
            list(APPEND full_layers ${layer})
        elseif(NOT type STREQUAL "sliding_attention")
            _carat_refuse("text_config.layer_types[${layer}] is '${type}', and carat knows sliding_attention and full_attention")
        endif()
    endforeach()
    _carat_layer_set(full_attention ${full_layers})
    _carat_full_layers(global_head_dim global_kv_heads ${head_dim} ${num_key_value_heads} ${attention_k_eq_v})

    _carat_get(bidirectional text use_bidirectional_attention STRING "\"vision\", \"all\" or null")
    if(bidirectional STREQUAL "")
        set(bidirectional none)
    elseif(NOT bidirectional MATCHES "^(vision|all)$")
        _carat_refuse("text_config.use_bidirectional_attention is '${bidirectional}', expected vision, all or null")
    endif()

    _carat_get(rope text rope_parameters OBJECT "an object")
    set(rope_at "text_config.rope_parameters.")
    if(NOT rope STREQUAL "")
        string(JSON length LENGTH "${rope}")
        _carat_type(sliding rope sliding_attention)
        _carat_type(full rope full_attention)
        if(length GREATER 0 AND sliding STREQUAL "" AND full STREQUAL "")
            _carat_refuse("text_config.rope_parameters has neither sliding_attention nor full_attention")
        endif()
    endif()
    _carat_rope(sliding_rope rope sliding_attention 10000.0 "{.theta = 10000.0}")
    _carat_rope(full_rope rope full_attention 1000000.0 "{.theta = 1000000.0, .partial_rotary_factor = 0.25}")

    _carat_id(pad_token_id text pad_token_id 0)
    _carat_id(bos_token_id text bos_token_id 2)
    _carat_type(type text eos_token_id)
    if(type STREQUAL "ARRAY")  # the first counts; a chat stops on those of generation_config.json
        string(JSON eos GET "${text}" eos_token_id)
        set(eos_at "text_config.eos_token_id.")
        _carat_id(eos_token_id eos 0 1)
    else()
        _carat_id(eos_token_id text eos_token_id 1)
    endif()

    set(${out} "    .text = {.vocab_size = ${vocab_size},
             .vocab_size_per_layer_input = ${vocab_size_per_layer_input},
             .hidden_size = ${hidden_size},
             .hidden_size_per_layer_input = ${hidden_size_per_layer_input},
             .intermediate_size = ${intermediate_size},
             .num_hidden_layers = ${num_hidden_layers},
             .num_attention_heads = ${num_attention_heads},
             .num_key_value_heads = ${num_key_value_heads},
             .num_global_key_value_heads = ${global_kv_heads},
             .head_dim = ${head_dim},
             .global_head_dim = ${global_head_dim},
             .full_attention = ${full_attention},
             .sliding_window = ${sliding_window},
             .num_kv_shared_layers = ${num_kv_shared_layers},
             .num_experts = ${num_experts},
             .top_k_experts = ${top_k_experts},
             .moe_intermediate_size = ${moe_intermediate_size},
             .max_position_embeddings = ${max_position_embeddings},
             .pad_token_id = ${pad_token_id},
             .eos_token_id = ${eos_token_id},
             .bos_token_id = ${bos_token_id},
             .attention_k_eq_v = ${attention_k_eq_v},
             .use_double_wide_mlp = ${use_double_wide_mlp},
             .enable_moe_block = ${enable_moe_block},
             .tie_word_embeddings = ${tie_word_embeddings},
             .hidden_activation = ${hidden_activation},
             .use_bidirectional_attention = Bidirectional::${bidirectional},
             .rms_norm_eps = ${rms_norm_eps},
             .final_logit_softcapping = ${final_logit_softcapping},
             .sliding_rope = ${sliding_rope},
             .full_rope = ${full_rope}},
" PARENT_SCOPE)
endfunction()

function(_carat_read_vision out)
    _carat_no_bias(vision)
    foreach(field
            "hidden_size 768" "intermediate_size 3072" "num_hidden_layers 16" "num_attention_heads 12"
            "num_key_value_heads 12" "head_dim 64" "patch_size 16" "pooling_kernel_size 3"
            "position_embedding_size 10240" "default_output_length 280")
        string(REPLACE " " ";" field "${field}")
        list(GET field 0 key)
        list(GET field 1 default)
        _carat_size(${key} vision ${key} ${default})
    endforeach()
    _carat_bool(use_clipped_linears vision use_clipped_linears false)
    _carat_bool(standardize vision standardize false)
    _carat_activation(hidden_activation vision hidden_activation gelu_tanh)
    _carat_number(rms_norm_eps vision rms_norm_eps 1e-6)
    _carat_get(rope vision rope_parameters OBJECT "an object")
    set(rope_at "vision_config.rope_parameters.")
    _carat_number(rope_theta rope rope_theta 100.0)
    _carat_get(rope_type rope rope_type STRING "the name of a kind of rotary embedding")
    if(NOT rope_type MATCHES "^(default|axial)?$")
        _carat_refuse("${rope_at}rope_type is '${rope_type}', and carat knows axial (also written default)")
    endif()
    set(${out} "    .vision = {.hidden_size = ${hidden_size},
               .intermediate_size = ${intermediate_size},
               .num_hidden_layers = ${num_hidden_layers},
               .num_attention_heads = ${num_attention_heads},
               .num_key_value_heads = ${num_key_value_heads},
               .head_dim = ${head_dim},
               .patch_size = ${patch_size},
               .pooling_kernel_size = ${pooling_kernel_size},
               .position_embedding_size = ${position_embedding_size},
               .default_output_length = ${default_output_length},
               .use_clipped_linears = ${use_clipped_linears},
               .standardize = ${standardize},
               .hidden_activation = ${hidden_activation},
               .rms_norm_eps = ${rms_norm_eps},
               .rope_theta = ${rope_theta}},
" PARENT_SCOPE)
endfunction()

function(_carat_read_audio out)
    foreach(field
            "hidden_size 1024" "num_hidden_layers 12" "num_attention_heads 8" "conv_kernel_size 5"
            "attention_chunk_size 12" "attention_context_left 13" "attention_context_right 0" "output_proj_dims 1536")
        string(REPLACE " " ";" field "${field}")
        list(GET field 0 key)
        list(GET field 1 default)
        _carat_size(${key} audio ${key} ${default})
    endforeach()
    _carat_get(channels audio subsampling_conv_channels ARRAY "an array")
    set(channels_at "audio_config.subsampling_conv_channels.")
    if(channels STREQUAL "")
        set(channels "[128, 32]")
    endif()
    string(JSON length LENGTH "${channels}")
    if(NOT length EQUAL 2)
        _carat_refuse("audio_config.subsampling_conv_channels has ${length} entries, expected 2")
    endif()
    _carat_size(channels_0 channels 0 128)
    _carat_size(channels_1 channels 1 32)
    _carat_bool(use_clipped_linears audio use_clipped_linears true)
    _carat_activation(hidden_act audio hidden_act silu)
    _carat_number(residual_weight audio residual_weight 0.5)
    _carat_number(attention_logit_cap audio attention_logit_cap 50.0)
    _carat_number(attention_invalid_logits_value audio attention_invalid_logits_value -1e9)
    _carat_number(gradient_clipping audio gradient_clipping 1e10)
    _carat_number(rms_norm_eps audio rms_norm_eps 1e-6)
    set(${out} "    .audio = {.hidden_size = ${hidden_size},
              .num_hidden_layers = ${num_hidden_layers},
              .num_attention_heads = ${num_attention_heads},
              .subsampling_conv_channels = {${channels_0}, ${channels_1}},
              .conv_kernel_size = ${conv_kernel_size},
              .attention_chunk_size = ${attention_chunk_size},
              .attention_context_left = ${attention_context_left},
              .attention_context_right = ${attention_context_right},
              .output_proj_dims = ${output_proj_dims},
              .use_clipped_linears = ${use_clipped_linears},
              .hidden_act = ${hidden_act},
              .residual_weight = ${residual_weight},
              .attention_logit_cap = ${attention_logit_cap},
              .attention_invalid_logits_value = ${attention_invalid_logits_value},
              .gradient_clipping = ${gradient_clipping},
              .rms_norm_eps = ${rms_norm_eps}},
" PARENT_SCOPE)
endfunction()

# The config.json that a GGUF file, or the one in a folder, stands for: printed by a program of carat's own, which is
# built once. CMake runs again when a file that it has read changes.
function(_carat_gguf_config out file)
    if(CMAKE_CROSSCOMPILING)
        _carat_refuse("a GGUF file is read by a program that must run here; write its config.json for CONFIG instead")
    endif()
    set(folder "${CMAKE_CURRENT_FUNCTION_LIST_DIR}")
    set(program_source "${folder}/gguf_config.cpp")
    find_path(CARAT_INCLUDE_DIR carat/format/gguf.hpp HINTS
        "${folder}/../include" "${folder}/../../include" "${folder}/../../../include" NO_CACHE)
    set(program "${CMAKE_BINARY_DIR}/carat_gguf_config${CMAKE_EXECUTABLE_SUFFIX}")
    set(headers "${CARAT_INCLUDE_DIR}/carat")
    file(GLOB sources
        "${headers}/*.hpp" "${headers}/base/*.hpp" "${headers}/config/*.hpp" "${headers}/format/*.hpp"
        "${headers}/tensor/*.hpp" "${headers}/checkpoint/*.hpp" "${headers}/checkpoint/*/*.hpp")
    foreach(source IN LISTS sources program_source)
        if("${source}" IS_NEWER_THAN "${program}")
            file(REMOVE "${program}")
        endif()
    endforeach()
    if(NOT EXISTS "${program}")
        try_compile(built "${CMAKE_BINARY_DIR}/carat_gguf_config.dir" SOURCES "${program_source}"
            CMAKE_FLAGS "-DINCLUDE_DIRECTORIES=${CARAT_INCLUDE_DIR};${CARAT_RAPIDJSON_DIR}"
            CXX_STANDARD 20 CXX_STANDARD_REQUIRED ON OUTPUT_VARIABLE log COPY_FILE "${program}")
        if(NOT built)
            message(FATAL_ERROR "carat: the program that reads GGUF files does not build:\n${log}")
        endif()
    endif()
    execute_process(COMMAND "${program}" "${file}" RESULT_VARIABLE result OUTPUT_VARIABLE json ERROR_VARIABLE said)
    string(STRIP "${said}" said)
    if(NOT result EQUAL 0)
        message(FATAL_ERROR "carat: ${said}")
    endif()
    string(REPLACE "\n" ";" files "${said}")
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${files})
    set(${out} "${json}" PARENT_SCOPE)
endfunction()

# The text of a config.json, which must be an object, and its model_type.
function(_carat_read_root out file what)
    if(NOT EXISTS "${file}" OR IS_DIRECTORY "${file}")
        message(FATAL_ERROR "carat: ${file}: no such file; expected the config.json of ${what}")
    endif()
    file(READ "${file}" root)
    set(${out} "${root}" PARENT_SCOPE)
endfunction()
function(_carat_model_type out root)
    set(root_at "")
    string(JSON type ERROR_VARIABLE error TYPE "${root}")
    if(error OR NOT type STREQUAL "OBJECT")
        string(REGEX REPLACE "[\n ]+" " " error "${error}")
        _carat_refuse("not a JSON object: ${error}")
    endif()
    _carat_get(model_type root model_type STRING "the name of a model type")
    set(${out} "${model_type}" PARENT_SCOPE)
endfunction()

# The initializer of a DrafterConfig: of the config.json of an assistant.
function(_carat_read_drafter out file)
    _carat_read_root(root "${file}" "the assistant of a Gemma 4")
    _carat_model_type(model_type "${root}")
    if(NOT model_type STREQUAL "gemma4_assistant")
        _carat_refuse("model_type is '${model_type}', expected gemma4_assistant")
    endif()
    set(root_at "")
    _carat_get(text root text_config OBJECT "an object")
    if(text STREQUAL "")
        _carat_refuse("text_config is missing")
    endif()
    set(text_at "text_config.")
    _carat_bool(tied root tie_word_embeddings true)
    _carat_read_text(config ${tied})
    _carat_size(backbone root backbone_hidden_size 0)
    _carat_bool(ordered root use_ordered_embeddings false)
    _carat_size(centroids root num_centroids 2048)
    _carat_size(top_k root centroid_intermediate_top_k 32)
    if(NOT ordered STREQUAL "true")
        set(centroids 0)
    elseif(centroids EQUAL 0)
        _carat_refuse("num_centroids is 0, but use_ordered_embeddings is true")
    endif()
    string(APPEND config "    .backbone_hidden_size = ${backbone},\n    .num_centroids = ${centroids},\n"
        "    .centroid_intermediate_top_k = ${top_k}")
    set(${out} "${config}" PARENT_SCOPE)
endfunction()

# The initializer of a ModelConfig: of a config.json, and of its text, which stands in `file`.
function(_carat_read_config out file)
    _carat_read_root(root "${file}" "a Gemma 4 checkpoint")
    _carat_config_of(config "${root}")
    set(${out} "${config}" PARENT_SCOPE)
endfunction()
function(_carat_config_of out root)
    _carat_model_type(model_type "${root}")
    set(root_at "")
    if(model_type STREQUAL "gemma4_text")
        set(text "${root}")
        set(text_at "")
        set(multimodal false)
    elseif(model_type STREQUAL "gemma4")
        _carat_get(text root text_config OBJECT "an object")
        if(text STREQUAL "")
            _carat_refuse("text_config is missing")
        endif()
        set(text_at "text_config.")
        set(multimodal true)
    else()
        _carat_refuse("model_type is '${model_type}', expected gemma4 or gemma4_text")
    endif()

    _carat_bool(tied root tie_word_embeddings true)
    _carat_read_text(config ${tied})
    if(multimodal)
        _carat_get(vision root vision_config OBJECT "an object or null")
        set(vision_at "vision_config.")
        if(NOT vision STREQUAL "")
            _carat_read_vision(part)
            string(APPEND config "${part}")
        endif()
        _carat_get(audio root audio_config OBJECT "an object or null")
        set(audio_at "audio_config.")
        if(NOT audio STREQUAL "")
            _carat_read_audio(part)
            string(APPEND config "${part}")
        endif()
        _carat_id(image root image_token_id 258880)
        _carat_id(video root video_token_id 258884)
        _carat_id(audio_id root audio_token_id 258881)
        _carat_id(boi root boi_token_id 255999)
        _carat_id(eoi root eoi_token_id 258882)
        _carat_id(boa root boa_token_id 256000)
        _carat_id(eoa root eoa_token_id 258883)
        _carat_id(eoa root eoa_token_index ${eoa})  # the name in the published files
        string(APPEND config "    .tokens = {.image = ${image}, .video = ${video}, .audio = ${audio_id}, "
            ".boi = ${boi}, .eoi = ${eoi}, .boa = ${boa}, .eoa = ${eoa}},\n")
    endif()
    string(APPEND config "    .multimodal = ${multimodal}")
    set(${out} "${config}" PARENT_SCOPE)
endfunction()

# Whether a model is a GGUF file, or a folder that has one and no config.json.
function(_carat_is_gguf out model)
    file(GLOB in_folder "${model}/*.[gG][gG][uU][fF]")
    if(model MATCHES "\\.[gG][gG][uU][fF]$" OR (in_folder AND NOT EXISTS "${model}/config.json"))
        set(${out} TRUE PARENT_SCOPE)
    else()
        set(${out} FALSE PARENT_SCOPE)
    endif()
endfunction()

# carat_stored_weights(<folder> <variable>): the weight format of a checkpoint, f32, bf16 or f16, out of the header of its
# safetensors file (of the first shard), or any that a packed file says it has; bf16, as the published ones are, where there
# is no weight file yet.
function(carat_stored_weights folder variable)
    set(${variable} bf16 PARENT_SCOPE)
    if(EXISTS "${folder}/model.carat")  # a packed checkpoint says it in words
        file(STRINGS "${folder}/model.carat" words LIMIT_INPUT 4096 REGEX "linear ")
        if(words MATCHES "linear ([A-Z0-9_]+), embedding")
            string(TOLOWER "${CMAKE_MATCH_1}" format)
            set(${variable} "${format}" PARENT_SCOPE)
        endif()
        set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${folder}/model.carat")
        return()
    endif()
    set(file "${folder}/model.safetensors")
    if(NOT EXISTS "${file}")
        file(GLOB shards "${folder}/model-00001-of-*.safetensors")
        if(NOT shards)
            return()
        endif()
        list(GET shards 0 file)
    endif()
    # The header is JSON behind its length; projections are the bulk of a model, and all of one type.
    file(STRINGS "${file}" header LIMIT_INPUT 4000000 LIMIT_COUNT 1 REGEX "_proj.weight\"")
    if(header MATCHES "q_proj.weight\" *: *{[^}]*\"dtype\" *: *\"(F32|BF16|F16)\"")
        string(TOLOWER "${CMAKE_MATCH_1}" format)
        set(${variable} "${format}" PARENT_SCOPE)
    endif()
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${file}")
endfunction()

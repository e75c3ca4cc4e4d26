# Every file that carat_add_model cannot follow is refused with a sentence that names the file and the key. Run with
# -DROOT=<repository> -DSCRATCH=<folder>; with -DFILE=<json> it reads one file and nothing else, with -DDRAFTER=ON as
# that of an assistant.
cmake_minimum_required(VERSION 3.25)
include("${ROOT}/cmake/CaratAddModel.cmake")
if(DEFINED FILE)
    if(DRAFTER)
        _carat_read_drafter(config "${FILE}")
    else()
        _carat_read_config(config "${FILE}")
    endif()
    return()
endif()

file(MAKE_DIRECTORY "${SCRATCH}")
set(failures "")
# expect(<name> <json> <regular expression> [ON, for an assistant])
function(expect name json expected)
    file(WRITE "${SCRATCH}/${name}.json" "${json}")
    execute_process(COMMAND "${CMAKE_COMMAND}" "-DROOT=${ROOT}" "-DFILE=${SCRATCH}/${name}.json"
        "-DDRAFTER=${ARGN}" -P "${ROOT}/tests/cmake/refusals.cmake" RESULT_VARIABLE result ERROR_VARIABLE output)
    string(REGEX REPLACE "[ \n]+" " " output "${output}")  # CMake wraps its lines
    if(result EQUAL 0)
        message(SEND_ERROR "carat: ${name} was accepted, expected '${expected}'")
    elseif(NOT output MATCHES "${expected}" OR NOT output MATCHES "${name}\\.json")
        message(SEND_ERROR "carat: ${name} was refused in other words than '${expected}': ${output}")
    endif()
endfunction()
# expect_text(<name> <members of text_config> <regular expression>)
function(expect_text name members expected)
    expect(${name} "{\"model_type\": \"gemma4\", \"text_config\": {${members}}}" "${expected}")
endfunction()

expect(empty "" "not a JSON object")
expect(broken "{\"model_type\": " "not a JSON object")
expect(list "[1, 2]" "not a JSON object")
expect(other_model "{\"model_type\": \"llama\"}" "model_type is 'llama', expected gemma4 or gemma4_text")
expect(no_model "{}" "model_type is '', expected gemma4")
expect(drafter "{\"model_type\": \"gemma4_assistant\", \"text_config\": {}}" "model_type is 'gemma4_assistant'")
expect(model_as_drafter "{\"model_type\": \"gemma4\", \"text_config\": {}}" "model_type is 'gemma4', expected gemma4_assistant" ON)
expect(drafter_no_text "{\"model_type\": \"gemma4_assistant\"}" "text_config is missing" ON)
expect(drafter_ordered "{\"model_type\": \"gemma4_assistant\", \"text_config\": {}, \"use_ordered_embeddings\": 1}"
    "use_ordered_embeddings is of type number, expected true or false" ON)
expect(drafter_centroids "{\"model_type\": \"gemma4_assistant\", \"text_config\": {}, \"use_ordered_embeddings\": true, \"num_centroids\": 0}"
    "num_centroids is 0, but use_ordered_embeddings is true" ON)
expect(no_text "{\"model_type\": \"gemma4\"}" "text_config is missing")
expect(text_is_number "{\"model_type\": \"gemma4\", \"text_config\": 3}" "text_config is of type number, expected an object")
expect(vision_is_list "{\"model_type\": \"gemma4\", \"text_config\": {}, \"vision_config\": []}"
    "vision_config is of type array, expected an object or null")
expect(channels "{\"model_type\": \"gemma4\", \"text_config\": {}, \"audio_config\": {\"subsampling_conv_channels\": [1]}}"
    "subsampling_conv_channels has 1 entries, expected 2")
expect(vision_rope "{\"model_type\": \"gemma4\", \"text_config\": {}, \"vision_config\": {\"rope_parameters\": {\"rope_type\": \"yarn\"}}}"
    "vision_config.rope_parameters.rope_type is 'yarn'")
expect(token_is_text "{\"model_type\": \"gemma4\", \"text_config\": {}, \"image_token_id\": \"<image>\"}"
    "image_token_id is of type string, expected a token id")

expect_text(size_is_string "\"hidden_size\": \"1536\"" "text_config.hidden_size is of type string, expected a whole number")
expect_text(size_is_fraction "\"hidden_size\": 1.5" "text_config.hidden_size is 1.5, expected a whole number")
expect_text(size_is_negative "\"head_dim\": -2" "text_config.head_dim is -2, expected a whole number, not negative")
expect_text(size_is_huge "\"vocab_size\": 99999999999999999999" "text_config.vocab_size is 1e\\+20, expected a whole number")
expect_text(size_is_large "\"vocab_size\": 4294967296" "text_config.vocab_size is 4294967296, expected at most 2147483647")
expect_text(bool_is_number "\"enable_moe_block\": 1" "text_config.enable_moe_block is of type number, expected true or false")
expect_text(eps_is_string "\"rms_norm_eps\": \"small\"" "text_config.rms_norm_eps is of type string, expected a number")
expect_text(no_window "\"sliding_window\": null" "text_config.sliding_window is null, which is no window")
expect_text(bias "\"attention_bias\": true" "attention_bias is true, and no Gemma 4 has biases")
expect_text(activation "\"hidden_activation\": \"swiglu\""
    "hidden_activation is 'swiglu', and carat knows gelu_pytorch_tanh, gelu, silu and relu")
expect_text(bidirectional "\"use_bidirectional_attention\": \"audio\"" "is 'audio', expected vision, all or null")
expect_text(layers_short "\"num_hidden_layers\": 2, \"layer_types\": [\"full_attention\"]"
    "layer_types has 1 entries, expected num_hidden_layers, 2")
expect_text(layers_unknown "\"num_hidden_layers\": 2, \"layer_types\": [\"chunked_attention\", \"full_attention\"]"
    "layer_types.0. is 'chunked_attention'")
expect_text(layers_many "\"num_hidden_layers\": 257" "num_hidden_layers is 257, expected 1 to 256")
expect_text(rope_flat "\"rope_parameters\": {\"rope_theta\": 10000}" "rope_parameters has neither")
expect_text(rope_unknown "\"rope_parameters\": {\"full_attention\": {\"rope_type\": \"yarn\"}}"
    "rope_parameters.full_attention.rope_type is 'yarn', and carat knows default and proportional")

set(six "\"num_hidden_layers\": 12, \"head_dim\": 16, \"num_key_value_heads\": 4")
expect_text(override_sliding "${six}, \"per_layer_config\": {\"3\": {\"head_dim\": 32}}" "layer 3 is no full_attention layer")
expect_text(override_uneven "${six}, \"per_layer_config\": {\"05\": {\"head_dim\": 32}, \"11\": {\"head_dim\": 64}}"
    "layers 5 and 11 differ")
expect_text(override_half "${six}, \"per_layer_config\": {\"05\": {\"head_dim\": 32}}" "layers 5 and 11 differ")
expect_text(override_heads "${six}, \"per_layer_config\": {\"5\": {\"num_key_value_heads\": 2}, \"11\": {\"num_key_value_heads\": 2}}"
    "changes num_key_value_heads, which carat knows with attention_k_eq_v only")
expect_text(override_other "${six}, \"per_layer_config\": {\"5\": {\"hidden_size\": 2}}"
    "per_layer_config.5.hidden_size: carat lets layers differ in head_dim and num_key_value_heads only")
expect_text(override_name "${six}, \"per_layer_config\": {\"full\": {}}" "has the key 'full', expected the number of a layer")

#include "carat/checkpoint/config/config_json.hpp"

#include "carat/checkpoint/config/config_difference.hpp"
#include "carat/config/presets.hpp"
#include "carat/format/json_writer.hpp"
#include "support/files.hpp"

#if __has_include(<carat/models/e2b_mini.hpp>)  // written by carat_add_model
#include <carat/models/a4b_mini.hpp>
#include <carat/models/e2b_mini.hpp>
#include <carat/models/e4b_mini.hpp>
#include <carat/models/gemma4_31b_mini.hpp>
#include <carat/models/pocket.hpp>
#endif

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <string>

using namespace carat;
using namespace carat::test;

namespace {

ModelConfig config_of(const std::string& path) {
    const auto config = read_config(read_text(path), path);
    REQUIRE_MESSAGE(config, config.error().text);
    return *config;
}
std::string error_of(const std::string& json) {
    const auto config = read_config(json, "c");
    return config ? "no error" : config.error().text;
}
/// A gemma4 file whose text_config has these members before all others.
std::string with_text(const std::string& members) {
    return R"({"model_type":"gemma4","text_config":{)" + members + "}}";
}
TextConfig text_of(const std::string& members) {
    const auto config = read_config(with_text(members), "c");
    REQUIRE_MESSAGE(config, config.error().text);
    return config->text;
}
std::string text_error_of(const std::string& members) { return error_of(with_text(members)); }

/// A config.json with one member replaced, or added; `part` is the object it is in, "" for the top.
std::string replaced(const std::string& json, const std::string& part, const char* key,
                     const char* value) {
    auto tree = parse_json(json, "fixture");
    auto with = parse_json(value, "value");
    REQUIRE(tree);
    REQUIRE(with);
    JsonValue* object = &*tree;
    for (std::size_t at = 0; at < part.size();) {
        const std::size_t dot = std::min(part.find('.', at), part.size());
        object = &(*object)[part.substr(at, dot - at).c_str()];
        at = dot + 1;
    }
    object->RemoveMember(key);
    object->AddMember(JsonValue(key, tree->GetAllocator()), JsonValue(*with, tree->GetAllocator()),
                      tree->GetAllocator());
    JsonWriter writer;
    writer.value(*tree);
    return std::string(writer.text());
}

}  // namespace

TEST_CASE("both layouts of every fixture are one config") {
    for (const char* model : {"e2b-mini", "e4b-mini", "31b-mini", "a4b-mini"}) {
        CAPTURE(model);
        const ModelConfig published = config_of(fixtures + model + "/config.json");
        const ModelConfig saved = config_of(fixtures + model + "/config_as_saved_by_5.17.json");
        CHECK(published == saved);
        CHECK_MESSAGE(describe_difference(published, saved).empty(),
                      describe_difference(published, saved));
    }
}

#if __has_include(<carat/models/e2b_mini.hpp>)
TEST_CASE("what carat_add_model compiles in is what is read here") {
    CHECK(config_of(fixtures + "e2b-mini/config.json") == models::e2b_mini);
    CHECK(config_of(fixtures + "e4b-mini/config.json") == models::e4b_mini);
    CHECK(config_of(fixtures + "a4b-mini/config.json") == models::a4b_mini);
    CHECK(config_of(fixtures + "31b-mini/config.json") == models::gemma4_31b_mini);
    CHECK(config_of(pocket + "config.json") == models::pocket);
}
#endif

TEST_CASE("the published files are the presets") {
    const std::string published = CARAT_SOURCE_DIR "/tests/cmake/published/";
    CHECK(config_of(published + "e2b.json") == presets::e2b);
    CHECK(config_of(published + "e4b.json") == presets::e4b);
    CHECK(config_of(published + "31b.json") == presets::gemma4_31b);
    CHECK(config_of(published + "26b_a4b.json") == presets::gemma4_26b_a4b);
}

TEST_CASE("a fixture is read field by field") {
    const ModelConfig c = config_of(fixtures + "a4b-mini/config.json");
    CHECK(c.multimodal);
    CHECK(c.text.hidden_size == 64);
    CHECK(c.text.intermediate_size == 56);
    CHECK(c.text.num_hidden_layers == 6);
    CHECK(c.text.full_attention == every_nth(6, 6));
    CHECK(c.text.num_attention_heads == 4);
    CHECK(c.text.num_key_value_heads == 2);
    CHECK(c.text.num_global_key_value_heads == 1);
    CHECK(c.text.head_dim == 16);
    CHECK(c.text.global_head_dim == 32);
    CHECK(c.text.sliding_window == 16);
    CHECK(c.text.num_experts == 8);
    CHECK(c.text.top_k_experts == 2);
    CHECK(c.text.moe_intermediate_size == 24);
    CHECK(c.text.enable_moe_block);
    CHECK(c.text.attention_k_eq_v);
    CHECK(c.text.use_bidirectional_attention == Bidirectional::vision);
    CHECK(c.text.final_logit_softcapping == 30.0);
    CHECK(c.text.hidden_size_per_layer_input == 0);
    CHECK(c.text.vocab_size_per_layer_input == 512);
    CHECK(c.text.full_rope == RopeParameters{1e6, 0.25, 1.0});
    CHECK(c.text.sliding_rope == RopeParameters{1e4, 1.0, 1.0});
    CHECK(c.tokens == MediaTokens{9, 13, 12, 7, 8, 10, 11});
    CHECK_FALSE(c.audio.present());
    CHECK(c.vision.num_hidden_layers == 2);
    CHECK(c.vision.hidden_size == 48);
    CHECK(c.vision.head_dim == 16);
    CHECK(c.vision.position_embedding_size == 896);
    CHECK(c.vision.standardize);
    CHECK_FALSE(c.vision.use_clipped_linears);
    CHECK(c.vision.rope_theta == 100.0);

    const ModelConfig p = config_of(pocket + "config.json");
    CHECK(p.text.num_hidden_layers == 10);
    CHECK(p.text.full_attention == every_nth(5, 10));
    CHECK(p.text.use_double_wide_mlp);
    CHECK(p.audio.num_hidden_layers == 3);
    CHECK(p.audio.subsampling_conv_channels == std::array<std::size_t, 2>{128, 16});
    CHECK(p.audio.output_proj_dims == 256);
    CHECK(p.tokens.eoa == 21);
    CHECK(p.vision.default_output_length == 280);
}

TEST_CASE("a file that says nothing has the defaults of the specification") {
    const TextConfig c = text_of("");
    CHECK(c == TextConfig{});
    const auto bare = read_config(R"({"model_type":"gemma4_text","num_hidden_layers":12,)"
                                  R"("head_dim":null,"eos_token_id":[7,8]})",
                                  "c");
    REQUIRE(bare);
    CHECK_FALSE(bare->multimodal);
    CHECK(bare->text.num_hidden_layers == 12);
    CHECK(bare->text.full_attention == every_nth(6, 12));
    CHECK(bare->text.head_dim == 256);
    CHECK(bare->text.eos_token_id == 7);
    CHECK_FALSE(bare->vision.present());
    const auto towers = read_config(
        R"({"model_type":"gemma4","text_config":{},"vision_config":{},"audio_config":{}})", "c");
    REQUIRE(towers);
    CHECK(towers->vision.num_hidden_layers == 16);
    CHECK(towers->audio.num_hidden_layers == 12);
}

TEST_CASE("the last layer is full whatever layer_types says") {
    const TextConfig c = text_of(R"("num_hidden_layers":3,"layer_types":)"
                                 R"(["full_attention","sliding_attention","sliding_attention"])");
    CHECK(c.full_attention.contains(0));
    CHECK_FALSE(c.full_attention.contains(1));
    CHECK(c.full_attention.contains(2));
    CHECK(text_of(R"("num_hidden_layers":4)").full_attention == every_nth(4, 4));
}

TEST_CASE("the window stays as the file has it, also where attention is bidirectional") {
    const TextConfig c = text_of(R"("use_bidirectional_attention":"all","sliding_window":512)");
    CHECK(c.use_bidirectional_attention == Bidirectional::all);
    CHECK(c.sliding_window == 512);
}

TEST_CASE("per_layer_config wins over the global keys, and says one thing of all full layers") {
    const std::string shape = R"("num_hidden_layers":12,"head_dim":64,"global_head_dim":128,)"
                              R"("num_global_key_value_heads":2,"attention_k_eq_v":true,)";
    const auto with = [&](const std::string& map) { return shape + "\"per_layer_config\":" + map; };
    CHECK(text_of(with("null")).global_head_dim == 128);
    TextConfig c = text_of(with(R"({"05":{"head_dim":96,"num_key_value_heads":1},)"
                                R"("11":{"num_key_value_heads":1,"head_dim":96}})"));
    CHECK(c.global_head_dim == 96);
    CHECK(c.num_global_key_value_heads == 1);
    c = text_of(with("{}"));
    CHECK(c.global_head_dim == 64);
    CHECK(c.num_global_key_value_heads == 0);
    c = text_of(with(R"({"0":{},"5":{"num_key_value_heads":4},"11":{"num_key_value_heads":4,)"
                     R"("head_dim":null}})"));
    CHECK(c.global_head_dim == 64);
    CHECK(c.num_global_key_value_heads == 0);  // the same as the others
    c = text_of(with(R"({"5":{"num_key_value_heads":8},"11":{"num_key_value_heads":8}})"));
    CHECK(c.num_global_key_value_heads == 8);

    c = text_of(
        with(R"({"0":{"head_dim":64},"5":{"num_key_value_heads":4}})"));  // says nothing new
    CHECK(c.global_head_dim == 64);
    CHECK(c.num_global_key_value_heads == 0);
    CHECK(contains(text_error_of(with(R"({"5":{"head_dim":96}})")),
                   "gives full_attention layer 5 other values than layer 11"));
    CHECK(contains(text_error_of(with(R"({"5":{"head_dim":96},"11":{"head_dim":98}})")),
                   "gives full_attention layer 5 other values than layer 11"));
    CHECK(contains(
        text_error_of(with(R"({"4":{"head_dim":96},"5":{"head_dim":96},"11":{"head_dim":96}})")),
        "overrides sliding_attention layer 4"));
    CHECK(
        contains(text_error_of(R"("per_layer_config":{"29":{"num_key_value_heads":2},)"
                               R"("5":{"num_key_value_heads":2},"11":{"num_key_value_heads":2},)"
                               R"("17":{"num_key_value_heads":2},"23":{"num_key_value_heads":2}})"),
                 "with attention_k_eq_v only"));
    CHECK(contains(text_error_of(with(R"({"12":{}})")),
                   "text_config.per_layer_config.12 is no layer of this model, expected numbers "
                   "below 12"));
    for (const char* key : {"", "x", "-1", "1 ", "99999999999999999999", "5.0"})
        CHECK(contains(text_error_of(with("{\"" + std::string(key) + "\":{}}")), "is no layer"));
    CHECK(contains(text_error_of(with(R"({"5":7})")), "per_layer_config.5 is 7, expected an"));
    CHECK(contains(text_error_of(with(R"({"5":{"head_dim":"x"}})")),
                   "text_config.per_layer_config.5.head_dim is \"x\""));
    CHECK(contains(text_error_of(with(R"({"5":{"intermediate_size":3}})")),
                   "per_layer_config.5.intermediate_size differs from layer to layer"));
    CHECK(contains(text_error_of(with("[]")), "per_layer_config is a list of 0"));
}

TEST_CASE("rope parameters that carat does not compute are refused") {
    const auto rope = [](const std::string& full) {
        return R"("rope_parameters":{"full_attention":)" + full + "}";
    };
    TextConfig c = text_of(rope(R"({"rope_type":"proportional","rope_theta":5e5,"factor":8})"));
    CHECK(c.full_rope == RopeParameters{5e5, 1.0, 8.0});
    CHECK(c.sliding_rope == RopeParameters{1e4, 1.0, 1.0});
    CHECK(contains(text_error_of(rope(R"({"partial_rotary_factor":0.25})")), "rope_type is"));
    CHECK(
        text_of(R"("rope_parameters":{"sliding_attention":{},"full_attention":null})").full_rope ==
        RopeParameters{1e6, 0.25, 1.0});
    CHECK(text_of(rope(R"({"rope_type":"default"})")).full_rope == RopeParameters{1e6, 1.0, 1.0});
    CHECK(contains(text_error_of(rope(R"({"rope_type":"yarn"})")),
                   "text_config.rope_parameters.full_attention.rope_type is \"yarn\", expected one "
                   "of default, proportional"));
    CHECK(contains(text_error_of(rope(R"({"rope_type":"default","partial_rotary_factor":0.5})")),
                   "expected \"proportional\""));
    CHECK(contains(text_error_of(rope(R"({"rope_theta":-1})")), "rope_theta > 0"));
    CHECK(contains(text_error_of(rope("3")), "full_attention is 3, expected an object"));
    CHECK(contains(text_error_of(R"("rope_parameters":[])"), "rope_parameters is a list of 0"));
}

TEST_CASE("what is no Gemma 4 is refused in a sentence") {
    CHECK(contains(error_of(R"({"model_type":"gemma3","text_config":{}})"),
                   "c: model_type is \"gemma3\", expected one of gemma4, gemma4_text"));
    CHECK(contains(error_of("{}"), "model_type is missing, expected one of"));
    CHECK(contains(error_of(R"({"model_type":7})"), "model_type is 7"));
    CHECK(contains(error_of(R"({"model_type":"gemma4"})"), "text_config is missing"));
    CHECK(contains(error_of(R"({"model_type":"gemma4","text_config":null})"), "is missing"));
    CHECK(contains(error_of("[]"), "c: is an array, expected an object"));
    CHECK(contains(error_of("{"), "not JSON"));
    CHECK(contains(text_error_of(R"("attention_bias":true)"), "attention_bias is true, but no"));
    CHECK(contains(text_error_of(R"("sliding_window":null)"),
                   "c: text_config.sliding_window is null, which is no window, but every Gemma 4 "
                   "has one: expected a whole number from 1"));
    CHECK(contains(text_error_of(R"("hidden_activation":"swish")"), "\"swish\", expected one of"));
    CHECK(contains(text_error_of(R"("tie_word_embeddings":false)"), "tie_word_embeddings must be"));
    CHECK(contains(error_of(R"({"model_type":"gemma4","text_config":{},)"
                            R"("tie_word_embeddings":false})"),
                   "tie_word_embeddings must be"));
    CHECK(contains(text_error_of(R"("num_attention_heads":7)"),
                   "c: num_attention_heads must be a multiple of num_key_value_heads"));
    CHECK(contains(text_error_of(R"("num_hidden_layers":2147483647)"), "between 1 and 256"));
    CHECK(contains(text_error_of(R"("num_hidden_layers":0)"), "between 1 and 256"));
    CHECK(contains(text_error_of(R"("layer_types":["full_attention"])"),
                   "layer_types is a list of 1, expected a list of num_hidden_layers = 30"));
    CHECK(contains(text_error_of(R"("num_hidden_layers":1,"layer_types":["linear"])"),
                   "layer_types[0] is \"linear\""));
    CHECK(contains(text_error_of(R"("eos_token_id":[])"), "eos_token_id is a list of 0"));
    CHECK(contains(text_error_of(R"("eos_token_id":["x"])"), "eos_token_id[0] is \"x\""));
    CHECK(contains(text_error_of(R"("rms_norm_eps":1e999)"), "not JSON"));
    CHECK(contains(text_error_of(R"("rms_norm_eps":NaN)"), "not JSON"));
    CHECK(contains(text_error_of(R"("rms_norm_eps":0)"), "rms_norm_eps must be positive"));
    CHECK(contains(text_error_of(R"("use_bidirectional_attention":true)"), "one of vision, all"));
    CHECK(contains(text_error_of(R"("rope_parameters":{"rope_theta":1})"),
                   "expected an object of sliding_attention and full_attention"));
    CHECK(
        contains(text_error_of(R"("head_dim":-1,"vocab_size":1.5,"sliding_window":"x")"),
                 "c: text_config.vocab_size is 1.5, expected a whole number from 0 to 2147483647\n"
                 "c: text_config.head_dim is -1, expected a whole number from 0 to 2147483647\n"
                 "c: text_config.sliding_window is \"x\", expected a whole number from"));
}

TEST_CASE("a value of the wrong type is an error that names its key, for every key that is read") {
    const std::string json = read_text(fixtures + "e2b-mini/config.json");
    std::size_t errors = 0;
    const auto check = [&](const std::string& part, const std::string& key,
                           std::string_view may_be = "") {
        CAPTURE(part);
        CAPTURE(key);
        for (const char* value : {"\"\\u0000strange\"", "[[]]", "[1,2,3,4,5,6,7]", "{\"a\":{}}",
                                  "-3", "1e300", "-1.5", "18446744073709551615", "true", "null"}) {
            CAPTURE(std::string(value));
            const auto config = read_config(replaced(json, part, key.c_str(), value), "c");
            const std::string_view kind =
                std::string_view("\"[{tn").find(value[0]) == std::string_view::npos
                    ? "number"
                    : std::string_view(value).substr(0, 1);
            if (config) {
                CHECK((kind == "n" || kind == may_be));
                continue;
            }
            ++errors;
            const std::string& text = config.error().text;
            // null is the default, with which other fields may not agree.
            if (kind == "n" && key != "sliding_window")
                CHECK_FALSE(contains(text, "is null"));
            else
                CHECK_MESSAGE(contains(text, key), text);
        }
    };
    for (const auto& field : detail::media_tokens) check("", field.key);
    for (const char* key : {"vision_config", "audio_config", "text_config"}) check("", key, "{");
    check("", "model_type");
    check("", "tie_word_embeddings", "t");
    for (const auto& field : detail::text_sizes) check("text_config", field.key);
    for (const auto& field : detail::text_flags) check("text_config", field.key, "t");
    for (const char* key : {"rms_norm_eps", "final_logit_softcapping"})
        check("text_config", key, "number");
    for (const char* key :
         {"pad_token_id", "bos_token_id", "hidden_activation", "attention_bias",
          "use_bidirectional_attention", "layer_types", "per_layer_config", "model_type"})
        check("text_config", key);
    check("text_config", "eos_token_id", "[");
    check("text_config", "rope_parameters", "{");
    for (const char* type : {"full_attention", "sliding_attention"}) {
        const std::string rope = "text_config.rope_parameters.";
        check("text_config.rope_parameters", type, "{");
        for (const char* key : {"rope_theta", "partial_rotary_factor", "factor"})
            check(rope + type, key, "number");
        check(rope + type, "rope_type");
    }
    for (const auto& field : detail::vision_sizes) check("vision_config", field.key);
    for (const auto& field : detail::vision_flags) check("vision_config", field.key, "t");
    for (const auto& field : detail::vision_reals) check("vision_config", field.key, "number");
    for (const char* key : {"hidden_activation", "attention_bias", "model_type"})
        check("vision_config", key);
    check("vision_config", "rope_parameters", "{");
    check("vision_config.rope_parameters", "rope_theta", "number");
    for (const auto& field : detail::audio_sizes) check("audio_config", field.key);
    for (const auto& field : detail::audio_flags) check("audio_config", field.key, "t");
    for (const auto& field : detail::audio_reals) check("audio_config", field.key, "number");
    for (const char* key : {"hidden_act", "subsampling_conv_channels", "model_type"})
        check("audio_config", key);
    CHECK(errors > 500);
}

TEST_CASE("every truncation of a config is an error, and any changed byte a config or an error") {
    const std::string json = read_text(fixtures + "31b-mini/config_as_saved_by_5.17.json");
    const std::size_t whole = json.rfind('}');
    for (std::size_t length = 0; length <= whole; ++length)
        if (read_config(std::string_view(json).substr(0, length), "c")) FAIL(length);
    std::mt19937 random(3);
    constexpr std::string_view alphabet = "0123456789,:[]{}\"-e. nlt";
    std::size_t refused = 0;
    for (int round = 0; round < 4000; ++round) {
        std::string changed = json;
        for (auto changes = 1 + random() % 3; changes-- > 0;)
            changed[random() % changed.size()] = alphabet[random() % alphabet.size()];
        refused += read_config(changed, "c") ? 0u : 1u;
    }
    CHECK(refused > 0);
    CHECK(refused < 4000);
}

TEST_CASE("config.json of a folder is read, and its absence said") {
    const auto config = read_config_file(fixtures + "e2b-mini");
    REQUIRE(config);
    CHECK(*config == config_of(fixtures + "e2b-mini/config.json"));
    const Folder folder("config");
    write_text(folder / "config.json", std::string((std::size_t{1} << 20) + 1, ' '));
    CHECK(contains(read_config_file(folder.path()).error().text, "expected at most 1048576"));
    const auto none = read_config_file(fixtures);
    REQUIRE_FALSE(none);
    CHECK(contains(none.error().text, "config.json: cannot open: No such file or directory"));
}

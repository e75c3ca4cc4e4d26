/// \file
/// config.json into a ModelConfig, in the layout of the published files and in that of newer
/// writers. Source: spec/text.md section 1, spec/variants.md sections 1 to 4.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/result.hpp"
#include "carat/checkpoint/config/config_fields.hpp"
#include "carat/checkpoint/config/json_fields.hpp"
#include "carat/checkpoint/config/text_config_json.hpp"
#include "carat/checkpoint/faults.hpp"
#include "carat/checkpoint/mapped_file.hpp"
#include "carat/config/check.hpp"
#include "carat/config/model_config.hpp"
#include "carat/format/json.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace carat::inline CARAT_ABI {
namespace detail {

[[gnu::cold]] inline VisionConfig read_vision_config(const JsonValue& object, Faults& faults) {
    VisionConfig c;
    c.num_hidden_layers = 16;  // of a file that does not say
    FieldReader in(object, "vision_config.", faults);
    refuse_other_model(in, "gemma4_vision");
    read_fields(in, c, vision_sizes, vision_flags, vision_reals);
    in.choice("hidden_activation", c.hidden_activation, activations);
    if (c.num_attention_heads % c.num_key_value_heads != 0)
        in.unsupported("num_attention_heads", "must be a multiple of num_key_value_heads");
    refuse_bias(in);
    const JsonValue* rope = in.get("rope_parameters");
    if (rope != nullptr && !rope->IsObject()) in.wrong("rope_parameters", rope, "an object");
    if (rope != nullptr && rope->IsObject()) {
        FieldReader parameters(*rope, "vision_config.rope_parameters.", faults);
        parameters.positive("rope_theta", c.rope_theta);
        constexpr std::pair<std::string_view, bool> types[] = {{"default", true}, {"axial", true}};
        bool two_axes = true;  // both names mean what the tower does
        parameters.choice("rope_type", two_axes, types);
    }
    return c;
}

[[gnu::cold]] inline AudioConfig read_audio_config(const JsonValue& object, Faults& faults) {
    AudioConfig c;
    c.num_hidden_layers = 12;  // of a file that does not say
    FieldReader in(object, "audio_config.", faults);
    refuse_other_model(in, "gemma4_audio");
    read_fields(in, c, audio_sizes, audio_flags, audio_reals);
    in.choice("hidden_act", c.hidden_act, activations);
    if (c.hidden_size % c.num_attention_heads != 0)
        in.unsupported("hidden_size", "must be a multiple of num_attention_heads");
    if (const JsonValue* channels = in.get("subsampling_conv_channels")) {
        const std::span<const JsonValue> list = json::elements(channels);
        bool good = list.size() == 2;
        for (std::size_t i = 0; good && i < 2; ++i) {
            const std::uint64_t n = json::unsigned_integer(list[i]).value_or(0);
            good = n > 0 && n <= most_heads;
            if (good) c.subsampling_conv_channels[i] = static_cast<std::size_t>(n);
        }
        if (!good) in.wrong("subsampling_conv_channels", channels, "two numbers of channels");
    }
    return c;
}

}  // namespace detail

/// Reads a config.json: of the whole model (`model_type` "gemma4"), or of its text part alone
/// ("gemma4_text"). A key that is missing or null has the default of spec/text.md section 1, but a
/// sliding_window of null is refused.
/// Bad input: what is not JSON or has a key of the wrong type (Errc::bad_format), or what no Gemma
/// 4 is (Errc::unsupported); everything wrong is said at once, with key and value. `what` names the
/// text in errors.
[[gnu::cold]] inline Result<ModelConfig> read_config(std::string_view json_text,
                                                     std::string_view what) {
    const Result<Json> tree = parse_object(json_text, what);
    if (!tree) return tree.error();
    Faults faults(what);
    ModelConfig c;
    FieldReader top(*tree, "", faults);
    constexpr std::pair<std::string_view, bool> model_types[] = {{"gemma4", true},
                                                                 {"gemma4_text", false}};
    top.choice("model_type", c.multimodal, model_types);
    if (top.get("model_type") == nullptr)
        top.wrong("model_type", nullptr, "one of gemma4, gemma4_text");
    if (!faults.none()) return faults.error();  // what else it holds means something else

    if (!c.multimodal) {
        c.text = detail::read_text_config(*tree, "", faults);
    } else {
        const JsonValue* text = top.get("text_config");
        if (text != nullptr && text->IsObject())
            c.text = detail::read_text_config(*text, "text_config.", faults);
        else
            top.wrong("text_config", text, "an object");
        bool tied = true;
        top.flag("tie_word_embeddings", tied);
        if (!tied) c.text.tie_word_embeddings = false;
        for (const auto& field : detail::media_tokens) top.id(field.key, c.tokens.*field.member);
        const JsonValue* vision = top.get("vision_config");
        if (vision != nullptr && vision->IsObject())
            c.vision = detail::read_vision_config(*vision, faults);
        else if (vision != nullptr)
            top.wrong("vision_config", vision, "an object or null");
        const JsonValue* audio = top.get("audio_config");
        if (audio != nullptr && audio->IsObject())
            c.audio = detail::read_audio_config(*audio, faults);
        else if (audio != nullptr)
            top.wrong("audio_config", audio, "an object or null");
    }
    detail::check_config(c, faults);
    if (!faults.none()) return faults.error();
    return c;
}

/// Reads `config.json` of a model folder. Bad input: as above, and a file that cannot be read or
/// that has more than 1 MB.
inline Result<ModelConfig> read_config_file(const std::string& folder) {
    const bool slash = folder.empty() || folder.ends_with('/');
    const Result<MappedFile> file =
        MappedFile::open(joined({folder, slash ? "" : "/", "config.json"}), std::size_t{1} << 20);
    if (!file) return file.error();
    return read_config(file->text(), file->path());
}

}  // namespace carat::inline CARAT_ABI

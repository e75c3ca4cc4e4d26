/// \file
/// The text part of a config.json into a TextConfig. Source: spec/text.md section 1.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/checkpoint/config/config_fields.hpp"
#include "carat/checkpoint/config/json_fields.hpp"
#include "carat/checkpoint/faults.hpp"
#include "carat/config/text_config.hpp"
#include "carat/format/json.hpp"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace carat::inline CARAT_ABI::detail {

/// The fields that tables list.
template <class Config, std::size_t sizes, std::size_t flags, std::size_t reals>
void read_fields(FieldReader& in, Config& c, const SizeField<Config> (&size_fields)[sizes],
                 const ConfigField<Config, bool> (&flag_fields)[flags],
                 const RealField<Config> (&real_fields)[reals]) {
    for (const auto& field : size_fields)
        in.size(field.key, c.*field.member, field.least, field.most);
    for (const auto& field : flag_fields) in.flag(field.key, c.*field.member);
    for (const auto& field : real_fields)
        field.positive ? in.positive(field.key, c.*field.member)
                       : in.real(field.key, c.*field.member);
}
/// A part that says what it is must be what it is read as.
inline void refuse_other_model(FieldReader& in, std::string_view model_type) {
    const std::pair<std::string_view, bool> types[] = {{model_type, true}};
    bool it_is = true;
    in.choice("model_type", it_is, types);
}
/// Biases are nowhere in a Gemma 4.
inline void refuse_bias(FieldReader& in) {
    bool bias = false;
    in.flag("attention_bias", bias);
    if (bias) in.unsupported("attention_bias", "is true, but no Gemma 4 has such a bias");
}

/// Of no other key null means something that its default is not: no window.
inline void refuse_no_window(FieldReader& in, const JsonValue& object) {
    const JsonValue* window = json::find(&object, "sliding_window");
    if (window != nullptr && window->IsNull())
        in.unsupported("sliding_window",
                       "is null, which is no window, but every Gemma 4 has one: expected a whole "
                       "number from 1");
}

/// The layer types that `layer_types` lists, or those of its default; the last layer is full
/// whatever the file says.
[[gnu::cold]] inline void read_layer_types(FieldReader& in, TextConfig& c) {
    const std::size_t layers = c.num_hidden_layers;
    const JsonValue* types = in.get("layer_types");
    if (layers == 0 || layers > LayerSet::capacity) return;  // config/check.hpp says so
    if (types == nullptr) {
        c.full_attention = every_nth(6, layers);
    } else {
        const std::span<const JsonValue> list = json::elements(types);
        if (!types->IsArray() || list.size() != layers)
            return in.wrong("layer_types", types,
                            "a list of num_hidden_layers = " + std::to_string(layers));
        c.full_attention = LayerSet{};
        for (std::size_t i = 0; i < list.size(); ++i) {
            if (json::string(list[i]) == "full_attention")
                c.full_attention.insert(i);
            else if (json::string(list[i]) != "sliding_attention")
                in.wrong(joined({"layer_types[", i, "]"}), &list[i],
                         "sliding_attention or full_attention",
                         list[i].IsString() ? Errc::unsupported : Errc::bad_format);
        }
    }
    c.full_attention.insert(layers - 1);
}

/// The number of a layer as a key of `per_layer_config`, which may begin with zeros.
inline std::optional<std::size_t> layer_number(std::string_view key) {
    if (key.empty() || key.size() > 9) return std::nullopt;
    std::size_t n = 0;
    for (const char digit : key) {
        if (digit < '0' || digit > '9') return std::nullopt;
        n = n * 10 + static_cast<std::size_t>(digit - '0');
    }
    return n;
}

/// `per_layer_config`, which newer writers put in place of global_head_dim and
/// num_global_key_value_heads: it may say of every layer what carat can only say of all full ones.
[[gnu::cold]] inline void read_per_layer_config(FieldReader& in, const JsonValue& map,
                                                const std::string& path, TextConfig& c,
                                                Faults& faults) {
    c.global_head_dim = c.head_dim;
    c.num_global_key_value_heads = 0;  // not given, that is: as in sliding layers
    if (!map.IsObject())
        return in.wrong("per_layer_config", &map, "an object of layer numbers and overrides");
    struct Shape {
        std::size_t head_dim = 0, kv_heads = 0;
        bool operator==(const Shape&) const = default;
    };
    const std::size_t layers = std::min(c.num_hidden_layers, LayerSet::capacity);
    const Shape plain{c.head_dim, c.num_key_value_heads};
    std::vector<Shape> all(layers, plain);
    for (const auto& member : json::members(map)) {
        const std::string name = "per_layer_config." + printable(json::key(member), 20);
        const auto layer = layer_number(json::key(member));
        if (!layer || *layer >= layers) {
            in.unsupported(name, "is no layer of this model, expected numbers below " +
                                     std::to_string(layers));
            continue;
        }
        if (!member.value.IsObject()) {
            in.wrong(name, &member.value, "an object of overrides");
            continue;
        }
        FieldReader overrides(member.value, path + name + '.', faults);
        overrides.size("head_dim", all[*layer].head_dim, 1);
        overrides.size("num_key_value_heads", all[*layer].kv_heads, 1);
        for (const auto& field : json::members(member.value))
            if (json::key(field) != "head_dim" && json::key(field) != "num_key_value_heads")
                overrides.unsupported(printable(json::key(field)),
                                      "differs from layer to layer, which carat does for head_dim "
                                      "and num_key_value_heads only");
    }
    if (!faults.none() || layers == 0) return;
    const Shape full = all[layers - 1];  // the last layer is full
    for (std::size_t l = 0; l < layers; ++l) {
        const bool is_full = c.full_attention.contains(l);
        if (all[l] == (is_full ? full : plain)) continue;
        in.unsupported(
            "per_layer_config",
            is_full ? joined({"gives full_attention layer ", l, " other values than layer ",
                              layers - 1, ": carat has one shape for all full_attention layers"})
                    : joined({"overrides sliding_attention layer ", l,
                              ": carat overrides full_attention layers only"}));
        return;
    }
    c.global_head_dim = full.head_dim;
    if (full.kv_heads == plain.kv_heads) return;
    if (!c.attention_k_eq_v)
        in.unsupported(
            "per_layer_config",
            "overrides num_key_value_heads, which carat does with attention_k_eq_v only");
    c.num_global_key_value_heads = full.kv_heads;
}

/// One entry of `rope_parameters`; `rope` holds the theta that a missing one has.
[[gnu::cold]] inline void read_rope(const JsonValue& object, std::string path, RopeParameters& rope,
                                    Faults& faults) {
    FieldReader in(object, std::move(path), faults);
    rope.partial_rotary_factor = rope.factor = 1.0;
    in.real("rope_theta", rope.theta);
    in.real("partial_rotary_factor", rope.partial_rotary_factor);
    in.real("factor", rope.factor);
    constexpr std::pair<std::string_view, bool> types[] = {{"default", true},
                                                           {"proportional", false}};
    bool plain = true;
    in.choice("rope_type", plain, types);
    if (plain && (rope.partial_rotary_factor != 1.0 || rope.factor != 1.0))
        in.unsupported(
            "rope_type",
            "is \"default\", which has no partial_rotary_factor and no factor other than "
            "1, expected \"proportional\"");
}

/// The object that describes a text decoder; `path` is where it stands in its file. What is wrong
/// goes to `faults`, and then the answer means nothing.
[[gnu::cold]] inline TextConfig read_text_config(const JsonValue& object, std::string path,
                                                 Faults& faults) {
    TextConfig c;
    FieldReader in(object, path, faults);
    refuse_other_model(in, "gemma4_text");
    read_fields(in, c, text_sizes, text_flags, text_reals);
    in.id("pad_token_id", c.pad_token_id);
    in.first_id("eos_token_id", c.eos_token_id);
    in.id("bos_token_id", c.bos_token_id);
    in.choice("hidden_activation", c.hidden_activation, activations);
    in.choice("use_bidirectional_attention", c.use_bidirectional_attention, bidirectionals);
    refuse_bias(in);
    refuse_no_window(in, object);
    read_layer_types(in, c);
    if (const JsonValue* map = in.get("per_layer_config"))
        read_per_layer_config(in, *map, path, c, faults);
    if (const JsonValue* rope = in.get("rope_parameters")) {
        FieldReader entries(*rope, path + "rope_parameters.", faults);
        if (!rope->IsObject() || (!rope->ObjectEmpty() && !entries.get("sliding_attention") &&
                                  !entries.get("full_attention")))
            in.wrong("rope_parameters", rope, "an object of sliding_attention and full_attention");
        for (const auto& [key, parameters] : {std::pair("sliding_attention", &c.sliding_rope),
                                              std::pair("full_attention", &c.full_rope)}) {
            const JsonValue* entry = entries.get(key);
            if (entry == nullptr) continue;
            if (entry->IsObject())
                read_rope(*entry, joined({path, "rope_parameters.", key, "."}), *parameters,
                          faults);
            else
                entries.wrong(key, entry, "an object");
        }
    }
    return c;
}

}  // namespace carat::inline CARAT_ABI::detail

/// \file
/// A function that a model may call, declared in its prompt. Source: spec/chat.md, section 6,
/// quirks included.
#pragma once

#include "carat/base/result.hpp"
#include "carat/format/json.hpp"
#include "carat/prompt/prompt_text.hpp"
#include "carat/prompt/value_format.hpp"
#include "carat/text/unicode.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

namespace carat::inline CARAT_ABI {

namespace detail::declaration {

/// The type of a schema in capitals, empty where there is none; of a list its Python-style text.
inline std::string type_in_capitals(const JsonValue* schema) {
    const JsonValue* type = json::find(schema, "type");
    return type == nullptr ? std::string() : unicode::upper(python_text(*type));
}

/// `[<|"|>a<|"|>,<|"|>b<|"|>]`, in the given order.
inline void write_strings(PromptText& out, const JsonValue* list, bool capitals = false) {
    out.control("[");
    const char* separator = "";
    for (const JsonValue& element : json::elements(list)) {
        out.control(separator);
        separator = ",";
        const std::string text = python_text(element);
        out.quoted(capitals ? unicode::upper(text) : text);
    }
    out.control("]");
}

/// Writes fields joined by commas.
class Fields {
  public:
    explicit Fields(PromptText& out) : out_(out) {}
    PromptText& operator()(std::string_view name) {
        out_.control(separator_);
        separator_ = ",";
        out_.control(name);
        return out_;
    }

  private:
    PromptText& out_;
    const char* separator_ = "";
};

inline void write_schema(PromptText& out, const JsonValue& schema);

/// The entries of `properties`. With `filter`, keys that are words of the schema language are no
/// properties.
inline void write_properties(PromptText& out, const JsonValue* properties, bool filter) {
    constexpr std::array<std::string_view, 5> words = {"description", "type", "properties",
                                                       "required", "nullable"};
    Fields entry(out);
    for (const auto& [key, schema] : sorted_members(properties)) {
        if (filter && std::find(words.begin(), words.end(), key) != words.end()) continue;
        entry("").user(key);
        out.control(":{");
        write_schema(out, *schema);
        out.control("}");
    }
}

/// The schema of an array's elements.
inline void write_items(PromptText& out, const JsonValue& items) {
    Fields field(out);
    for (const auto& [key, value] : sorted_members(&items)) {
        if (value->IsNull()) continue;
        if (key == "properties") {
            field("properties:{");
            write_properties(out, value, false);
            out.control("}");
        } else if (key == "required") {
            write_strings(field("required:"), value);
        } else if (key == "type" && value->IsString()) {
            field("type:").quoted(type_in_capitals(&items));
        } else if (key == "type" && value->IsArray()) {
            write_strings(field("type:"), value, true);
        } else {
            field("").user(key);
            out.control(":");
            write_value(out, *value, true);
        }
    }
}

/// The fields of one property. What is no object counts as an empty one.
inline void write_schema(PromptText& out, const JsonValue& schema) {
    const std::string type = type_in_capitals(&schema);
    Fields field(out);
    if (const JsonValue* description = json::find(schema, "description");
        json::truthy(description)) {
        field("description:").quoted(python_text(*description));
    }
    if (const JsonValue* values = json::find(schema, "enum");
        type == "STRING" && json::truthy(values)) {
        write_value(field("enum:"), *values, true);
    }
    if (const JsonValue* items = json::find(schema, "items");
        type == "ARRAY" && !json::members(items).empty()) {
        write_items(field("items:{"), *items);
        out.control("}");
    }
    if (json::truthy(json::find(schema, "nullable"))) field("nullable:true");
    if (type == "OBJECT") {
        const JsonValue* properties = json::find(schema, "properties");
        const bool has_properties = properties != nullptr && properties->IsObject();
        write_properties(field("properties:{"), has_properties ? properties : &schema,
                         !has_properties);
        out.control("}");
        if (const JsonValue* required = json::find(schema, "required"); json::truthy(required)) {
            write_strings(field("required:"), required);
        }
    }
    field("type:").quoted(type);
}

/// The closing brace comes with the type, and is missing with it.
inline void write_parameters(PromptText& out, const JsonValue& parameters) {
    if (const JsonValue* properties = json::find(parameters, "properties");
        json::truthy(properties)) {
        out.control("properties:{");
        write_properties(out, properties, false);
        out.control("},");
    }
    if (const JsonValue* required = json::find(parameters, "required"); json::truthy(required)) {
        out.control("required:");
        write_strings(out, required);
        out.control(",");
    }
    if (json::truthy(json::find(parameters, "type"))) {
        out.control("type:");
        out.quoted(type_in_capitals(&parameters));
        out.control("}");
    }
}

}  // namespace detail::declaration

/// Writes `declaration:name{…}` for a tool, `{"type": "function", "function": {"name",
/// "description", "parameters"}}`. `where` names the tool in errors; one without a function or the
/// function without a name is an error.
[[nodiscard]] inline Result<void> write_declaration(PromptText& out, const JsonValue& tool,
                                                    const std::string& where) {
    namespace declaration = detail::declaration;
    const JsonValue* function = json::find(tool, "function");
    const JsonValue* name = json::find(function, "name");
    if (name == nullptr || !name->IsString()) {
        return Error{Errc::bad_format,
                     where + ".function" + (function == nullptr ? "" : ".name") + " is " +
                         json::type_name(function == nullptr ? nullptr : name) + ", expected " +
                         (function == nullptr ? "an object with the function's name" : "a string")};
    }
    out.control("declaration:");
    out.user(*json::string(name));
    out.control("{description:");
    const JsonValue* description = json::find(function, "description");
    out.quoted(description == nullptr || description->IsNull() ? std::string()
                                                               : python_text(*description));
    if (const JsonValue* parameters = json::find(function, "parameters");
        json::truthy(parameters)) {
        out.control(",parameters:{");
        declaration::write_parameters(out, *parameters);
    }
    if (const JsonValue* response = json::find(function, "response")) {
        out.control(",response:{");
        if (const JsonValue* text = json::find(response, "description"); json::truthy(text)) {
            out.control("description:");
            out.quoted(python_text(*text));
            out.control(",");
        }
        if (declaration::type_in_capitals(response) == "OBJECT")
            out.control("type:<|\"|>OBJECT<|\"|>}");
    }
    out.control("}");
    return {};
}

}  // namespace carat::inline CARAT_ABI

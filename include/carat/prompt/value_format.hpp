/// \file
/// JSON values in the tool syntax of the chat format. Source: spec/chat.md, section 5.
#pragma once

#include "carat/format/json.hpp"
#include "carat/prompt/prompt_text.hpp"
#include "carat/text/unicode.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace carat::inline CARAT_ABI {

/// A float as Python prints it: the shortest digits that read back the same, always with a point or
/// an exponent; exponents below -4 or from 16 on are written as such (`1.0`, `-0.0`, `1e-07`,
/// `1e+21`).
[[nodiscard]] inline std::string format_float(double v) {
    if (std::isnan(v)) return "nan";
    if (std::isinf(v)) return v < 0 ? "-inf" : "inf";
    char buffer[64];
    const auto end =
        std::to_chars(buffer, buffer + sizeof buffer, v, std::chars_format::scientific).ptr;
    const std::string_view text(buffer, static_cast<std::size_t>(end - buffer));  // -d.ddde±xx
    const std::size_t e = text.find('e');
    int exponent = 0;
    const char* digits_of_exponent = text.data() + e + (text[e + 1] == '+' ? 2 : 1);
    std::from_chars(digits_of_exponent, end, exponent);
    if (exponent < -4 || exponent >= 16) return std::string(text);

    std::string out(text[0] == '-' ? "-" : "");
    std::string digits;
    for (const char c : text.substr(0, e)) {
        if (c >= '0' && c <= '9') digits += c;
    }
    if (exponent < 0)
        return out + "0." + std::string(static_cast<std::size_t>(-exponent - 1), '0') + digits;
    const std::size_t whole = static_cast<std::size_t>(exponent) + 1;
    if (digits.size() <= whole) digits.append(whole + 1 - digits.size(), '0');
    return out + digits.substr(0, whole) + "." + digits.substr(whole);
}

/// A number as the chat format writes it; empty for anything but a number.
[[nodiscard]] inline std::string format_number(const JsonValue& v) {
    if (v.IsDouble()) return format_float(v.GetDouble());
    if (v.IsInt64()) return std::to_string(v.GetInt64());
    return v.IsUint64() ? std::to_string(v.GetUint64()) : std::string();
}

/// The members of an object in the order of their keys, compared without case by code point; equal
/// keys keep their order. Of several members with the very same key there is one, with the value of
/// the last.
[[nodiscard]] inline std::vector<std::pair<std::string_view, const JsonValue*>> sorted_members(
    const JsonValue* object) {
    struct Entry {
        std::string lowered;
        std::string_view key;
        const JsonValue* value;
    };
    std::vector<Entry> entries;
    std::map<std::string_view, std::size_t> places;  // no hash, for strangers choose the keys
    for (const auto& m : json::members(object)) {
        const auto [place, is_new] = places.emplace(json::key(m), entries.size());
        if (is_new) {
            entries.push_back({unicode::lower(json::key(m)), json::key(m), &m.value});
        } else {
            entries[place->second].value = &m.value;
        }
    }
    std::stable_sort(entries.begin(), entries.end(),
                     [](const Entry& a, const Entry& b) { return a.lowered < b.lowered; });
    std::vector<std::pair<std::string_view, const JsonValue*>> out;
    for (const Entry& entry : entries) out.emplace_back(entry.key, entry.value);
    return out;
}

inline void write_value(PromptText& out, const JsonValue& v, bool quoted_keys);

/// `a:1,b:<|"|>x<|"|>`: the members of an object without the braces.
inline void write_members(PromptText& out, const JsonValue* object, bool quoted_keys) {
    const char* separator = "";
    for (const auto& [key, value] : sorted_members(object)) {
        out.control(separator);
        separator = ",";
        if (quoted_keys) {
            out.quoted(key);
        } else {
            out.user(key);
        }
        out.control(":");
        write_value(out, *value, quoted_keys);
    }
}

/// Any value. Strings stand between `<|"|>` without any escaping; no spaces anywhere.
inline void write_value(PromptText& out, const JsonValue& v, bool quoted_keys) {
    if (v.IsObject()) {
        out.control("{");
        write_members(out, &v, quoted_keys);
        out.control("}");
    } else if (v.IsArray()) {
        out.control("[");
        const char* separator = "";
        for (const JsonValue& element : json::elements(v)) {
            out.control(separator);
            separator = ",";
            write_value(out, element, quoted_keys);
        }
        out.control("]");
    } else if (const auto text = json::string(v)) {
        out.quoted(*text);
    } else if (v.IsNumber()) {
        out.control(format_number(v));
    } else {
        out.control(v.IsNull() ? "null" : v.IsTrue() ? "true" : "false");
    }
}

/// A value as Python's str() writes it, which is what the reference prints where it expects a
/// string and finds another value: `['A', None]`. A string is itself, or stands in quotes inside of
/// a list or object.
[[nodiscard]] inline std::string python_text(const JsonValue& v, bool inside = false) {
    if (const auto text = json::string(v)) {
        if (!inside) return std::string(*text);
        const char quote =
            text->find('\'') != std::string_view::npos && text->find('"') == std::string_view::npos
                ? '"'
                : '\'';
        std::string out(1, quote);
        for (const char c : *text) {
            if (c == quote || c == '\\') {
                out += {'\\', c};
            } else if (c == '\n' || c == '\t' || c == '\r') {
                out += {'\\', c == '\n' ? 'n' : c == '\t' ? 't' : 'r'};
            } else {
                out += c;
            }
        }
        return out + quote;
    }
    if (v.IsNumber()) return format_number(v);
    if (v.IsNull()) return "None";
    if (v.IsBool()) return v.IsTrue() ? "True" : "False";
    std::string out;
    for (const JsonValue& element : json::elements(v)) {
        out += (out.empty() ? "" : ", ") + python_text(element, true);
    }
    for (const auto& m : json::members(v)) {
        out += (out.empty() ? "" : ", ") + python_text(m.name, true) + ": " +
               python_text(m.value, true);
    }
    return v.IsArray() ? "[" + out + "]" : "{" + out + "}";
}

}  // namespace carat::inline CARAT_ABI

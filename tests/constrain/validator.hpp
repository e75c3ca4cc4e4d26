// Whether a JSON value satisfies a schema, written from the specification and not from the grammar.
// It knows what carat's grammars know, but patterns and formats.
#pragma once

#include "carat/format/json.hpp"

#include <cmath>
#include <cstddef>
#include <string>
#include <string_view>

namespace carat::test {

class Validator {
  public:
    explicit Validator(const JsonValue& root) : root_(root) {}
    [[nodiscard]] bool accepts(const JsonValue& v) const { return accepts(root_, v); }

    [[nodiscard]] bool accepts(const JsonValue& s, const JsonValue& v) const {
        if (s.IsBool()) return s.IsTrue();
        if (const auto ref = json::string(json::find(s, "$ref"))) {
            const JsonValue* at = &root_;
            for (std::size_t i = 1; i < ref->size();) {
                const std::size_t end = std::min(ref->find('/', i + 1), ref->size());
                at = json::find(at, ref->substr(i + 1, end - i - 1));
                i = end;
            }
            if (at == nullptr || !accepts(*at, v)) return false;
        }
        const auto count = [&](std::string_view word) {
            std::size_t n = 0;
            for (const JsonValue& one : json::elements(json::find(s, word)))
                n += accepts(one, v) ? 1u : 0u;
            return n;
        };
        if (json::find(s, "anyOf") != nullptr && count("anyOf") == 0) return false;
        if (json::find(s, "oneOf") != nullptr && count("oneOf") != 1) return false;
        if (const JsonValue* c = json::find(s, "const"); c != nullptr && *c != v) return false;
        if (const JsonValue* e = json::find(s, "enum")) {
            bool found = false;
            for (const JsonValue& one : json::elements(e)) found = found || one == v;
            if (!found) return false;
        }
        if (const JsonValue* type = json::find(s, "type")) {
            bool right = type->IsString() && is(*json::string(type), v);
            for (const JsonValue& t : json::elements(type))
                right = right || is(*json::string(t), v);
            if (!right) return false;
        }
        if (v.IsNumber()) return number(s, v.GetDouble());
        if (v.IsString()) {
            std::size_t length = 0;
            const std::string_view text = *json::string(v);
            for (const char c : text) length += (c & 0xC0) != 0x80 ? 1u : 0u;
            return within(s, "minLength", "maxLength", length);
        }
        if (v.IsArray()) {
            if (!within(s, "minItems", "maxItems", v.Size())) return false;
            const auto prefix = json::elements(json::find(s, "prefixItems"));
            const JsonValue* items = json::find(s, "items");
            for (std::size_t i = 0; i < v.Size(); ++i) {
                const JsonValue* one = i < prefix.size() ? &prefix[i] : items;
                if (one != nullptr && !accepts(*one, json::elements(v)[i])) return false;
            }
        }
        if (v.IsObject()) {
            for (const JsonValue& r : json::elements(json::find(s, "required")))
                if (json::find(v, *json::string(r)) == nullptr) return false;
            for (const auto& m : json::members(v)) {
                const JsonValue* one = json::find(json::find(s, "properties"), json::key(m));
                if (one == nullptr) one = json::find(s, "additionalProperties");
                if (one != nullptr && !accepts(*one, m.value)) return false;
            }
        }
        return true;
    }

  private:
    static bool is(std::string_view type, const JsonValue& v) {
        if (type == "null") return v.IsNull();
        if (type == "boolean") return v.IsBool();
        if (type == "number") return v.IsNumber();
        if (type == "integer") return v.IsNumber() && std::floor(v.GetDouble()) == v.GetDouble();
        if (type == "string") return v.IsString();
        return type == "array" ? v.IsArray() : v.IsObject();
    }
    static bool within(const JsonValue& s, std::string_view least, std::string_view most,
                       std::size_t n) {
        const JsonValue *a = json::find(s, least), *b = json::find(s, most);
        return (a == nullptr || n >= a->GetUint64()) && (b == nullptr || n <= b->GetUint64());
    }
    static bool number(const JsonValue& s, double v) {
        const auto holds = [&](std::string_view word, auto right) {
            const auto bound = json::number(json::find(s, word));
            return !bound || right(*bound);
        };
        return holds("minimum", [&](double b) { return v >= b; }) &&
               holds("maximum", [&](double b) { return v <= b; }) &&
               holds("exclusiveMinimum", [&](double b) { return v > b; }) &&
               holds("exclusiveMaximum", [&](double b) { return v < b; });
    }

    const JsonValue& root_;
};

}  // namespace carat::test

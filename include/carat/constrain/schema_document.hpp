/// \file
/// A JSON schema as it was written: its keywords, types, references and bounds, and what of it
/// carat refuses.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/printable.hpp"
#include "carat/base/result.hpp"
#include "carat/constrain/number_pattern.hpp"
#include "carat/constrain/work_limit.hpp"
#include "carat/format/json.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace carat::inline CARAT_ABI::constrain::detail {

/// `where` leads to a schema from the root, in errors: made with below(), so that it can be shown.
class SchemaDocument {
  public:
    SchemaDocument(const JsonValue& root, std::string name, WorkLimit& work)
        : root_(root), name_(std::move(name)), work_(work) {}

    [[nodiscard]] const std::string& name() const { return name_; }

    Error refuse(const std::string& where, std::string_view keyword, const std::string& why) const {
        return Error{Errc::unsupported,
                     joined({name_, ": ", where, "/", printable(keyword, shown), ": ", why})};
    }
    /// What could not be made of a keyword; memory that ended stays that.
    Error refuse(const std::string& where, std::string_view keyword, const Error& why) const {
        Error out = refuse(where, keyword, why.text);
        if (why.code == Errc::out_of_memory) out.code = why.code;
        return out;
    }
    /// The way to a part of a schema: of a long key, enough to find it.
    static std::string below(const std::string& where, std::string_view word,
                             std::string_view key) {
        return joined({where, "/", word, "/", printable(key, shown)});
    }
    static constexpr std::size_t shown = 60;  // bytes of a stranger's word

    static bool is_in(std::string_view word, std::initializer_list<std::string_view> list) {
        return std::find(list.begin(), list.end(), word) != list.end();
    }
    /// Words that say nothing about what is valid.
    static bool describes(std::string_view word) {
        return is_in(word,
                     {"$schema", "$id", "$comment", "$anchor", "$defs", "definitions", "title",
                      "description", "default", "examples", "example", "deprecated", "readOnly",
                      "writeOnly", "nullable", "contentMediaType", "contentEncoding"}) ||
               word.starts_with("x-");
    }
    /// The type whose values a keyword is about, empty where carat does not know it.
    static std::string_view type_of(std::string_view word) {
        if (is_in(word, {"properties", "required", "additionalProperties"})) return "object";
        if (is_in(word, {"items", "prefixItems", "minItems", "maxItems"})) return "array";
        if (is_in(word, {"minLength", "maxLength", "pattern", "format"})) return "string";
        if (is_in(word, {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}))
            return "number";
        return {};
    }
    /// Refuses keywords that are neither about `types` nor among `also`.
    Result<void> check_keywords(const JsonValue& schema, const std::string& where,
                                const std::vector<std::string>& types,
                                std::initializer_list<std::string_view> also) const {
        for (const auto& m : json::members(schema)) {
            const std::string_view word = json::key(m);
            if (word == "type" || describes(word) || is_in(word, also)) continue;
            if (word == "uniqueItems" && json::boolean(m.value) == false) continue;
            if (type_of(word).empty()) return refuse(where, word, "this keyword is not supported");
            if (types.empty())
                return refuse(where, word, "not supported beside the keyword that decides here");
        }
        return {};
    }

    Result<std::vector<std::string>> types_of(const JsonValue& schema,
                                              const std::string& where) const {
        std::vector<std::string> out;
        const JsonValue* type = json::find(schema, "type");
        if (type == nullptr) return out;
        std::vector<const JsonValue*> list{type};
        if (type->IsArray()) {
            list.clear();
            for (const JsonValue& t : json::elements(type)) list.push_back(&t);
        }
        for (const JsonValue* t : list) {
            const auto name = json::string(t);
            if (!name || !is_in(*name, {"object", "array", "string", "number", "integer", "boolean",
                                        "null"}))
                return refuse(where, "type",
                              "expected object, array, string, number, integer, boolean or null");
            if (std::find(out.begin(), out.end(), *name) == out.end()) out.emplace_back(*name);
        }
        if (out.empty()) return refuse(where, "type", "expected a type");
        if (std::find(out.begin(), out.end(), "number") != out.end()) std::erase(out, "integer");
        if (json::boolean(json::find(schema, "nullable")) == true) out.emplace_back("null");
        return out;
    }

    /// What a reference refers to.
    Result<const JsonValue*> resolved(const JsonValue& ref, const std::string& where) const {
        const auto text = json::string(ref);
        const auto bad = [&] {
            return refuse(where, "$ref", "expected a path within the document, as in #/$defs/name");
        };
        if (!text || !text->starts_with('#') || text->find('%') != std::string_view::npos)
            return bad();
        const JsonValue* at = &root_;
        std::string_view rest = text->substr(1);
        while (!rest.empty()) {
            if (rest[0] != '/') return bad();
            const std::size_t next = std::min(rest.find('/', 1), rest.size());
            std::string key;
            for (std::size_t i = 1; i < next; ++i) {
                const bool escape = rest[i] == '~' && i + 1 < next;
                key += escape ? (rest[++i] == '1' ? '/' : '~') : rest[i];
            }
            rest.remove_prefix(next);
            if (at->IsArray()) {
                std::size_t i = 0;
                const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), i);
                const bool is_index = error == std::errc{} && end == key.data() + key.size();
                at = is_index && i < at->Size() ? &json::elements(at)[i] : nullptr;
            } else {
                at = member(at, key);
            }
            if (at == nullptr) return refuse(where, "$ref", "there is no " + printable(*text));
        }
        return at;
    }

    /// json::find for objects in which much is looked up.
    const JsonValue* member(const JsonValue* object, std::string_view key) const {
        if (json::members(object).size() < 16) return json::find(object, key);
        const auto [known, is_new] = members_.try_emplace(object);
        if (is_new)
            for (const auto& m : json::members(object)) known->second[json::key(m)] = &m.value;
        const auto at = known->second.find(key);
        return at == known->second.end() ? nullptr : at->second;
    }
    /// The keys that `required` lists.
    const std::set<std::string_view>& required(const JsonValue& schema) const {
        const auto [known, is_new] = required_.try_emplace(&schema);
        if (is_new)
            for (const JsonValue& r : json::elements(json::find(schema, "required")))
                if (const auto key = json::string(r)) known->second.insert(*key);
        return known->second;
    }

    /// Whether it is certain that no value satisfies both: not where the work comes to its limit.
    bool exclude(const JsonValue& a, const JsonValue& b, std::size_t depth) const {
        if (!work_.take(4 + json::members(a).size() + json::members(b).size())) return false;
        for (const bool first : {true, false}) {
            const JsonValue* ref = json::find(first ? a : b, "$ref");
            if (ref == nullptr) continue;
            if (!work_.take(json::string(*ref).value_or("").size() / 16)) return false;
            const auto target = resolved(*ref, "");
            if (!target || depth > 8) return false;
            return first ? exclude(**target, b, depth + 1) : exclude(a, **target, depth + 1);
        }
        const auto constants = [](const JsonValue& s) {
            std::vector<const JsonValue*> out;
            if (const JsonValue* v = json::find(s, "const")) out.push_back(v);
            for (const JsonValue& v : json::elements(json::find(s, "enum"))) out.push_back(&v);
            return out;
        };
        const auto in_a = constants(a), in_b = constants(b);
        if (!work_.take(in_a.size() + in_b.size())) return false;
        if (!in_a.empty() && !in_b.empty())
            return std::none_of(in_a.begin(), in_a.end(), [&](const JsonValue* v) {
                return std::any_of(in_b.begin(), in_b.end(),
                                   [&](const JsonValue* w) { return may_equal(*v, *w); });
            });
        const auto kinds = [&](const JsonValue& s, const std::vector<const JsonValue*>& values) {
            std::set<std::string> out;
            for (const JsonValue* v : values) out.emplace(kind_of(*v));
            const std::size_t named = json::elements(json::find(s, "type")).size();
            if (!out.empty() || !work_.take(named)) return out;
            if (const auto types = types_of(s, ""))
                for (const std::string& t : *types) out.insert(t == "integer" ? "number" : t);
            return out;
        };
        const auto types_a = kinds(a, in_a), types_b = kinds(b, in_b);
        if (types_a.empty() || types_b.empty()) return false;
        const bool share = std::any_of(types_a.begin(), types_a.end(),
                                       [&](const auto& t) { return types_b.contains(t); });
        if (!share) return true;
        if (types_a != std::set<std::string>{"object"} || types_b != types_a || depth > 8)
            return false;
        const auto &keys = required(a), &others = required(b);
        const JsonValue *in = json::find(a, "properties"), *in_other = json::find(b, "properties");
        for (const std::string_view key : keys) {
            if (!work_.take(1)) return false;
            if (!others.contains(key)) continue;
            const JsonValue *one = member(in, key), *other = member(in_other, key);
            if (one != nullptr && other != nullptr && exclude(*one, *other, depth + 1)) return true;
        }
        return false;
    }
    /// Whether two constants are equal, or too large to say.
    bool may_equal(const JsonValue& a, const JsonValue& b) const {
        return !work_.take(extent(a) * extent(b)) || a == b;
    }
    /// Values within a value, and long strings for more than one.
    static std::size_t extent(const JsonValue& v) {
        std::size_t n = 1 + (v.IsString() ? v.GetStringLength() / 64 : 0);
        for (const JsonValue& one : json::elements(v)) n += extent(one);
        for (const auto& m : json::members(v)) n += extent(m.name) + extent(m.value);
        return n;
    }
    static std::string_view kind_of(const JsonValue& v) {
        return v.IsNull()     ? "null"
               : v.IsBool()   ? "boolean"
               : v.IsNumber() ? "number"
               : v.IsString() ? "string"
               : v.IsArray()  ? "array"
                              : "object";
    }

    Result<std::size_t> count(const JsonValue& schema, const std::string& where,
                              std::string_view word, std::size_t otherwise) const {
        const JsonValue* v = json::find(schema, word);
        if (v == nullptr) return otherwise;
        if (v->IsDouble() && v->GetDouble() >= 0 && v->GetDouble() < 1e9 &&
            std::floor(v->GetDouble()) == v->GetDouble())
            return static_cast<std::size_t>(v->GetDouble());
        const auto n = json::unsigned_integer(v);
        if (!n) return refuse(where, word, "expected an integer that is not negative");
        return static_cast<std::size_t>(*n);
    }

    /// The stricter of a bound and its exclusive sister.
    Result<NumberBound> bound(const JsonValue& schema, const std::string& where,
                              std::string_view word, std::string_view exclusive, bool integer,
                              bool upper) const {
        NumberBound out;
        for (const std::string_view w : {word, exclusive}) {
            const JsonValue* v = json::find(schema, w);
            if (v == nullptr) continue;
            if (!v->IsNumber()) return refuse(where, w, "expected a number");
            constexpr double largest = 1e15;
            double d = v->GetDouble();
            bool excluded = w == exclusive;
            if (std::floor(d) != d) {
                if (!integer) return refuse(where, w, "of a number, only integers are supported");
                d = upper ? std::floor(d) : std::ceil(d);
                excluded = false;
            }
            if (upper ? d < -largest : d > largest)
                return refuse(where, w, "expected a number of at most 15 digits");
            if (std::abs(d) > largest) continue;  // further than numbers are written
            const auto n = static_cast<std::int64_t>(d);
            const bool stricter = !out.given || (upper ? n < out.value : n > out.value) ||
                                  (n == out.value && excluded);
            if (stricter) out = {n, true, excluded};
        }
        return out;
    }

  private:
    const JsonValue& root_;
    std::string name_;
    mutable std::map<const JsonValue*, std::map<std::string_view, const JsonValue*>> members_;
    mutable std::map<const JsonValue*, std::set<std::string_view>> required_;

  protected:
    WorkLimit& work_;
};

/// Regular expression of a format's strings, empty where carat does not know it.
/// Of dates, the days that every month has.
inline std::string_view pattern_of(std::string_view format) {
    if (format == "date") return "[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])";
    if (format == "time") return "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z";
    if (format == "date-time")
        return "[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])T([01][0-9]|2[0-3]):[0-5][0-9]:"
               "[0-5][0-9]Z";
    if (format == "uuid") return "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";
    if (format == "email")
        return "[a-z0-9_]{1,20}([.+-][a-z0-9_]{1,20}){0,3}@[a-z0-9]{1,20}(-[a-z0-9]{1,20}){0,2}"
               "\\.[a-z]{2,10}";
    if (format == "ipv4")
        return "((25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])\\.){3}(25[0-5]|2[0-4][0-9]|1[0-"
               "9]"
               "[0-9]|[1-9]?[0-9])";
    return {};
}

}  // namespace carat::inline CARAT_ABI::constrain::detail

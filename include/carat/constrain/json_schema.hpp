/// \file
/// JSON schemas into grammars: what the values that satisfy one look like.
///
/// A schema says what is valid; the grammar is what may be written, which is at times less: members
/// come in the order of `properties`, none are added where `additionalProperties` does not say so,
/// numbers have at most 15 digits before and behind the point, nothing is indented.
///
///     any type     type (also a list), enum, const, anyOf, oneOf (alternatives that exclude each
///                  other by type, by value, or by a required constant member), allOf of one,
///                  $ref within the document, recursive ones too, $defs, definitions, true, false
///     object       properties, required, additionalProperties
///     array        items, prefixItems, minItems, maxItems
///     string       minLength, maxLength, pattern (see regex.hpp), format: date, time, date-time,
///                  uuid, email, ipv4
///     integer      minimum, maximum, exclusiveMinimum, exclusiveMaximum
///     number       the same, with integers as bounds
///
/// Words that only describe (title, description, default, examples, …) change nothing. Any other
/// keyword is refused, and so is one of these beside `enum`, `const`, `$ref`, `anyOf`, `oneOf` or
/// `allOf` (but `type` beside the first two): the error has the keyword and where it stands.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/printable.hpp"
#include "carat/base/result.hpp"
#include "carat/constrain/grammar.hpp"
#include "carat/constrain/object_members.hpp"
#include "carat/constrain/schema_values.hpp"
#include "carat/format/json.hpp"
#include "carat/prompt/value_format.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace carat::inline CARAT_ABI::constrain {

namespace detail {

/// What has parts: arrays, objects, alternatives, references.
class SchemaReader : private SchemaValues {
  public:
    using SchemaValues::SchemaValues;

    /// A rule for a schema, once for each. `where` leads to it from the root.
    Result<std::uint32_t> rule(const JsonValue& schema, const std::string& where) {
        if (const auto known = rules_.find(&schema); known != rules_.end()) return known->second;
        if (g_.is_full()) return g_.full(joined({name(), ": ", where, ": it"}));
        if (depth_ == json::max_depth)  // references may lead on further than a stack is deep
            return Error{Errc::unsupported, joined({name(),
                                                    ": schemas within schemas, references "
                                                    "followed, lead more than ",
                                                    json::max_depth, " deep"})};
        const std::uint32_t r = g_.add_rule(false, joined({name(), ": ", printable(where)}));
        rules_.emplace(&schema, r);
        ++depth_;
        const auto done = fill(r, schema, where);
        --depth_;
        if (!done) return done.error();
        return r;
    }
    /// Members between braces, for the arguments of a call: from one state to another.
    Result<void> arguments(const JsonValue* parameters, const std::string& where,
                           std::uint32_t from, std::uint32_t to) {
        if (parameters == nullptr || parameters->IsNull() || json::members(parameters).empty()) {
            g_.literal(from, "{}", to);
            return {};
        }
        if (const JsonValue* type = json::find(parameters, "type");
            type != nullptr && json::string(type) != "object")
            return refuse(where, "type", "expected object, for arguments have names");
        if (auto known = check_keywords(*parameters, where, {"object"}, {}); !known) return known;
        return object(*parameters, where, from, to);
    }

  private:
    // ---- values

    Result<void> fill(std::uint32_t r, const JsonValue& schema, const std::string& where) {
        const std::uint32_t start = g_.rules[r].start;
        if (schema.IsBool()) {
            if (schema.IsFalse()) return {};  // nothing satisfies it
            return anything(start);
        }
        if (!schema.IsObject())
            return Error{Errc::bad_format,
                         joined({name(), ": ", where, " is ", json::type_name(&schema),
                                 ", expected a schema: an object, true or false"})};
        auto types = types_of(schema, where);
        if (!types) return types.error();
        if (const JsonValue* ref = json::find(schema, "$ref")) {
            if (auto known = check_keywords(schema, where, {}, {"$ref"}); !known) return known;
            return reference(*ref, where, start);
        }
        for (const std::string_view word : {"anyOf", "oneOf", "allOf"}) {
            const JsonValue* list = json::find(schema, word);
            if (list == nullptr) continue;
            if (auto known = check_keywords(schema, where, {}, {word}); !known) return known;
            if (json::find(schema, "type") != nullptr)
                return refuse(where, "type", "not supported beside " + std::string(word));
            return alternatives(*list, where, word, start);
        }
        for (const std::string_view word : {"const", "enum"}) {
            const JsonValue* value = json::find(schema, word);
            if (value == nullptr) continue;
            if (auto known = check_keywords(schema, where, {}, {word}); !known) return known;
            std::vector<const JsonValue*> values;
            if (word == "const") values.push_back(value);
            for (const JsonValue& v : json::elements(value))
                if (word == "enum") values.push_back(&v);
            if (values.empty()) return refuse(where, word, "expected an array with values");
            return one_of(values, *types, where + "/" + std::string(word), start);
        }
        if (types->empty()) {  // no type: those that the keywords are about, or all
            for (const auto& m : json::members(schema)) {
                const std::string type(type_of(json::key(m)));
                if (!type.empty() && std::find(types->begin(), types->end(), type) == types->end())
                    types->push_back(type);
            }
        }
        if (types->empty()) {
            if (auto known = check_keywords(schema, where, {}, {}); !known) return known;
            return anything(start);
        }
        if (auto known = check_keywords(schema, where, *types, {}); !known) return known;
        for (const std::string& type : *types)
            if (auto done = value(type, schema, where, start); !done) return done;
        return {};
    }

    /// Values of one type, from the start of a rule to ends of it.
    Result<void> value(std::string_view type, const JsonValue& schema, const std::string& where,
                       std::uint32_t start) {
        if (type == "null" || type == "boolean") {
            for (const std::string_view word : {"null", "true", "false"})
                if ((word == "null") == (type == "null")) g_.literal(start, word, end());
            return {};
        }
        if (type == "string") return string(schema, where, start);
        if (type == "integer" || type == "number")
            return number(type == "integer", schema, where, start);
        const std::uint32_t r = g_.add_rule(true);
        g_.call(start, r, end());
        return type == "object" ? object(schema, where, g_.rules[r].start, end())
                                : array(schema, where, g_.rules[r].start);
    }
    /// Any value: a rule that is made once.
    Result<void> anything(std::uint32_t start) {
        if (!any_) {
            any_ = g_.add_rule();
            static const JsonValue empty(rapidjson::kObjectType);
            const std::uint32_t s = g_.rules[*any_].start;
            for (const char* type : {"null", "boolean", "string", "number"})
                if (auto done = value(type, empty, "#", s); !done) return done;
            const std::uint32_t list = g_.add_rule(true), map = g_.add_rule(true);
            g_.call(s, list, end());
            g_.call(s, map, end());
            const std::uint32_t open = g_.add_state(), more = g_.add_state(), next = g_.add_state();
            const std::uint32_t closed = end();
            g_.literal(g_.rules[list].start, "[", open);
            g_.literal(open, "]", closed);
            for (const std::uint32_t from : {open, next}) g_.call(from, *any_, more);
            g_.literal(more, ",", next);
            g_.literal(more, "]", closed);

            const std::uint32_t inside = g_.add_state(), after = g_.add_state(),
                                again = g_.add_state(), last = end();
            const auto key = free_key({}, "#");
            if (!key) return key.error();
            g_.literal(g_.rules[map].start, "{", inside);
            g_.literal(inside, "}", last);
            for (const std::uint32_t from : {inside, again}) {
                const std::uint32_t colon = g_.add_state(), member = g_.add_state();
                g_.call(from, *key, colon);
                g_.literal(colon, ":", member);
                g_.call(member, *any_, after);
            }
            g_.literal(after, ",", again);
            g_.literal(after, "}", last);
        }
        g_.call(start, *any_, end());
        return {};
    }

    Result<void> reference(const JsonValue& ref, const std::string& where, std::uint32_t start) {
        const auto schema = resolved(ref, where);
        if (!schema) return schema.error();
        const auto target = rule(**schema, printable(*json::string(ref)));
        if (!target) return target.error();
        g_.call(start, *target, end());
        return {};
    }
    Result<void> alternatives(const JsonValue& list, const std::string& where,
                              std::string_view word, std::uint32_t start) {
        const auto schemas = json::elements(list);
        if (schemas.empty()) return refuse(where, word, "expected an array of schemas");
        if (word == "allOf" && schemas.size() > 1)
            return refuse(where, word, "more than one schema at a time is not supported");
        const std::uint32_t after = end();
        for (std::size_t i = 0; i < schemas.size(); ++i) {
            if (word == "oneOf") {
                for (std::size_t j = 0; j < i; ++j) {
                    if (exclude(schemas[i], schemas[j], 0)) continue;
                    if (work_.is_spent())
                        return refuse(where, word,
                                      joined({"it takes too long to see that alternatives ", j,
                                              " and ", i, " exclude each other; use anyOf"}));
                    return refuse(where, word,
                                  joined({"alternatives ", j, " and ", i,
                                          " may both be satisfied, as far as can be seen; use "
                                          "anyOf, or a required constant member in each"}));
                }
            }
            const auto r = rule(schemas[i], joined({where, "/", word, "/", i}));
            if (!r) return r.error();
            g_.call(start, *r, after);
        }
        return {};
    }
    // ---- arrays and objects

    Result<void> array(const JsonValue& schema, const std::string& where, std::uint32_t start) {
        const auto least = count(schema, where, "minItems", 0);
        if (!least) return least.error();
        auto most = count(schema, where, "maxItems", unlimited);
        if (!most) return most.error();
        const JsonValue* items = json::find(schema, "items");
        if (items != nullptr && items->IsArray())
            return refuse(where, "items", "a list is prefixItems in current JSON schema");
        const auto prefix = json::elements(json::find(schema, "prefixItems"));
        std::vector<std::uint32_t> rules;
        for (std::size_t i = 0; i < prefix.size(); ++i) {
            const auto r = rule(prefix[i], joined({where, "/prefixItems/", i}));
            if (!r) return r.error();
            rules.push_back(*r);
        }
        std::uint32_t rest = 0;
        if (items != nullptr && items->IsFalse()) {
            *most = std::min(*most, prefix.size());
        } else if (items != nullptr) {
            const auto r = rule(*items, where + "/items");
            if (!r) return r.error();
            rest = *r;
        } else if (*least <= prefix.size() && !prefix.empty()) {
            *most = std::min(*most, prefix.size());
        } else {
            rest = g_.add_rule();
            if (auto done = anything(g_.rules[rest].start); !done) return done;
        }
        if (*least > *most) return {};
        const bool open = *most == unlimited;
        const std::size_t counted = open ? std::max(*least, prefix.size()) : *most;
        if (counted > Grammar::max_states / 4)
            return refuse(where, open ? "minItems" : "maxItems",
                          joined({"expected at most ", Grammar::max_states / 4}));
        const std::uint32_t closed = end();
        std::uint32_t from = g_.add_state();
        g_.literal(start, "[", from);
        if (*least == 0) g_.literal(from, "]", closed);
        const auto item = [&](std::size_t i) { return i < rules.size() ? rules[i] : rest; };
        for (std::size_t i = 0; i < counted && !g_.is_full(); ++i) {
            const std::uint32_t behind = g_.add_state();
            g_.call(from, item(i), behind);
            if (i + 1 >= *least) g_.literal(behind, "]", closed);
            from = behind;
            if (i + 1 < counted || open) {
                from = g_.add_state();
                g_.literal(behind, ",", from);
            }
        }
        if (!open) return {};
        const std::uint32_t behind = g_.add_state(), next = g_.add_state();
        g_.call(from, rest, behind);
        g_.call(next, rest, behind);
        g_.literal(behind, ",", next);
        g_.literal(behind, "]", closed);
        return {};
    }

    Result<void> object(const JsonValue& schema, const std::string& where, std::uint32_t start,
                        std::uint32_t closed) {
        const JsonValue* properties = json::find(schema, "properties");
        if (properties != nullptr && !properties->IsObject())
            return refuse(where, "properties", "expected an object of schemas");
        std::vector<std::pair<std::string_view, const JsonValue*>> members;
        std::map<std::string_view, std::size_t> places;  // in `members`
        if (syntax_ == ValueSyntax::call) {
            members = sorted_members(properties);  // as carat writes them itself
            for (std::size_t i = 0; i < members.size(); ++i) places.emplace(members[i].first, i);
        } else {
            for (const auto& m : json::members(properties)) {
                const auto [place, is_new] = places.emplace(json::key(m), members.size());
                if (is_new) members.emplace_back(json::key(m), nullptr);
                members[place->second].second = &m.value;
            }
        }
        const JsonValue* more = json::find(schema, "additionalProperties");
        static const JsonValue anything_else(true);
        for (const JsonValue& r : json::elements(json::find(schema, "required"))) {
            const auto key = json::string(r);
            if (!key) return refuse(where, "required", "expected an array of strings");
            if (places.emplace(*key, members.size()).second) {
                const bool none = more != nullptr && more->IsFalse();
                members.emplace_back(*key, none                                 ? more
                                           : more != nullptr && !more->IsTrue() ? more
                                                                                : &anything_else);
            }
        }
        if (members.size() > 2000)
            return refuse(where, "properties", "expected at most 2000 of them");

        std::vector<ObjectMember> written;
        std::size_t bytes = 0;
        for (const auto& [key, value] : members) {
            const auto r = rule(*value, below(where, "properties", key));
            if (!r) return r.error();
            auto text = key_text(key, where);
            if (!text) return text.error();
            bytes += text->size();
            if (bytes > Grammar::max_states)
                return refuse(where, "properties",
                              joined({"names of more than ", Grammar::max_states, " bytes"}));
            written.push_back({*std::move(text), *r, required(schema).contains(key)});
        }
        std::optional<OtherMembers> other;
        if (more != nullptr && !more->IsFalse()) {
            std::vector<std::u32string> names;
            for (const auto& m : members) names.push_back(code_points(m.first));
            const auto key = free_key(names, where);
            if (!key) return key.error();
            const auto r = rule(*more, where + "/additionalProperties");
            if (!r) return r.error();
            other = {*key, *r};
        }
        write_members(g_, written, other, quote, start, closed);
        return {};
    }

    std::map<const JsonValue*, std::uint32_t> rules_;
    std::size_t depth_ = 0;
    std::optional<std::uint32_t> any_;
};

}  // namespace detail

/// A rule of the grammar for what satisfies a schema. Bad input: what is not supported; `what`
/// names the schema in errors.
[[nodiscard]] inline Result<std::uint32_t> add_json_schema(Grammar& grammar,
                                                           const JsonValue& schema,
                                                           std::string what = "schema") {
    return detail::SchemaReader(grammar, schema, ValueSyntax::json, std::move(what))
        .rule(schema, "#");
}

/// The arguments of a tool call, braces included, between two states, for what satisfies the
/// function's parameters. Bad input: as above.
[[nodiscard]] inline Result<void> add_arguments(Grammar& grammar, const JsonValue* parameters,
                                                std::uint32_t from, std::uint32_t to,
                                                std::string what) {
    static const JsonValue none(rapidjson::kObjectType);
    const JsonValue& root = parameters == nullptr ? none : *parameters;
    return detail::SchemaReader(grammar, root, ValueSyntax::call, std::move(what))
        .arguments(parameters, "#", from, to);
}

}  // namespace carat::inline CARAT_ABI::constrain

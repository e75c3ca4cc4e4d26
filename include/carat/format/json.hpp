/// \file
/// JSON text into a tree, and the tree read without surprises.
///
/// The tree is RapidJSON's: its header and a parse cost a unit under two seconds to compile, where
/// the budget of a whole program is ten. Its own accessors assert on a wrong type; the ones below
/// answer "nothing" instead, so that a stranger's file can never stop the program.
#pragma once

#include "carat/base/result.hpp"
#include "carat/format/json_memory.hpp"

#include <rapidjson/document.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace carat::inline CARAT_ABI {

/// A JSON value. Integers (up to 64 bits, signed or not) and floats are different things, members
/// keep their order.
using JsonValue =
    rapidjson::GenericValue<rapidjson::UTF8<>, rapidjson::MemoryPoolAllocator<json::Memory>>;
/// A JSON value that owns its memory. Move only.
using Json = rapidjson::GenericDocument<rapidjson::UTF8<>,
                                        rapidjson::MemoryPoolAllocator<json::Memory>, json::Memory>;

namespace json {

/// How deep arrays and objects may nest: deep enough for any file of a model, shallow enough that a
/// function which walks a tree recursively needs no check of its own.
inline constexpr std::size_t max_depth = 256;

/// The member of an object, or null where the value is no object (or null itself) or has no such
/// key. Of several members with one key the last counts. Linear in the number of members.
[[nodiscard]] inline const JsonValue* find(const JsonValue* object, std::string_view key) noexcept {
    if (object == nullptr || !object->IsObject()) return nullptr;
    const JsonValue* found = nullptr;
    for (auto m = object->MemberBegin(); m != object->MemberEnd(); ++m) {
        if (std::string_view(m->name.GetString(), m->name.GetStringLength()) == key)
            found = &m->value;
    }
    return found;
}
[[nodiscard]] inline const JsonValue* find(const JsonValue& object, std::string_view key) noexcept {
    return find(&object, key);
}
[[nodiscard]] inline JsonValue* find(JsonValue& object, std::string_view key) noexcept {
    return const_cast<JsonValue*>(find(&object, key));
}

/// The text of a string (a view into the tree), nothing for any other value or null.
[[nodiscard]] inline std::optional<std::string_view> string(const JsonValue* v) noexcept {
    if (v == nullptr || !v->IsString()) return std::nullopt;
    return std::string_view(v->GetString(), v->GetStringLength());
}
/// An integer that fits, nothing for floats (`1.0` is one), larger numbers, any other value or
/// null.
[[nodiscard]] inline std::optional<std::int64_t> integer(const JsonValue* v) noexcept {
    if (v == nullptr || !v->IsInt64()) return std::nullopt;
    return v->GetInt64();
}
/// An integer that is not negative; nothing for anything else.
[[nodiscard]] inline std::optional<std::uint64_t> unsigned_integer(const JsonValue* v) noexcept {
    if (v == nullptr || !v->IsUint64()) return std::nullopt;
    return v->GetUint64();
}
/// Any number as a double; nothing for anything else.
[[nodiscard]] inline std::optional<double> number(const JsonValue* v) noexcept {
    if (v == nullptr || !v->IsNumber()) return std::nullopt;
    return v->GetDouble();
}
/// true or false; nothing for anything else.
[[nodiscard]] inline std::optional<bool> boolean(const JsonValue* v) noexcept {
    if (v == nullptr || !v->IsBool()) return std::nullopt;
    return v->GetBool();
}
[[nodiscard]] inline std::optional<std::string_view> string(const JsonValue& v) noexcept {
    return string(&v);
}
[[nodiscard]] inline std::optional<std::int64_t> integer(const JsonValue& v) noexcept {
    return integer(&v);
}
[[nodiscard]] inline std::optional<std::uint64_t> unsigned_integer(const JsonValue& v) noexcept {
    return unsigned_integer(&v);
}
[[nodiscard]] inline std::optional<double> number(const JsonValue& v) noexcept {
    return number(&v);
}
[[nodiscard]] inline std::optional<bool> boolean(const JsonValue& v) noexcept {
    return boolean(&v);
}

/// The elements of an array; empty for any other value or null.
[[nodiscard]] inline std::span<const JsonValue> elements(const JsonValue* v) noexcept {
    if (v == nullptr || !v->IsArray() || v->Empty()) return {};
    return {v->Begin(), v->Size()};
}
[[nodiscard]] inline std::span<const JsonValue> elements(const JsonValue& v) noexcept {
    return elements(&v);
}

/// The members of an object in the order of the file; empty for any other value or null. Each has
/// `name` and `value`.
[[nodiscard]] inline std::span<const JsonValue::Member> members(const JsonValue* v) noexcept {
    if (v == nullptr || !v->IsObject() || v->ObjectEmpty()) return {};
    return {&*v->MemberBegin(), v->MemberCount()};
}
[[nodiscard]] inline std::span<const JsonValue::Member> members(const JsonValue& v) noexcept {
    return members(&v);
}

/// The key of a member.
[[nodiscard]] inline std::string_view key(const JsonValue::Member& m) noexcept {
    return {m.name.GetString(), m.name.GetStringLength()};
}

/// Whether a value is there and says something: not null, false, 0, an empty string, array or
/// object.
[[nodiscard]] inline bool truthy(const JsonValue* v) noexcept {
    if (v == nullptr || v->IsNull() || v->IsFalse()) return false;
    if (v->IsNumber()) return v->GetDouble() != 0.0;
    if (v->IsString()) return v->GetStringLength() != 0;
    if (v->IsArray()) return !v->Empty();
    if (v->IsObject()) return !v->ObjectEmpty();
    return true;
}

/// What a value is, in a word, for the text of an error.
[[nodiscard]] inline const char* type_name(const JsonValue* v) noexcept {
    if (v == nullptr) return "missing";
    if (v->IsNull()) return "null";
    if (v->IsBool()) return "a boolean";
    if (v->IsString()) return "a string";
    if (v->IsArray()) return "an array";
    if (v->IsObject()) return "an object";
    return v->IsDouble() ? "a float" : "an integer";
}

}  // namespace json

/// A text behind its byte order mark, where it has one.
[[nodiscard]] constexpr std::string_view without_mark(std::string_view text) noexcept {
    constexpr std::string_view mark = "\xEF\xBB\xBF";
    return text.starts_with(mark) ? text.substr(mark.size()) : text;
}

/// The tree of a JSON text. `what` names the text in errors, usually the file it came from.
/// Strict JSON in UTF-8 (a byte order mark is skipped), full precision of floats; an integer beyond
/// 64 bits becomes a float. Bad input (broken JSON or UTF-8, text after the value, nesting deeper
/// than `max_depth`) is an error that names line and column; so is memory that the system refuses,
/// without a place. Takes no stack that grows with the input.
[[nodiscard]] Result<Json> parse_json(std::string_view text, std::string_view what,
                                      std::size_t max_depth = json::max_depth);

}  // namespace carat::inline CARAT_ABI

#ifndef CARAT_SEPARATE_COMPILATION
#include "carat/format/json.inl.hpp"
#endif

/// \file
/// JSON text into a tree, and the tree read without surprises.
///
/// The tree is RapidJSON's: its header and a parse cost a unit under two seconds to compile, where
/// the budget of a whole program is ten. Its own accessors assert on a wrong type; the ones below
/// answer "nothing" instead, so that a stranger's file can never stop the program.
#pragma once

#include "carat/joined.hpp"
#include "carat/result.hpp"

#include <rapidjson/document.h>
#include <rapidjson/error/en.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

namespace carat::inline CARAT_ABI {

/// A JSON value. Integers (up to 64 bits, signed or not) and floats are different things, members
/// keep their order.
using JsonValue = rapidjson::Value;
/// A JSON value that owns its memory. Move only.
using Json = rapidjson::Document;

namespace json {

/// How deep arrays and objects may nest: deep enough for any file of a model, shallow enough that a
/// function which walks a tree recursively needs no check of its own.
inline constexpr std::size_t max_depth = 256;

namespace detail {

/// Of a number that no double holds, whether it is too large and not too small.
inline bool is_large(std::string_view number) noexcept {
    const std::size_t e = std::min(number.find_first_of("eE"), number.size());
    std::string_view digits = number.substr(0, e), power = number.substr(e);
    power.remove_prefix(std::min<std::size_t>(power.size(), 1));
    if (power.starts_with('+')) power.remove_prefix(1);
    std::int64_t exponent = 0;
    if (std::from_chars(power.data(), power.data() + power.size(), exponent).ec ==
        std::errc::result_out_of_range)
        return !power.starts_with('-');
    const auto point = static_cast<std::int64_t>(std::min(digits.find('.'), digits.size()));
    const auto first = static_cast<std::int64_t>(digits.find_first_of("123456789"));
    const std::int64_t before = first < point ? point - first : point + 1 - first;
    return exponent > -before;
}

}  // namespace detail

/// What a JSON text says, piece by piece, under the names that RapidJSON's reader calls; false
/// stops it. One virtual call a piece, so that a program compiles the reader once.
class Events {
  public:
    virtual bool Null() = 0;
    virtual bool Bool(bool v) = 0;
    virtual bool Int64(std::int64_t v) = 0;
    virtual bool Uint64(std::uint64_t v) = 0;
    virtual bool Double(double v) = 0;
    virtual bool String(const char* s, rapidjson::SizeType n, bool copy) = 0;
    virtual bool Key(const char* s, rapidjson::SizeType n, bool copy) = 0;
    virtual bool StartObject() = 0;
    virtual bool EndObject(rapidjson::SizeType n) = 0;
    virtual bool StartArray() = 0;
    virtual bool EndArray(rapidjson::SizeType n) = 0;
    bool Int(int v) { return Int64(v); }
    bool Uint(unsigned v) { return Uint64(v); }
    /// A number as it is written. The reader's own conversion takes 0e9 for something to normalise,
    /// which is undefined behaviour, and rounds 2^64 - 1 and a half up to nothing.
    bool RawNumber(const char* s, rapidjson::SizeType n, bool) {
        const char* end = s + n;
        const auto whole = [&](auto& number) {
            const auto [at, error] = std::from_chars(s, end, number);
            return error == std::errc{} && at == end;
        };
        std::uint64_t natural = 0;
        if (whole(natural)) return Uint64(natural);
        std::int64_t integer = 0;
        if (whole(integer)) return Int64(integer);
        double real = 0.0;  // as it stays for a number that is too small
        if (!whole(real) && detail::is_large({s, n})) return too_large_ = true, false;
        return Double(real);
    }
    /// Whether a number that no double holds has stopped the reading.
    [[nodiscard]] bool too_large() const noexcept { return too_large_; }

  protected:
    ~Events() = default;

  private:
    bool too_large_ = false;
};

/// Where the reading of a text ended: `error` is null where it is JSON to the end, or says why not.
struct Ending {
    const char* error;
    std::size_t offset;  ///< of the error, or of what is not read
};

/// Strict JSON in UTF-8; numbers as near as their type allows. Takes no stack that grows with the
/// input.
[[nodiscard]] inline Ending read(std::string_view text, Events& events) {
    constexpr unsigned flags = rapidjson::kParseIterativeFlag |
                               rapidjson::kParseNumbersAsStringsFlag |
                               rapidjson::kParseValidateEncodingFlag;
    rapidjson::MemoryStream stream(text.data(), text.size());
    rapidjson::Reader reader;
    reader.Parse<flags>(stream, events);
    if (events.too_large())
        return {rapidjson::GetParseError_En(rapidjson::kParseErrorNumberTooBig),
                reader.GetErrorOffset()};
    if (reader.HasParseError())
        return {rapidjson::GetParseError_En(reader.GetParseErrorCode()), reader.GetErrorOffset()};
    // The reader takes a zero byte for the end of the text.
    if (stream.Tell() < text.size()) return {"a zero byte", stream.Tell()};
    return {nullptr, text.size()};
}

namespace detail {

/// Hands the reader's events on to the tree, and stops at what nests too deep.
struct DepthLimiter final : Events {
    explicit DepthLimiter(Json& to) : tree(to) {}
    Json& tree;
    std::size_t depth = 0;

    bool Null() override { return tree.Null(); }
    bool Bool(bool v) override { return tree.Bool(v); }
    bool Int64(std::int64_t v) override { return tree.Int64(v); }
    bool Uint64(std::uint64_t v) override { return tree.Uint64(v); }
    bool Double(double v) override { return tree.Double(v); }
    bool String(const char* s, rapidjson::SizeType n, bool copy) override {
        return tree.String(s, n, copy);
    }
    bool Key(const char* s, rapidjson::SizeType n, bool copy) override {
        return tree.Key(s, n, copy);
    }
    bool StartObject() override { return ++depth <= max_depth && tree.StartObject(); }
    bool EndObject(rapidjson::SizeType n) override { return --depth, tree.EndObject(n); }
    bool StartArray() override { return ++depth <= max_depth && tree.StartArray(); }
    bool EndArray(rapidjson::SizeType n) override { return --depth, tree.EndArray(n); }
};

/// "line 3, column 7" of a byte in a text, both counted from 1, columns in bytes.
inline std::string line_and_column(std::string_view text, std::size_t offset) {
    const std::string_view before = text.substr(0, offset);
    std::size_t line = 1;
    std::size_t start = 0;
    for (std::size_t i = 0; i < before.size(); ++i) {
        if (before[i] != '\n') continue;
        ++line;
        start = i + 1;
    }
    return joined({"line ", line, ", column ", before.size() - start + 1});
}

}  // namespace detail

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

/// The tree of a JSON text. `what` names the text in errors, usually the file it came from.
/// Strict JSON in UTF-8 (a byte order mark is skipped), full precision of floats; an integer beyond
/// 64 bits becomes a float. Bad input (broken JSON or UTF-8, text after the value, nesting deeper
/// than json::max_depth) is an error that names line and column. Takes no stack that grows with the
/// input.
[[nodiscard]] inline Result<Json> parse_json(std::string_view text, std::string_view what) {
    if (text.substr(0, 3) == "\xEF\xBB\xBF") text.remove_prefix(3);
    Json tree;
    json::detail::DepthLimiter limiter(tree);
    json::Ending end{};
    auto read = [&](Json&) {
        end = json::read(text, limiter);
        return end.error == nullptr;
    };
    tree.Populate(read);

    if (end.error != nullptr) {
        const bool deep = limiter.depth > json::max_depth;
        return Error{Errc::bad_format,
                     joined({what, ": ", json::detail::line_and_column(text, end.offset),
                             deep ? ": JSON nested deeper than " + std::to_string(json::max_depth) +
                                        " levels, which carat does not read"
                                  : std::string(": not JSON: ") + end.error})};
    }
    return tree;
}

}  // namespace carat::inline CARAT_ABI

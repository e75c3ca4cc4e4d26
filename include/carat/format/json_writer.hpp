/// \file
/// JSON text, written piece by piece: for programs that print what they found.
#pragma once

#include "carat/format/json.hpp"
#include "carat/format/json_memory.hpp"

#include <rapidjson/prettywriter.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <cmath>
#include <concepts>
#include <cstdint>
#include <string_view>

namespace carat::inline CARAT_ABI {

namespace json::detail {

using TextBuffer = rapidjson::GenericStringBuffer<rapidjson::UTF8<>, Memory>;

/// RapidJSON's `Writer` breaks off at a number that JSON does not have; here null stands for it.
template <class Writer>
struct FiniteWriter : Writer {
    using Writer::Writer;
    bool Double(double v) { return std::isfinite(v) ? Writer::Double(v) : Writer::Null(); }
};

}  // namespace json::detail

/// Builds one JSON text. Calls come in the order of the text: begin_object, key, value, …,
/// end_object; the caller keeps them balanced. Strings are taken for UTF-8 and written as they are,
/// escaped where JSON demands it. `Writer` is RapidJSON's Writer (one line) or PrettyWriter
/// (indented by two).
template <class Writer>
class BasicJsonWriter {
  public:
    BasicJsonWriter() : writer_(buffer_) {
        if constexpr (requires { writer_.SetIndent(' ', 2u); }) writer_.SetIndent(' ', 2u);
    }
    BasicJsonWriter(const BasicJsonWriter&) = delete;
    BasicJsonWriter& operator=(const BasicJsonWriter&) = delete;

    BasicJsonWriter& begin_object() { return writer_.StartObject(), *this; }
    BasicJsonWriter& end_object() { return writer_.EndObject(), *this; }
    BasicJsonWriter& begin_array() { return writer_.StartArray(), *this; }
    BasicJsonWriter& end_array() { return writer_.EndArray(), *this; }
    BasicJsonWriter& key(std::string_view name) {
        return writer_.Key(name.data(), size(name)), *this;
    }

    BasicJsonWriter& null() { return writer_.Null(), *this; }
    BasicJsonWriter& value(std::string_view text) {
        return writer_.String(text.empty() ? "" : text.data(), size(text)), *this;
    }
    BasicJsonWriter& value(const char* text) { return value(std::string_view(text)); }
    BasicJsonWriter& value(bool v) { return writer_.Bool(v), *this; }
    BasicJsonWriter& value(std::signed_integral auto v) {
        return writer_.Int64(std::int64_t{v}), *this;
    }
    BasicJsonWriter& value(std::unsigned_integral auto v) {
        return writer_.Uint64(std::uint64_t{v}), *this;
    }
    /// JSON has neither infinity nor NaN: null stands for them.
    BasicJsonWriter& value(double v) { return writer_.Double(v), *this; }
    /// A whole tree.
    BasicJsonWriter& value(const JsonValue& v) { return v.Accept(writer_), *this; }

    /// What was written so far; valid until the next call.
    [[nodiscard]] std::string_view text() const { return {buffer_.GetString(), buffer_.GetSize()}; }

  private:
    static rapidjson::SizeType size(std::string_view s) {
        return static_cast<rapidjson::SizeType>(s.size());
    }

    json::detail::TextBuffer buffer_;
    json::detail::FiniteWriter<Writer> writer_;
};

/// On one line.
using JsonWriter = BasicJsonWriter<rapidjson::Writer<json::detail::TextBuffer, rapidjson::UTF8<>,
                                                     rapidjson::UTF8<>, json::Memory>>;
/// Indented, for people.
using PrettyJsonWriter =
    BasicJsonWriter<rapidjson::PrettyWriter<json::detail::TextBuffer, rapidjson::UTF8<>,
                                            rapidjson::UTF8<>, json::Memory>>;

}  // namespace carat::inline CARAT_ABI

/// \file
/// JSON text piece by piece, for whoever needs no tree of it.
#pragma once

#include "carat/base/abi.hpp"
#include "carat/format/json_memory.hpp"

#include <rapidjson/error/en.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>
#include <system_error>

namespace carat::inline CARAT_ABI {
namespace json {

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

/// Strict JSON in UTF-8 of less than 4 GiB; numbers as near as their type allows. Takes no stack
/// that grows with the input.
[[nodiscard]] inline Ending read(std::string_view text, Events& events) {
    constexpr unsigned flags = rapidjson::kParseIterativeFlag |
                               rapidjson::kParseNumbersAsStringsFlag |
                               rapidjson::kParseValidateEncodingFlag;
    // RapidJSON counts the bytes of a string in 32 bits, and takes them off its stack by that
    // count.
    if (text.size() > std::numeric_limits<rapidjson::SizeType>::max())
        return {"longer than 4 GiB", 0};
    rapidjson::MemoryStream stream(text.data(), text.size());
    rapidjson::GenericReader<rapidjson::UTF8<>, rapidjson::UTF8<>, Memory> reader;
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

}  // namespace json
}  // namespace carat::inline CARAT_ABI

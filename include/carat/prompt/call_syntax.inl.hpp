/// \file
/// What call_syntax.hpp declares.
#pragma once

#include "carat/base/printable.hpp"
#include "carat/base/result.hpp"
#include "carat/format/json.hpp"
#include "carat/prompt/call_syntax.hpp"
#include "carat/text/unicode.hpp"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <map>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace carat::inline CARAT_ABI {

namespace detail {

/// Reads one call. Every `read_…` takes what it reads off the front of the text, and answers false
/// where it cannot.
class CallReader {
  public:
    explicit CallReader(std::string_view text) : rest_(text) {}

    Result<ToolCall> read() {
        if (!read_call()) return Error{Errc::bad_format, why_};
        return std::move(call_);
    }

  private:
    static constexpr std::string_view quote = "<|\"|>";

    bool fail(std::string why) {
        if (why_.empty()) why_ = std::move(why);
        return false;
    }
    /// What stands where something else was expected.
    bool unexpected(const std::string& expected) {
        if (rest_.empty()) return fail("cut off, expected " + expected);
        std::size_t length = std::max<std::size_t>(unicode::first_code_point(rest_).length, 1);
        if (rest_.starts_with(quote)) length = quote.size();
        return fail("found '" + printable(rest_.substr(0, length)) + "', expected " + expected);
    }

    bool read_call() {
        skip_space();
        if (!take("call:")) return unexpected("call:NAME{...}");
        const std::size_t brace = rest_.find('{');
        if (brace == std::string_view::npos)
            return fail("cut off, expected { after the function's name");
        call_.name = unicode::trim(rest_.substr(0, brace));
        rest_.remove_prefix(brace);
        if (call_.name.empty()) return fail("the function has no name");
        if (!read_object(call_.arguments, 1)) return false;
        skip_space();
        return rest_.empty() || unexpected("nothing after the arguments");
    }

    void skip_space() {
        const std::size_t n = rest_.find_first_not_of(" \t\r\n");
        rest_.remove_prefix(n == std::string_view::npos ? rest_.size() : n);
    }
    bool take(std::string_view token) {
        if (!rest_.starts_with(token)) return false;
        rest_.remove_prefix(token.size());
        return true;
    }
    auto& memory() { return call_.arguments.GetAllocator(); }
    JsonValue text_value(std::string_view text) {
        return JsonValue(text.data() == nullptr ? "" : text.data(),
                         static_cast<rapidjson::SizeType>(text.size()), memory());
    }

    bool read_object(JsonValue& out, std::size_t depth) {
        if (depth > max_call_depth) return too_deep();
        take("{");
        out.SetObject();
        std::map<std::string, rapidjson::SizeType> places;  // of the members
        for (bool first = true;; first = false) {
            skip_space();
            if (take("}")) return true;  // also after a comma
            if (!first && !after_comma_) return unexpected(", or } after a value");
            std::string key;
            if (!read_key(key)) return false;
            skip_space();
            if (!take(":")) return unexpected(": after the key " + printable(key));
            JsonValue value;
            if (!read_value(value, depth)) return false;
            const auto [place, is_new] = places.try_emplace(std::move(key), out.MemberCount());
            if (is_new) {
                out.AddMember(text_value(place->first), std::move(value), memory());
            } else {
                (out.MemberBegin() + place->second)->value = std::move(value);
            }
            skip_space();
            after_comma_ = take(",");
        }
    }

    bool too_deep() {
        return fail("nested deeper than " + std::to_string(max_call_depth) + " levels");
    }

    bool read_array(JsonValue& out, std::size_t depth) {
        if (depth > max_call_depth) return too_deep();
        take("[");
        out.SetArray();
        for (bool first = true;; first = false) {
            skip_space();
            if (take("]")) return true;
            if (!first && !after_comma_) return unexpected(", or ] after a value");
            JsonValue value;
            if (!read_value(value, depth)) return false;
            out.PushBack(std::move(value), memory());
            skip_space();
            after_comma_ = take(",");
        }
    }

    bool read_key(std::string& out) {
        if (rest_.starts_with(quote)) return read_quoted(out);
        if (rest_.starts_with('"')) return read_json_string(out);
        const std::size_t end = rest_.find_first_of(":,{}[]");
        if (end == std::string_view::npos) return fail("cut off in a key");
        out = unicode::trim(rest_.substr(0, end));
        rest_.remove_prefix(end);
        return !out.empty() || unexpected("a key");
    }

    bool read_value(JsonValue& out, std::size_t depth) {
        skip_space();
        if (rest_.starts_with('{')) return read_object(out, depth + 1);
        if (rest_.starts_with('[')) return read_array(out, depth + 1);
        if (rest_.starts_with(quote) || rest_.starts_with('"')) {
            std::string text;
            if (!(rest_.starts_with('"') ? read_json_string(text) : read_quoted(text)))
                return false;
            out = text_value(text);
            return true;
        }
        const std::size_t end = rest_.find_first_of(",}]");
        if (end == std::string_view::npos) return fail("cut off in a value");
        const std::string_view text = unicode::trim(rest_.substr(0, end));
        rest_.remove_prefix(end);
        if (text.empty()) return unexpected("a value");
        out = literal(text);
        return true;
    }

    /// Any text without `<|"|>`, between two of them; no escapes.
    bool read_quoted(std::string& out) {
        rest_.remove_prefix(quote.size());
        const std::size_t end = rest_.find(quote);
        if (end == std::string_view::npos) return fail("cut off in a string");
        out = rest_.substr(0, end);
        rest_.remove_prefix(end + quote.size());
        return true;
    }

    /// A JSON string, in which raw control characters are tolerated.
    bool read_json_string(std::string& out) {
        rest_.remove_prefix(1);
        while (!rest_.empty()) {
            const char c = rest_.front();
            rest_.remove_prefix(1);
            if (c == '"') return true;
            if (c != '\\') {
                out += c;
                continue;
            }
            if (rest_.empty()) break;
            const char escape = rest_.front();
            rest_.remove_prefix(1);
            constexpr std::string_view names = "\"\\/bfnrt";
            constexpr std::string_view meanings = "\"\\/\b\f\n\r\t";
            if (const std::size_t known = names.find(escape); known != std::string_view::npos) {
                out += meanings[known];
            } else if (escape == 'u') {
                if (!read_unicode_escape(out))
                    return fail("expected four hexadecimal digits after \\u");
            } else {
                return fail(std::string("no JSON string has the escape \\") +
                            printable(std::string_view(&escape, 1)));
            }
        }
        return fail("cut off in a string");
    }

    /// The part of `\uXXXX` after the u, with the second half of a pair; a lone half becomes
    /// U+FFFD.
    bool read_unicode_escape(std::string& out) {
        std::uint32_t c = 0;
        if (!read_hex4(c)) return false;
        if (c >= 0xD800 && c < 0xDC00 && rest_.starts_with("\\u")) {
            const std::string_view before = rest_;
            rest_.remove_prefix(2);
            std::uint32_t low = 0;
            if (!read_hex4(low)) return false;
            if (low >= 0xDC00 && low < 0xE000) {
                c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
            } else {
                rest_ = before;
            }
        }
        unicode::append(out, c);
        return true;
    }
    bool read_hex4(std::uint32_t& out) {
        if (rest_.size() < 4) return false;
        const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + 4, out, 16);
        if (error != std::errc{} || end != rest_.data() + 4) return false;
        rest_.remove_prefix(4);
        return true;
    }

    /// What a bare word means. Numbers are JSON's, so `007` and `+1` are text, and so is a number
    /// beyond the range of a double.
    JsonValue literal(std::string_view text) {
        if (text == "true" || text == "false") return JsonValue(text == "true");
        if (text == "null" || text == "None") return JsonValue();
        bool is_integer = false;
        if (is_json_number(text, is_integer)) {
            const char* begin = text.data();
            const char* end = begin + text.size();
            std::int64_t small = 0;
            std::uint64_t large = 0;
            double real = 0;
            if (is_integer && std::from_chars(begin, end, small).ec == std::errc{})
                return JsonValue(small);
            if (is_integer && std::from_chars(begin, end, large).ec == std::errc{})
                return JsonValue(large);
            if (std::from_chars(begin, end, real).ec == std::errc{}) return JsonValue(real);
        }
        return text_value(text);
    }

    static bool is_json_number(std::string_view text, bool& is_integer) {
        const auto digits = [&] {
            const std::size_t n = std::min(text.find_first_not_of("0123456789"), text.size());
            text.remove_prefix(n);
            return n;
        };
        if (text.starts_with('-')) text.remove_prefix(1);
        const bool leading_zero = text.starts_with('0');
        const std::size_t whole = digits();
        if (whole == 0 || (leading_zero && whole > 1)) return false;
        is_integer = text.empty();
        if (text.starts_with('.')) {
            text.remove_prefix(1);
            if (digits() == 0) return false;
        }
        if (text.starts_with('e') || text.starts_with('E')) {
            text.remove_prefix(1);
            if (text.starts_with('+') || text.starts_with('-')) text.remove_prefix(1);
            if (digits() == 0) return false;
        }
        return text.empty();
    }

    std::string_view rest_;
    ToolCall call_;
    bool after_comma_ = false;
    std::string why_;
};

}  // namespace detail

CARAT_ONCE Result<ToolCall> parse_call(std::string_view text) {
    return memory_errors("the call", [&] { return detail::CallReader(text).read(); });
}

}  // namespace carat::inline CARAT_ABI

/// \file
/// The leaves of a schema as they are written: strings, numbers, constants, and the keys of
/// members.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/printable.hpp"
#include "carat/base/result.hpp"
#include "carat/constrain/char_automaton.hpp"
#include "carat/constrain/char_writer.hpp"
#include "carat/constrain/grammar.hpp"
#include "carat/constrain/number_pattern.hpp"
#include "carat/constrain/regex.hpp"
#include "carat/constrain/schema_document.hpp"
#include "carat/format/json.hpp"
#include "carat/format/json_writer.hpp"
#include "carat/prompt/prompt_text.hpp"
#include "carat/prompt/value_format.hpp"
#include "carat/text/unicode.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace carat::inline CARAT_ABI::constrain {

/// How values are written.
enum class ValueSyntax : std::uint8_t {
    json,
    call,  ///< of the arguments of a tool call: spec/chat.md, section 5
};

namespace detail {

/// Adds what leaves look like to a grammar, between states of it.
class SchemaValues : protected SchemaDocument {
  public:
    SchemaValues(Grammar& grammar, const JsonValue& root, ValueSyntax syntax, std::string name)
        : SchemaDocument(root, std::move(name), grammar.work), g_(grammar), syntax_(syntax) {}

  protected:
    static constexpr std::string_view quote = "<|\"|>";
    static constexpr std::size_t unlimited = std::numeric_limits<std::size_t>::max();

    std::uint32_t end() { return g_.add_state(true); }

    Result<void> one_of(const std::vector<const JsonValue*>& values,
                        const std::vector<std::string>& types, const std::string& where,
                        std::uint32_t start) {
        std::vector<std::string> texts;
        for (const JsonValue* v : values) {
            const bool integral = v->IsInt64() || v->IsUint64() ||
                                  (v->IsDouble() && std::floor(v->GetDouble()) == v->GetDouble());
            const bool right =
                types.empty() || std::any_of(types.begin(), types.end(), [&](auto& t) {
                    return t == kind_of(*v) || (t == "integer" && v->IsNumber() && integral);
                });
            if (right) texts.push_back(written(*v));
        }
        if (syntax_ == ValueSyntax::json) {
            g_.one_of(start, texts);
            return {};
        }
        for (std::size_t i = 0; i < texts.size(); ++i) {
            if (texts[i].find("<|\"|><|\"|>") == std::string::npos || texts[i] == "<|\"|><|\"|>") {
                g_.text(start, texts[i], end(), {quote});
                continue;
            }
            return Error{Errc::unsupported, joined({name(), ": ", where, ": a value that has ",
                                                    quote, " in it: ", printable(texts[i])})};
        }
        return {};
    }
    /// A value as it is written.
    std::string written(const JsonValue& v) const {
        if (syntax_ == ValueSyntax::call) {
            PromptText out;
            write_value(out, v, false);
            return out.text;
        }
        JsonWriter w;
        return std::string(w.value(v).text());
    }

    // ---- strings

    Result<void> string(const JsonValue& schema, const std::string& where, std::uint32_t start) {
        const auto least = count(schema, where, "minLength", 0);
        if (!least) return least.error();
        const auto most = count(schema, where, "maxLength", unlimited);
        if (!most) return most.error();
        const JsonValue* pattern = json::find(schema, "pattern");
        const JsonValue* format = json::find(schema, "format");
        const bool is_free =
            *least == 0 && *most == unlimited && pattern == nullptr && format == nullptr;
        if (*least > *most) return {};
        if (is_free && string_) {
            g_.call(start, *string_, end());
            return {};
        }
        std::optional<CharAutomaton> chars;
        const auto also = [&](Result<CharAutomaton> a, std::string_view word) -> Result<void> {
            if (!a) return refuse(where, word, a.error());
            if (chars) a = intersection(*chars, *a, work_);
            if (!a) return refuse(where, word, a.error());
            chars = *std::move(a);
            return {};
        };
        if (pattern != nullptr) {
            const auto text = json::string(pattern);
            if (!text) return refuse(where, "pattern", "expected a string");
            if (auto done = also(regex(*text, RegexMatch::inside, work_), "pattern"); !done)
                return done;
        }
        if (format != nullptr) {
            const std::string_view known = pattern_of(json::string(format).value_or(""));
            if (known.empty())
                return refuse(where, "format",
                              "expected date, time, date-time, uuid, email or ipv4");
            if (auto done = also(regex(known, RegexMatch::whole, work_), "format"); !done)
                return done;
        }
        if (*least > 0 || *most != unlimited)
            if (auto done = also(any_of_length(*least, *most),
                                 *most == unlimited ? "minLength" : "maxLength");
                !done)
                return done;
        if (!chars) chars = *any_of_length(0, unlimited);
        if (syntax_ == ValueSyntax::call) {
            static const CharAutomaton no_controls =
                without({U"<|\"|>", U"<turn|>", U"<eos>", U"<|tool_response>", U"<tool_call|>"});
            if (auto done = also(no_controls, "type"); !done) return done;
        }
        if (!is_free) return quoted(*chars, start);
        string_ = g_.add_rule();
        if (auto done = quoted(*chars, g_.rules[*string_].start); !done) return done;
        g_.call(start, *string_, end());
        return {};
    }
    /// Strings between quotes.
    Result<void> quoted(const CharAutomaton& chars, std::uint32_t start) {
        const std::uint32_t first = g_.add_state(), behind = end();
        const bool json = syntax_ == ValueSyntax::json;
        json ? g_.literal(start, "\"", first) : g_.control(start, quote, first);
        CharWriter(g_, json ? Spelling::json : Spelling::plain)
            .write(chars, first, [&](std::uint32_t at) {
                json ? g_.literal(at, "\"", behind) : g_.control(at, quote, behind);
            });
        return {};
    }
    // ---- numbers

    Result<void> number(bool integer, const JsonValue& schema, const std::string& where,
                        std::uint32_t start) {
        auto lo = bound(schema, where, "minimum", "exclusiveMinimum", integer, false);
        if (!lo) return lo.error();
        auto hi = bound(schema, where, "maximum", "exclusiveMaximum", integer, true);
        if (!hi) return hi.error();
        const std::string text = number_pattern(integer, *lo, *hi);
        if (text.empty()) return {};  // nothing lies between
        const auto chars = regex(text, RegexMatch::whole, work_);
        if (!chars) return refuse(where, "type", chars.error());
        CharWriter(g_, Spelling::plain).write(*chars, start, [&](std::uint32_t at) {
            g_.states[at].final = true;
        });
        return {};
    }
    // ---- keys

    /// A key with its colon, as it is written.
    Result<std::string> key_text(std::string_view key, const std::string& where) const {
        if (syntax_ == ValueSyntax::json) {
            JsonWriter w;
            return std::string(w.value(key).text()) + ":";
        }
        if (key.find(quote) != std::string_view::npos)
            return refuse(where, "properties", joined({"a name with ", quote, " in it"}));
        const bool bare = !key.empty() && unicode::trim(key) == key && key[0] != '"' &&
                          key.find_first_of(":,{}[]") == std::string_view::npos;
        return bare ? std::string(key) + ":"
                    : std::string(quote) + std::string(key) + std::string(quote) + ":";
    }
    /// A rule for keys that are not declared.
    Result<std::uint32_t> free_key(const std::vector<std::u32string>& names,
                                   const std::string& where) {
        const std::uint32_t r = g_.add_rule();
        if (syntax_ == ValueSyntax::json) {
            if (auto done = quoted(all_but(names), g_.rules[r].start); !done) return done.error();
            return r;
        }
        auto word = regex("[A-Za-z_][A-Za-z0-9_]{0,63}", RegexMatch::whole, work_);
        const auto both = word ? intersection(*word, all_but(names), work_) : std::move(word);
        if (!both) return refuse(where, "additionalProperties", both.error());
        CharWriter(g_, Spelling::plain).write(*both, g_.rules[r].start, [&](std::uint32_t at) {
            g_.states[at].final = true;
        });
        return r;
    }
    static std::u32string code_points(std::string_view text) {
        std::u32string out;
        while (!text.empty()) {
            const auto c = unicode::first_code_point(text);
            out += c.value;
            text.remove_prefix(std::max<std::size_t>(c.length, 1));
        }
        return out;
    }

    Grammar& g_;
    ValueSyntax syntax_;

  private:
    std::optional<std::uint32_t> string_;  // the rule of any string
};

}  // namespace detail

}  // namespace carat::inline CARAT_ABI::constrain

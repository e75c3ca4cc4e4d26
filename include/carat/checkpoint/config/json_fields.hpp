/// \file
/// FieldReader: the members of a JSON object into variables, with everything that does not fit
/// gathered into Faults. A member that is missing or null leaves its variable as it is.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/printable.hpp"
#include "carat/base/result.hpp"
#include "carat/checkpoint/faults.hpp"
#include "carat/format/json.hpp"

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace carat::inline CARAT_ABI {

/// The tree of a JSON text that is one object, as a file of settings is. Bad input: as
/// parse_json(), and any other value.
[[gnu::cold]] inline Result<Json> parse_object(std::string_view json_text, std::string_view what) {
    Result<Json> tree = parse_json(json_text, printable(what, 400));
    if (!tree || tree->IsObject()) return tree;
    Faults faults(what);
    faults.add(Errc::bad_format, joined({"is ", json::type_name(&*tree), ", expected an object"}));
    return faults.error();
}

class FieldReader {
  public:
    static constexpr std::size_t most_number = 0x7fffffff;

    /// `path` stands before every key in errors: "text_config.". The object must outlive the
    /// reader.
    FieldReader(const JsonValue& object, std::string path, Faults& faults)
        : object_(&object), path_(std::move(path)), faults_(&faults) {}

    /// The member, or null if it is missing or null.
    [[nodiscard]] const JsonValue* get(std::string_view key) const {
        const JsonValue* value = json::find(object_, key);
        return value == nullptr || value->IsNull() ? nullptr : value;
    }
    /// Says that a member is not what was expected, and what it is.
    void wrong(std::string_view key, const JsonValue* value, std::string_view expected,
               Errc code = Errc::bad_format) {
        faults_->add(code, joined({path_, key, " is ", describe(value), ", expected ", expected}));
    }
    /// A sentence about a member that is understood but not possible.
    void unsupported(std::string_view key, std::string_view sentence) {
        faults_->add(Errc::unsupported, path_ + std::string(key) + ' ' + std::string(sentence));
    }

    /// A whole number between `least` and `most`.
    void size(std::string_view key, std::size_t& out, std::size_t least = 0,
              std::size_t most = most_number) {
        const JsonValue* value = get(key);
        if (value == nullptr) return;
        const auto n = json::unsigned_integer(value);
        if (n && *n >= least && *n <= most)
            out = static_cast<std::size_t>(*n);
        else
            wrong(key, value, whole_number(least, most));
    }
    /// A token id.
    void id(std::string_view key, std::int32_t& out) {
        if (const JsonValue* value = get(key)) one_id(key, value, out);
    }
    /// A token id, or a list of them of which the first counts.
    void first_id(std::string_view key, std::int32_t& out) {
        const JsonValue* value = get(key);
        if (value == nullptr) return;
        if (!value->IsArray()) return static_cast<void>(one_id(key, value, out));
        if (value->Empty()) return wrong(key, value, "a token id or a list of them");
        one_id(std::string(key) + "[0]", &json::elements(value)[0], out);
    }
    /// A token id or a list of up to `most` of them.
    void ids(std::string_view key, std::vector<std::int32_t>& out, std::size_t most) {
        const JsonValue* value = get(key);
        if (value == nullptr) return;
        out.clear();
        if (!value->IsArray()) {
            std::int32_t only = 0;
            if (one_id(key, value, only)) out.push_back(only);
            return;
        }
        const std::span<const JsonValue> list = json::elements(value);
        if (list.size() > most) return wrong(key, value, joined({"at most ", most, " token ids"}));
        for (std::size_t i = 0; i < list.size() && !faults_->full(); ++i) {
            std::int32_t next = 0;
            if (one_id(std::string(key) + '[' + std::to_string(i) + ']', &list[i], next))
                out.push_back(next);
        }
    }
    /// Any number, whole or not.
    void real(std::string_view key, double& out) {
        const JsonValue* value = get(key);
        if (value == nullptr) return;
        const auto x = json::number(value);
        if (x && std::isfinite(*x))
            out = *x;
        else
            wrong(key, value, "a number");
    }
    /// A number greater than zero.
    void positive(std::string_view key, double& out) {
        const JsonValue* value = get(key);
        if (value == nullptr) return;
        const auto x = json::number(value);
        if (x && std::isfinite(*x) && *x > 0)
            out = *x;
        else
            wrong(key, value, "a number greater than 0");
    }
    void flag(std::string_view key, bool& out) {
        const JsonValue* value = get(key);
        if (value == nullptr) return;
        if (const auto b = json::boolean(value))
            out = *b;
        else
            wrong(key, value, "true or false");
    }
    /// A string out of a list; `out` becomes the value beside it.
    template <class T, std::size_t n>
    void choice(std::string_view key, T& out, const std::pair<std::string_view, T> (&choices)[n]) {
        std::array<std::string_view, n> names;
        for (std::size_t i = 0; i < n; ++i) names[i] = choices[i].first;
        const std::size_t chosen = choice(key, names);
        if (chosen < n) out = choices[chosen].second;
    }

    /// A value as an error shows it: short ones in full, others by their kind.
    [[nodiscard]] static std::string describe(const JsonValue* value) {
        if (const auto s = json::string(value)) return '"' + printable(*s, 60) + '"';
        if (const auto n = json::integer(value)) return std::to_string(*n);
        if (const auto n = json::unsigned_integer(value)) return std::to_string(*n);
        if (const auto b = json::boolean(value)) return *b ? "true" : "false";
        if (const auto x = json::number(value)) return number_text(*x);
        if (value != nullptr && value->IsArray())
            return "a list of " + std::to_string(json::elements(value).size());
        return json::type_name(value);
    }
    /// The shortest text that reads as the same number, within reason.
    [[nodiscard]] static std::string number_text(double x) {
        char text[40] = {};
        for (int digits = 6; digits <= 17; digits += 11) {
            std::snprintf(text, sizeof text, "%.*g", digits, x);
            if (std::strtod(text, nullptr) == x) break;
        }
        return text;
    }

  private:
    static std::string whole_number(std::size_t least, std::size_t most) {
        return joined({"a whole number from ", least, " to ", most});
    }
    /// Which of these names it is; as many as there are, if it is none.
    std::size_t choice(std::string_view key, std::span<const std::string_view> names) {
        const JsonValue* value = get(key);
        if (value == nullptr) return names.size();
        std::string expected;
        for (std::size_t i = 0; i < names.size(); ++i) {
            if (json::string(value) == names[i]) return i;
            expected.append(expected.empty() ? "" : ", ").append(names[i]);
        }
        wrong(key, value, names.size() == 1 ? expected : "one of " + expected,
              value->IsString() ? Errc::unsupported : Errc::bad_format);
        return names.size();
    }
    bool one_id(std::string_view key, const JsonValue* value, std::int32_t& out) {
        const auto n = json::unsigned_integer(value);
        if (!n || *n > most_number) {
            wrong(key, value, "a token id");
            return false;
        }
        out = static_cast<std::int32_t>(*n);
        return true;
    }

    const JsonValue* object_;
    std::string path_;
    Faults* faults_;
};

}  // namespace carat::inline CARAT_ABI

/// \file
/// What json.hpp declares.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/result.hpp"
#include "carat/format/json.hpp"
#include "carat/format/json_events.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace carat::inline CARAT_ABI {
namespace json {

namespace detail {

/// Hands the reader's events on to the tree, and stops at what nests too deep.
struct DepthLimiter final : Events {
    DepthLimiter(Json& to, std::size_t levels) : tree(to), most(levels) {}
    Json& tree;
    std::size_t most, depth = 0;

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
    bool StartObject() override { return ++depth <= most && tree.StartObject(); }
    bool EndObject(rapidjson::SizeType n) override { return --depth, tree.EndObject(n); }
    bool StartArray() override { return ++depth <= most && tree.StartArray(); }
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

inline Result<Json> parse(std::string_view text, std::string_view what, std::size_t most) {
    Json tree;
    DepthLimiter limiter(tree, most);
    Ending end{};
    auto read_all = [&](Json&) {
        end = read(text, limiter);
        return end.error == nullptr;
    };
    tree.Populate(read_all);
    if (end.error == nullptr) return tree;
    const bool deep = limiter.depth > most;
    return Error{Errc::bad_format, joined({what, ": ", line_and_column(text, end.offset),
                                           deep ? joined({": JSON nested deeper than ", most,
                                                          " levels, which carat does not read"})
                                                : std::string(": not JSON: ") + end.error})};
}

}  // namespace detail

}  // namespace json

CARAT_ONCE Result<Json> parse_json(std::string_view text, std::string_view what,
                                   std::size_t max_depth) {
    return memory_errors(what,
                         [&] { return json::detail::parse(without_mark(text), what, max_depth); });
}

}  // namespace carat::inline CARAT_ABI

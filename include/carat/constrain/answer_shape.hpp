/// \file
/// What form an answer must have, and the constraint that gives it that form.
#pragma once

#include "carat/base/result.hpp"
#include "carat/constrain/constraint.hpp"
#include "carat/constrain/token_trie.hpp"
#include "carat/format/json.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace carat::inline CARAT_ABI {

/// The form of an answer.
///
///     chat.answer_as(carat::AnswerShape::json(R"({"type": "object", …})"));
struct AnswerShape {
    enum class Kind : std::uint8_t { free, json, regex, choices, calls };
    Kind kind = Kind::free;
    std::vector<std::string> texts{};

    /// A JSON value that satisfies a schema; json_schema.hpp says which keywords are known.
    static AnswerShape json(std::string schema) { return {Kind::json, {std::move(schema)}}; }
    /// A text that an expression describes from end to end; see regex.hpp.
    static AnswerShape regex(std::string expression) {
        return {Kind::regex, {std::move(expression)}};
    }
    /// One of several texts.
    static AnswerShape choices(std::vector<std::string> texts) {
        return {Kind::choices, std::move(texts)};
    }
    /// Any text, but where it calls tools, they are declared ones with right arguments.
    static AnswerShape calls() { return {Kind::calls, {}}; }
};

/// The constraint that gives answers a form, for one vocabulary. `tools`, as declared in the
/// conversation, are for AnswerShape::calls. Bad input: a schema, an expression or tools that are
/// none, or not supported; the error says which part.
[[nodiscard]] Result<Constraint> make_constraint(const AnswerShape& shape,
                                                 std::shared_ptr<const constrain::TokenTrie> trie,
                                                 const JsonValue* tools = nullptr);

}  // namespace carat::inline CARAT_ABI

#ifndef CARAT_SEPARATE_COMPILATION
#include "carat/constrain/answer_shape.inl.hpp"
#endif

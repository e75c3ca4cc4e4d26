/// \file
/// A tool call as a model writes it, `call:name{key:value,…}`, read into JSON. Source:
/// spec/chat.md, section 13.
#pragma once

#include "carat/base/result.hpp"
#include "carat/format/json.hpp"

#include <cstddef>
#include <string>
#include <string_view>

namespace carat::inline CARAT_ABI {

/// A function that the model wants called. Move only, like the JSON it holds.
struct ToolCall {
    std::string name;
    Json arguments;  ///< an object
};

/// How deep a call's arguments may nest: a conversation that has them in a message, saved as a part
/// of a file, is no deeper than json::max_depth.
inline constexpr std::size_t max_call_depth = json::max_depth - 7;

/// The call that a text spells, `call:name{key:value,…}` with white space around any token. A text
/// that spells none, is cut off, or nests deeper than max_call_depth is an error that says why. Of
/// a key that is there twice the last value counts.
[[nodiscard]] Result<ToolCall> parse_call(std::string_view text);

}  // namespace carat::inline CARAT_ABI

#ifndef CARAT_SEPARATE_COMPILATION
#include "carat/prompt/call_syntax.inl.hpp"
#endif

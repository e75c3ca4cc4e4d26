/// \file
/// Messages into the prompt that Gemma 4 was trained on. Source: spec/chat.md, sections 2 to 8 (the
/// canonical revision).
#pragma once

#include "carat/base/result.hpp"
#include "carat/format/json.hpp"
#include "carat/prompt/chat_options.hpp"
#include "carat/prompt/prompt_text.hpp"

namespace carat::inline CARAT_ABI {

/// The prompt for a conversation: `messages` is an array, `tools` an array, null or absent, both in
/// the form of spec/chat.md, section 3. What is not of that form is an error that names the place
/// (`messages[2].tool_calls[0].function.arguments`).
[[nodiscard]] Result<PromptText> render_chat(const JsonValue& messages, const JsonValue* tools,
                                             const ChatOptions& options);

}  // namespace carat::inline CARAT_ABI

#ifndef CARAT_SEPARATE_COMPILATION
#include "carat/prompt/chat_format.inl.hpp"
#endif

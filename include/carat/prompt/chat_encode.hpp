/// \file
/// Messages into token ids, in which users cannot write control tokens.
#pragma once

#include "carat/base/result.hpp"
#include "carat/format/json.hpp"
#include "carat/prompt/chat_format.hpp"
#include "carat/prompt/chat_options.hpp"
#include "carat/prompt/prompt_text.hpp"
#include "carat/text/tokenizer.hpp"

#include <cstdint>
#include <utility>
#include <vector>

namespace carat::inline CARAT_ABI {

/// The ids of a rendered prompt. What spells a special token in its user text (`<|turn>`,
/// `<|image|>`) stays text; where nothing does, the ids are those of the whole text.
[[nodiscard]] inline Result<std::vector<std::int32_t>> encode_prompt(const Tokenizer& tokenizer,
                                                                     const PromptText& prompt) {
    return tokenizer.encode(prompt.text, {.user_text = prompt.user_text});
}

/// The ids of the prompt for a conversation: render_chat and encode_prompt in one.
[[nodiscard]] inline Result<std::vector<std::int32_t>> encode_chat(const Tokenizer& tokenizer,
                                                                   const JsonValue& messages,
                                                                   const JsonValue* tools,
                                                                   const ChatOptions& options) {
    auto prompt = render_chat(messages, tools, options);
    if (!prompt) return std::move(prompt).error();
    return encode_prompt(tokenizer, *prompt);
}

}  // namespace carat::inline CARAT_ABI

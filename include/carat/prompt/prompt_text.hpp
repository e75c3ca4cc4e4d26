/// \file
/// A prompt as it is being written: text, and which parts of it came from outside.
#pragma once

#include "carat/text/added_tokens.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace carat::inline CARAT_ABI {

/// The text of a prompt. What the chat format itself writes is control text, where `<|turn>` is a
/// token; what came in with messages and tools is user text, where it is six letters. `user_text`
/// tells a tokenizer where the one ends and the other begins (EncodeOptions::user_text).
struct PromptText {
    std::string text;
    std::vector<TextRange> user_text;  ///< ascending, not touching

    void control(std::string_view part) { text += part; }
    void user(std::string_view part) {
        if (part.empty()) return;
        if (user_text.empty() || user_text.back().end != text.size())
            user_text.push_back({text.size(), text.size()});
        text += part;
        user_text.back().end = text.size();
    }
    /// User text between the string quotes of the tool syntax, without any escaping.
    void quoted(std::string_view part) {
        control("<|\"|>");
        user(part);
        control("<|\"|>");
    }
};

}  // namespace carat::inline CARAT_ABI

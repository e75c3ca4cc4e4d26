/// \file
/// A conversation as the tokens that a model reads, and which of them it has read before.
#pragma once

#include "carat/base/progress.hpp"
#include "carat/base/result.hpp"
#include "carat/chat/chat_media.hpp"
#include "carat/chat/context_window.hpp"
#include "carat/config/model_config.hpp"
#include "carat/format/json.hpp"
#include "carat/prompt/chat_encode.hpp"
#include "carat/prompt/chat_text.hpp"
#include "carat/prompt/conversation.hpp"
#include "carat/prompt/media_expansion.hpp"
#include "carat/text/tokenizer.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace carat::inline CARAT_ABI {

/// Tokens in a session, or to be in it. Of two media with the same ids the contents differ; text
/// has 0.
struct ChatTokens {
    std::vector<std::int32_t> ids{};
    std::vector<std::uint64_t> contents{};
    void resize(std::size_t n) {
        ids.resize(n);
        contents.resize(n);
    }
};

/// How many tokens of a prompt are held already. At least one is left to compute, since its logits
/// are wanted; a medium is never cut.
[[nodiscard]] std::size_t shared_prefix(const ChatTokens& held, const ChatTokens& prompt);

struct ChatPrompt : ChatTokens {
    std::vector<std::uint8_t> types{};  ///< of every token, nothing where there are no media
    std::vector<float> rows{};  ///< [placeholders, hidden]; nothing in a prompt that is too long
    bool in_thought = false;    ///< the answer goes on with a thought
    double media_ms = 0;        ///< what reading media took
};

/// Makes prompts of a conversation: of what a window shows of it. All it refers to must stay.
struct PromptMaker {
    const Conversation& talk;
    const ChatOptions& options;
    const Tokenizer& tokenizer;
    ChatMedia& media;
    MediaTokens tokens;
    std::size_t hidden, context_tokens;
    Progress progress;

    /// A prompt of more than context_tokens is one that nobody reads. Bad input: messages that
    /// cannot be rendered, media that cannot be read, a prompt that is too long to encode.
    [[nodiscard]] Result<ChatPrompt> through(const ContextWindow& window) const;
    /// The same through a window that slides until there is room for `reserve` tokens more; after
    /// an error it is where it was.
    [[nodiscard]] Result<ChatPrompt> with_room(ContextWindow& window, std::size_t reserve) const;

  private:
    [[nodiscard]] Result<ChatPrompt> prompt(const JsonValue& messages) const;
    /// Media, those of a kind in the order of its placeholders, to the tokens that stand for them.
    [[nodiscard]] Result<void> place(std::span<const ChatMedia::Held* const> parts,
                                     ChatPrompt& p) const;
};

}  // namespace carat::inline CARAT_ABI

#ifndef CARAT_SEPARATE_COMPILATION
#include "carat/chat/chat_prompt.inl.hpp"
#endif

/// \file
/// What a chat is told, and what it says of an answer.
#pragma once

#include "carat/generate/generate.hpp"
#include "carat/prompt/chat_options.hpp"
#include "carat/prompt/chat_parse.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace carat::inline CARAT_ABI {

/// What happens when a conversation no longer fits into the context. A prompt that does not fit,
/// with `slide` the latest question by itself, is not read: the reply is empty and its stop
/// context_full.
enum class FullContext : std::uint8_t {
    stop,   ///< the answer stops, with StopReason::context_full
    slide,  ///< the model forgets the oldest questions and answers; the system turn stays
};

struct ChatSettings {
    ChatOptions format{};          ///< Chat::open finds the variant in the model's folder
    std::size_t max_tokens = 512;  ///< of an answer
    SessionOptions session{};      ///< how long the conversation may get
    FullContext full = FullContext::stop;
    /// Nothing: what the model's files say. Start from model.sampler_options(): SamplerOptions{}
    /// alone draws from the whole vocabulary, with a temperature of its own. What the model must
    /// not say, such as placeholders of soft tokens, is never drawn.
    std::optional<SamplerOptions> sampling{};
};

/// One answer, and what it took.
struct ChatTurn {
    std::vector<std::int32_t> input_ids{};  ///< the whole prompt
    std::vector<std::int32_t> token_ids{};  ///< the answer, with the stop token
    Reply reply{};
    StopReason stop = StopReason::stop_token;
    std::size_t reused = 0;     ///< tokens of the prompt that were remembered
    std::size_t forgotten = 0;  ///< messages that the context has no room for, in all
    double media_ms = 0, read_ms = 0, write_ms = 0;
    DraftStats drafts{};  ///< where a drafter guesses
};

}  // namespace carat::inline CARAT_ABI

/// \file
/// What holds for every answer of a chat: when it is due, how it is drawn, where it ends.
#pragma once

#include "carat/base/result.hpp"
#include "carat/chat/chat_settings.hpp"
#include "carat/format/json.hpp"
#include "carat/generate/sampler.hpp"
#include "carat/prompt/conversation.hpp"
#include "carat/text/tokenizer.hpp"

#include <cstdint>
#include <utility>
#include <vector>

namespace carat::inline CARAT_ABI::detail {

/// Bad input: a conversation that leaves nothing to say.
[[nodiscard]] inline Result<void> check_asked(const Conversation& talk) {
    const auto messages = json::elements(talk.messages());
    if (messages.empty())
        return Error{Errc::invalid_argument, "there is no message, expected the user's"};
    const auto role = json::string(json::find(messages.back(), "role"));
    const bool of_model = role == "assistant" || role == "model";
    if (of_model && !json::truthy(json::find(messages.back(), "tool_responses")))
        return Error{Errc::invalid_argument,
                     "the last message is the model's, expected the user's or a function's result"};
    return {};
}

/// What the model never says it does not say either where the host chooses how it speaks.
template <class Model>
SamplerOptions sampling_of(const Model& model, const ChatSettings& settings) {
    SamplerOptions options = model.sampler_options();
    if (!settings.sampling) return options;
    const std::vector<std::int32_t> never = std::move(options.suppress_tokens);
    options = *settings.sampling;
    options.suppress_tokens.insert(options.suppress_tokens.end(), never.begin(), never.end());
    return options;
}

/// The tokens that end a turn. A model's files may name `<eos>` alone; a turn ends with the chat
/// format's as well.
template <class Model>
std::vector<std::int32_t> turn_ends(const Model& model, const Tokenizer& tokenizer) {
    std::vector<std::int32_t> ids = model.generation().eos_token_ids;
    for (const char* piece : {"<turn|>", "<|tool_response>"})
        if (const auto id = tokenizer.id_of(piece)) ids.push_back(*id);
    return ids;
}

}  // namespace carat::inline CARAT_ABI::detail

/// \file
/// Answers with functions: rounds of a turn, its calls and what they return.
#pragma once

#include "carat/base/progress.hpp"
#include "carat/base/result.hpp"
#include "carat/chat/chat_settings.hpp"
#include "carat/format/json.hpp"
#include "carat/generate/generate.hpp"
#include "carat/prompt/call_syntax.hpp"
#include "carat/prompt/tools.hpp"

#include <cstddef>
#include <utility>

namespace carat::inline CARAT_ABI::detail {

/// What Chat::reply(tools, …) says it does.
template <class Chat, class OnEvent, class OnResult>
Result<ChatTurn> reply_with_tools(Chat& chat, const Tools& tools, OnEvent& on_event,
                                  OnResult& on_result, Progress progress, std::size_t limit) {
    for (std::size_t round = 0;; ++round) {
        auto turn = chat.reply(on_event, progress);
        if (!turn || turn->reply.tool_calls.empty() || round == limit ||
            turn->stop == StopReason::caller)
            return turn;
        for (const ToolCall& call : turn->reply.tool_calls) {
            auto told = memory_errors("a result of a call", [&] {
                const Json value = tools.call(call);
                on_result(call, static_cast<const JsonValue&>(value));
                return chat.conversation().tool_result(call.name, value);
            });
            if (!told) return std::move(told).error();
        }
    }
}

}  // namespace carat::inline CARAT_ABI::detail

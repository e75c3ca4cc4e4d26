/// \file
/// What chat_prompt.hpp declares.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/progress.hpp"
#include "carat/base/result.hpp"
#include "carat/chat/chat_media.hpp"
#include "carat/chat/chat_prompt.hpp"
#include "carat/chat/context_window.hpp"
#include "carat/config/model_config.hpp"
#include "carat/format/json.hpp"
#include "carat/prompt/chat_encode.hpp"
#include "carat/prompt/chat_text.hpp"
#include "carat/prompt/media_expansion.hpp"
#include "carat/prompt/media_parts.hpp"
#include "carat/text/tokenizer.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace carat::inline CARAT_ABI {

CARAT_ONCE std::size_t shared_prefix(const ChatTokens& held, const ChatTokens& prompt) {
    std::size_t n = 0;
    while (n + 1 < prompt.ids.size() && n < held.ids.size() && prompt.ids[n] == held.ids[n] &&
           prompt.contents[n] == held.contents[n])
        ++n;
    while (n > 0 && prompt.contents[n] != 0 && prompt.contents[n] == prompt.contents[n - 1]) --n;
    return n;
}

CARAT_ONCE Result<ChatPrompt> PromptMaker::through(const ContextWindow& window) const {
    return memory_errors("the prompt", [&] { return prompt(window.visible(talk.messages())); });
}

CARAT_ONCE Result<ChatPrompt> PromptMaker::with_room(ContextWindow& window,
                                                     std::size_t reserve) const {
    auto p = through(window);
    const auto fits = [&] { return p->ids.size() + reserve <= context_tokens; };
    if (!p || fits()) return p;
    return memory_errors("the prompt", [&]() -> Result<ChatPrompt> {
        auto slid = window.slid(talk.messages(), [&](const ContextWindow& w) -> Result<bool> {
            p = through(w);
            if (!p) return p.error();
            return fits();
        });
        if (!slid) return std::move(slid).error();
        p = through(*slid);
        if (p) window = *slid;
        return std::move(p);
    });
}

CARAT_ONCE Result<ChatPrompt> PromptMaker::prompt(const JsonValue& messages) const {
    auto text = render_chat(messages, talk.tools(), options);
    if (!text) return std::move(text).error();
    ChatPrompt p;
    p.in_thought = starts_in_thought(text->text);
    const auto start = std::chrono::steady_clock::now();
    std::vector<MediaText> texts;
    std::vector<const ChatMedia::Held*> parts;
    std::size_t bytes = text->text.size();
    for (const MediaPart& part : media_parts(messages)) {
        const auto medium = media.read(part, hidden, progress);
        if (!medium) return medium.error();
        bytes += (*medium)->text.text.size();  // a few bytes of a message stand for thousands
        if (bytes > Tokenizer::max_text_bytes)
            return Error{Errc::out_of_range,
                         joined({part.where, ": with this the prompt has ", bytes,
                                 " bytes, expected at most ", Tokenizer::max_text_bytes})};
        texts.push_back((*medium)->text);
        parts.push_back(*medium);
    }
    p.media_ms =
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
    if (!parts.empty()) {
        text = expand_media(*text, texts);
        if (!text) return std::move(text).error();
    }
    auto ids = encode_prompt(tokenizer, *text);
    if (!ids) return std::move(ids).error();
    p.ids = *std::move(ids);
    p.contents.assign(p.ids.size(), 0);
    // The rows of what nobody reads would be gigabytes: a medium may be named often.
    if (parts.empty() || p.ids.size() > context_tokens) return p;
    if (auto placed = place(parts, p); !placed) return std::move(placed).error();
    return p;
}

CARAT_ONCE Result<void> PromptMaker::place(std::span<const ChatMedia::Held* const> parts,
                                           ChatPrompt& p) const {
    p.types.assign(p.ids.size(), 0);
    struct Next {
        std::size_t part = 0, row = 0;  // the medium, and how many of its rows have a place
    };
    std::array<Next, 3> by_kind{};
    for (std::size_t i = 0; i < p.ids.size(); ++i) {
        const std::int32_t id = p.ids[i];
        if (!tokens.is_placeholder(id)) continue;
        const MediaKind kind = id == tokens.image   ? MediaKind::image
                               : id == tokens.video ? MediaKind::video
                                                    : MediaKind::audio;
        auto& [next, rows] = by_kind[static_cast<std::size_t>(kind)];
        while (next < parts.size() &&
               (parts[next]->text.kind != kind || rows * hidden >= parts[next]->rows.size())) {
            ++next;
            rows = 0;
        }
        if (next == parts.size())
            return Error{Errc::mismatch, "there are more placeholders than soft tokens"};
        const float* row = parts[next]->rows.data() + rows++ * hidden;
        p.rows.insert(p.rows.end(), row, row + hidden);
        p.contents[i] = parts[next]->content;
        p.types[i] = id == tokens.image ? 1 : id == tokens.video ? 2 : 3;
    }
    return {};
}

}  // namespace carat::inline CARAT_ABI

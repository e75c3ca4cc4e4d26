/// \file
/// What media_expansion.hpp declares.
#pragma once

#include "carat/base/result.hpp"
#include "carat/prompt/media_expansion.hpp"
#include "carat/prompt/media_parts.hpp"
#include "carat/prompt/prompt_text.hpp"

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace carat::inline CARAT_ABI {

CARAT_ONCE MediaText audio_text(std::size_t soft_tokens) {
    MediaText t{MediaKind::audio, "<|audio>"};
    for (std::size_t i = 0; i < soft_tokens; ++i) t.text += placeholder_of(MediaKind::audio);
    t.text += "<audio|>";
    return t;
}

CARAT_ONCE MediaText image_text(std::size_t soft_tokens) {
    MediaText t{MediaKind::image, "<|image>"};
    for (std::size_t i = 0; i < soft_tokens; ++i) t.text += placeholder_of(MediaKind::image);
    t.text += "<image|>";
    return t;
}

CARAT_ONCE MediaText video_text(std::span<const std::string> timestamps,
                                std::size_t soft_tokens_per_frame) {
    MediaText t{MediaKind::video, {}};
    for (const std::string& time : timestamps) {
        if (!t.text.empty()) t.text += ' ';
        t.text += time + " <|image>";
        for (std::size_t i = 0; i < soft_tokens_per_frame; ++i)
            t.text += placeholder_of(MediaKind::video);
        t.text += "<image|>";
    }
    return t;
}

CARAT_ONCE Result<PromptText> expand_media(const PromptText& prompt,
                                           std::span<const MediaText> media) {
    return memory_errors("the prompt", [&]() -> Result<PromptText> {
        PromptText out;
        std::array<std::size_t, 3> next{}, found{}, given{};
        for (const MediaText& m : media) ++given[static_cast<std::size_t>(m.kind)];
        const auto take = [&](MediaKind kind) -> std::string_view {
            const auto k = static_cast<std::size_t>(kind);
            ++found[k];
            while (next[k] < media.size() && media[next[k]].kind != kind) ++next[k];
            return next[k] < media.size() ? std::string_view(media[next[k]++].text)
                                          : std::string_view();
        };
        const auto control = [&](std::string_view text) {
            std::size_t from = 0;
            for (std::size_t at = text.find("<|"); at != text.npos; at = text.find("<|", at + 1))
                for (const MediaKind kind : {MediaKind::image, MediaKind::audio, MediaKind::video})
                    if (text.substr(at).starts_with(placeholder_of(kind))) {
                        out.control(text.substr(from, at - from));
                        out.control(take(kind));
                        from = at + placeholder_of(kind).size();
                    }
            out.control(text.substr(from));
        };
        const std::string_view text = prompt.text;
        std::size_t at = 0;
        for (const TextRange& user : prompt.user_text) {
            control(text.substr(at, user.begin - at));
            out.user(text.substr(user.begin, user.end - user.begin));
            at = user.end;
        }
        control(text.substr(at));
        for (const MediaKind kind : {MediaKind::image, MediaKind::audio, MediaKind::video})
            if (const auto k = static_cast<std::size_t>(kind); found[k] != given[k])
                return Error{Errc::mismatch, "the prompt has " + std::to_string(found[k]) + " " +
                                                 std::string(placeholder_of(kind)) +
                                                 ", but there " + (given[k] == 1 ? "is " : "are ") +
                                                 std::to_string(given[k]) + " of that kind"};
        return out;
    });
}

}  // namespace carat::inline CARAT_ABI

/// \file
/// Placeholders of a prompt into as many soft token slots as their media have. Source:
/// spec/processing.md, 3.
#pragma once

#include "carat/result.hpp"
#include "carat/text/media_parts.hpp"
#include "carat/text/prompt_text.hpp"

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace carat::inline CARAT_ABI {

/// What stands in the prompt for one medium.
struct MediaText {
    MediaKind kind = MediaKind::image;
    std::string text;
};

/// The placeholder of a kind, as the chat format writes it.
[[nodiscard]] constexpr std::string_view placeholder_of(MediaKind kind) {
    constexpr std::array<std::string_view, 3> names = {"<|image|>", "<|audio|>", "<|video|>"};
    return names[static_cast<std::size_t>(kind)];
}

/// `<|audio>`, a slot for each soft token of a clip, `<audio|>`.
[[nodiscard]] inline MediaText audio_text(std::size_t soft_tokens) {
    MediaText t{MediaKind::audio, "<|audio>"};
    for (std::size_t i = 0; i < soft_tokens; ++i) t.text += placeholder_of(MediaKind::audio);
    t.text += "<audio|>";
    return t;
}

/// `<|image>`, a slot for each soft token of a picture, `<image|>`.
[[nodiscard]] inline MediaText image_text(std::size_t soft_tokens) {
    MediaText t{MediaKind::image, "<|image>"};
    for (std::size_t i = 0; i < soft_tokens; ++i) t.text += placeholder_of(MediaKind::image);
    t.text += "<image|>";
    return t;
}
/// The frames of a video, each with the time it is shown at ("00:07"), one blank between them.
[[nodiscard]] inline MediaText video_text(std::span<const std::string> timestamps,
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

/// The prompt with the i-th placeholder of each kind replaced by the i-th of the media of that
/// kind. A placeholder that a user spelled is text and stays. Bad input: a prompt with more or
/// fewer placeholders of a kind than media.
[[nodiscard]] inline Result<PromptText> expand_media(const PromptText& prompt,
                                                     std::span<const MediaText> media) {
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
                                             std::string(placeholder_of(kind)) + ", but there " +
                                             (given[k] == 1 ? "is " : "are ") +
                                             std::to_string(given[k]) + " of that kind"};
    return out;
}

}  // namespace carat::inline CARAT_ABI

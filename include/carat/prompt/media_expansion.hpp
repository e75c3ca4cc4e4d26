/// \file
/// Placeholders of a prompt into as many soft token slots as their media have. Source:
/// spec/processing.md, 3.
#pragma once

#include "carat/base/result.hpp"
#include "carat/prompt/media_parts.hpp"
#include "carat/prompt/prompt_text.hpp"

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

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
[[nodiscard]] MediaText audio_text(std::size_t soft_tokens);

/// `<|image>`, a slot for each soft token of a picture, `<image|>`.
[[nodiscard]] MediaText image_text(std::size_t soft_tokens);
/// The frames of a video, each with the time it is shown at ("00:07"), one blank between them.
[[nodiscard]] MediaText video_text(std::span<const std::string> timestamps,
                                   std::size_t soft_tokens_per_frame);

/// The prompt with the i-th placeholder of each kind replaced by the i-th of the media of that
/// kind. A placeholder that a user spelled is text and stays. Bad input: a prompt with more or
/// fewer placeholders of a kind than media.
[[nodiscard]] Result<PromptText> expand_media(const PromptText& prompt,
                                              std::span<const MediaText> media);

}  // namespace carat::inline CARAT_ABI

#ifndef CARAT_SEPARATE_COMPILATION
#include "carat/prompt/media_expansion.inl.hpp"
#endif

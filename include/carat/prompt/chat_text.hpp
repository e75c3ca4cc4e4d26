/// \file
/// The small rules of the chat format about thoughts and media. Source: spec/chat.md, sections 3, 4
/// and 8.
#pragma once

#include "carat/text/unicode.hpp"

#include <cstddef>
#include <string>
#include <string_view>

namespace carat::inline CARAT_ABI {

/// What a prompt ends with when the model is to go on in the middle of a thought.
inline constexpr std::string_view open_thought = "<|channel>thought\n";

/// Whether the model's answer to a prompt starts inside of a thought (after a tool's result, with
/// thinking on).
[[nodiscard]] inline bool starts_in_thought(std::string_view prompt) noexcept {
    return prompt.ends_with(open_thought);
}

/// A text without thoughts: what stands between `<|channel>` and `<channel|>`, or after a
/// `<|channel>` that nothing closes, is left out; a stray `<channel|>` disappears. Trimmed.
[[nodiscard]] inline std::string strip_thinking(std::string_view text) {
    constexpr std::string_view opens = "<|channel>";
    constexpr std::string_view closes = "<channel|>";
    std::string out;
    for (bool more = true; more;) {
        const std::size_t end = text.find(closes);
        more = end != std::string_view::npos;
        const std::string_view piece = text.substr(0, end);
        out += piece.substr(0, piece.find(opens));
        if (more) text.remove_prefix(end + closes.size());
    }
    return std::string(unicode::trim(out));
}

/// The placeholder of a part of a message (`<|image|>`, `<|audio|>`, `<|video|>`), empty for text
/// and unknown types.
[[nodiscard]] inline std::string_view media_placeholder(std::string_view part_type) noexcept {
    if (part_type == "image" || part_type == "image_url") return "<|image|>";
    if (part_type == "audio" || part_type == "input_audio") return "<|audio|>";
    if (part_type == "video") return "<|video|>";
    return {};
}

}  // namespace carat::inline CARAT_ABI

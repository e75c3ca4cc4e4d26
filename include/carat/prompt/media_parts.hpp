/// \file
/// The pictures, sounds and videos that messages name, those of a kind in the order of their
/// placeholders in the prompt.
#pragma once

#include "carat/format/json.hpp"

#include <string>
#include <vector>

namespace carat::inline CARAT_ABI {

enum class MediaKind { image, audio, video };

/// One part of a message that is not text.
struct MediaPart {
    MediaKind kind = MediaKind::image;
    std::string source;  ///< path or URL as the message gives it, empty where it gives none
    std::string where;   ///< `messages[1].content[0]`, for errors
    const JsonValue* part =
        nullptr;  ///< the whole part, for options such as `fps`; belongs to the messages
};

/// All media of a conversation, tool messages included. The source is the first string among the
/// members named like the kind, `url`, `path` and `base64`, or inside an object of that name
/// (`{"type": "image_url", "image_url": {"url": …}}`). Messages that are not of the form of the
/// chat format are passed over: render_chat reports them. Source: spec/processing.md, 3.2.
[[nodiscard]] std::vector<MediaPart> media_parts(const JsonValue& messages);

}  // namespace carat::inline CARAT_ABI

#ifndef CARAT_SEPARATE_COMPILATION
#include "carat/prompt/media_parts.inl.hpp"
#endif

/// \file
/// The pictures, sounds and videos that messages name, in the order of their placeholders in the
/// prompt.
#pragma once

#include "carat/json.hpp"

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
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
[[nodiscard]] inline std::vector<MediaPart> media_parts(const JsonValue& messages) {
    struct Name {
        std::string_view type;
        MediaKind kind;
    };
    constexpr std::array<Name, 5> names = {{{"image", MediaKind::image},
                                            {"image_url", MediaKind::image},
                                            {"audio", MediaKind::audio},
                                            {"input_audio", MediaKind::audio},
                                            {"video", MediaKind::video}}};
    std::vector<MediaPart> found;
    std::size_t message = 0;
    for (const JsonValue& m : json::elements(messages)) {
        std::size_t index = 0;
        for (const JsonValue& part : json::elements(json::find(m, "content"))) {
            const auto type = json::string(json::find(part, "type"));
            for (const Name& name : names) {
                if (type != name.type) continue;
                MediaPart media{name.kind, {}, {}, &part};
                media.where = "messages[" + std::to_string(message) + "].content[" +
                              std::to_string(index) + "]";
                for (const std::string_view key :
                     {name.type, std::string_view("url"), std::string_view("path"),
                      std::string_view("base64")}) {
                    const JsonValue* value = json::find(part, key);
                    if (value != nullptr && value->IsObject()) value = json::find(value, "url");
                    if (const auto text = json::string(value); text && media.source.empty())
                        media.source = *text;
                }
                found.push_back(std::move(media));
            }
            ++index;
        }
        ++message;
    }
    return found;
}

}  // namespace carat::inline CARAT_ABI

/// \file
/// What media_parts.hpp declares.
#pragma once

#include "carat/format/json.hpp"
#include "carat/prompt/media_parts.hpp"

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace carat::inline CARAT_ABI {

CARAT_ONCE std::vector<MediaPart> media_parts(const JsonValue& messages) {
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

/// \file
/// ModelConfig: a whole Gemma 4, the value a program is compiled for. Source: spec/variants.md
/// sections 1 to 4.
#pragma once

#include "carat/config/audio_config.hpp"
#include "carat/config/text_config.hpp"
#include "carat/config/vision_config.hpp"

#include <cstdint>

namespace carat::inline CARAT_ABI {

/// Ids of the tokens that stand for media, from the top level of config.json.
struct MediaTokens {
    std::int32_t image = 258880, video = 258884, audio = 258881;  ///< one for each soft token
    std::int32_t boi = 255999, eoi = 258882;  ///< around an image or a video frame
    std::int32_t boa = 256000, eoa = 258883;  ///< around a clip

    friend constexpr bool operator==(const MediaTokens&, const MediaTokens&) = default;
    /// Ids whose embedding is replaced by a soft token; without one they are embedded as the pad
    /// token.
    [[nodiscard]] constexpr bool is_placeholder(std::int32_t id) const {
        return id == image || id == video || id == audio;
    }
};

struct ModelConfig {
    TextConfig text{};
    VisionConfig vision{};
    AudioConfig audio{};
    MediaTokens tokens{};
    bool multimodal = true;  ///< false: a text-only export, in which no id is a placeholder

    friend constexpr bool operator==(const ModelConfig&, const ModelConfig&) = default;
};

}  // namespace carat::inline CARAT_ABI

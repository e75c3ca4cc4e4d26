/// \file
/// processor_config.json in a model's folder, and the older files of pictures and videos: how the
/// model wants its pictures and its sound.
#pragma once

#include "carat/base/open_file.hpp"
#include "carat/base/result.hpp"
#include "carat/media/audio/mel_config.hpp"
#include "carat/media/image/picture_config.hpp"
#include "carat/text/read_file.hpp"

#include <array>
#include <cstddef>
#include <string>
#include <utility>

namespace carat::inline CARAT_ABI {
namespace detail {

inline constexpr const char* processor_files[] = {
    "processor_config.json", "preprocessor_config.json", "video_preprocessor_config.json"};

}  // namespace detail

/// How a model's folder wants its pictures and videos; as every published Gemma 4 where it does not
/// say. Bad input: a file that cannot be read, or as read_vision_processor_config().
[[nodiscard]] inline Result<VisionProcessorConfig> picture_config(const std::string& model_folder) {
    return memory_errors(model_folder, [&]() -> Result<VisionProcessorConfig> {
        struct File {
            std::string path, text;
            [[nodiscard]] ProcessorFile view() const { return {text, path}; }
        };
        std::array<File, 3> files;
        for (std::size_t i = 0; i < files.size(); ++i) {
            const std::string path = path_in(model_folder, detail::processor_files[i]);
            if (!file_exists(path)) continue;
            auto text = read_file(path);
            if (!text) return std::move(text).error();
            files[i] = {path, *std::move(text)};
        }
        return read_vision_processor_config(
            {.processor = files[0].view(), .image = files[1].view(), .video = files[2].view()});
    });
}

/// The same of its sound. Bad input: a file that cannot be read, or as read_mel_config().
[[nodiscard]] inline Result<MelConfig> mel_config(const std::string& model_folder) {
    return memory_errors(model_folder, [&]() -> Result<MelConfig> {
        const std::string path = path_in(model_folder, detail::processor_files[0]);
        if (!file_exists(path)) return MelConfig{};
        const auto text = read_file(path);
        if (!text) return text.error();
        return read_mel_config(*text, path);
    });
}

}  // namespace carat::inline CARAT_ABI

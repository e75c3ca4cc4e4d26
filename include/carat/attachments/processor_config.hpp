/// \file
/// The processor_config.json in a model's folder: how the model wants its pictures and its sound.
#pragma once

#include "carat/base/open_file.hpp"
#include "carat/base/result.hpp"
#include "carat/media/audio/mel_config.hpp"
#include "carat/media/image/picture_config.hpp"
#include "carat/text/read_file.hpp"

#include <string>

namespace carat::inline CARAT_ABI {
namespace detail {

/// A part of it, as every published Gemma 4 has it where the folder has no such file.
template <class Config>
Result<Config> in_folder(const std::string& model_folder,
                         Result<Config> (*read)(std::string_view, std::string_view)) {
    const std::string path = path_in(model_folder, "processor_config.json");
    if (!file_exists(path)) return Config{};
    const auto text = read_file(path);
    if (!text) return text.error();
    return read(*text, path);
}

}  // namespace detail

/// How a model's folder wants its pictures and videos; as every published Gemma 4 where it does not
/// say. Bad input: a file that cannot be read, or as read_vision_processor_config().
[[nodiscard]] inline Result<VisionProcessorConfig> picture_config(const std::string& model_folder) {
    return memory_errors(model_folder, [&] {
        return detail::in_folder<VisionProcessorConfig>(model_folder, read_vision_processor_config);
    });
}

/// The same of its sound. Bad input: a file that cannot be read, or as read_mel_config().
[[nodiscard]] inline Result<MelConfig> mel_config(const std::string& model_folder) {
    return memory_errors(
        model_folder, [&] { return detail::in_folder<MelConfig>(model_folder, read_mel_config); });
}

}  // namespace carat::inline CARAT_ABI

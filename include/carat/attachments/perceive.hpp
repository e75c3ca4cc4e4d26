/// \file
/// Pictures and sounds that are in memory, through a model's towers: what a MediaReader returns.
#pragma once

#include "carat/base/progress.hpp"
#include "carat/base/result.hpp"
#include "carat/chat/chat_media.hpp"
#include "carat/media/audio/mel.hpp"
#include "carat/media/image/image.hpp"
#include "carat/media/image/patches.hpp"
#include "carat/nn/audio/subsampling.hpp"
#include "carat/parallel/executor.hpp"
#include "carat/prompt/media_expansion.hpp"

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

namespace carat::inline CARAT_ABI {
namespace detail {

template <class SoftTokens>
std::vector<float> values_of(const SoftTokens& soft) {
    const auto rows = soft.view();
    return {rows.data(), rows.data() + rows.size()};
}

}  // namespace detail

/// A picture's patches, or those of a video's frames, as the model sees them; `text` stands for
/// them in the prompt. Bad input: as Patches::rows() and Model::see().
template <class Model>
[[nodiscard]] Result<Medium> see(const Model& model, std::span<const Patches> frames,
                                 MediaText text, ExecutorRef executor, Progress progress = {}) {
    return memory_errors("a picture", [&]() -> Result<Medium> {
        std::vector<typename Model::Picture> pictures;
        for (const Patches& p : frames) {
            const auto rows = p.rows<Model::Vision::patch>();
            if (!rows) return rows.error();
            pictures.push_back({*rows, p.places()});
        }
        const auto soft = model.see(pictures, executor, progress);
        if (!soft) return soft.error();
        return Medium{std::move(text), detail::values_of(*soft)};
    });
}

/// A picture that no file holds: a camera's, a screen's. Bad input: as make_patches() and
/// Model::see().
template <class Model>
[[nodiscard]] Result<Medium> see(const Model& model, Image image, const PictureConfig& config,
                                 ExecutorRef executor, Progress progress = {}) {
    return memory_errors("a picture", [&]() -> Result<Medium> {
        const auto patches = make_patches(std::move(image), config);
        if (!patches) return patches.error();
        return see(model, std::span(&*patches, 1), image_text(patches->soft_tokens), executor,
                   progress);
    });
}

/// Samples [samples], mono, at the config's rate and from -1 to 1, as the model hears them. Bad
/// input: as mel_features() and Model::hear().
template <class Model>
[[nodiscard]] Result<Medium> hear(const Model& model, std::span<const float> samples,
                                  const MelConfig& config, ExecutorRef executor,
                                  Progress progress = {}) {
    return memory_errors("a clip", [&]() -> Result<Medium> {
        const auto mel = mel_features(samples, config);
        if (!mel) return mel.error();
        const auto rows = mel->rows<nn::audio::mel_bins>(0);
        if (!rows) return rows.error();
        const auto soft = model.hear(*rows, mel->mask, executor, progress);
        if (!soft) return soft.error();
        return Medium{audio_text(soft->rows()), detail::values_of(*soft)};
    });
}

}  // namespace carat::inline CARAT_ABI

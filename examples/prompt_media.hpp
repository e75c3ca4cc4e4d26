// Reads the media of a conversation for a chat: files into soft tokens.
#pragma once

#include "audio_inputs.hpp"
#include "carat/base/progress.hpp"
#include "carat/chat.hpp"
#include "carat/parallel/executor.hpp"
#include "picture_inputs.hpp"

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace detail {

template <class SoftTokens>
std::vector<float> values(const SoftTokens& soft) {
    const auto rows = soft.view();
    return {rows.data(), rows.data() + rows.size()};
}

}  // namespace detail

/// One clip of samples at the config's rate, as the model hears it.
template <class Model>
carat::Result<carat::Medium> hear(const Model& model, std::span<const float> samples,
                                  const carat::MelConfig& config, carat::ExecutorRef executor,
                                  carat::Progress progress = {}) {
    const auto mel = carat::mel_features(samples, config);
    if (!mel) return mel.error();
    const auto rows = mel->rows<carat::nn::audio::mel_bins>(0);
    if (!rows) return rows.error();
    const auto soft = model.hear(*rows, mel->mask, executor, progress);
    if (!soft) return soft.error();
    return carat::Medium{carat::audio_text(soft->rows()), detail::values(*soft)};
}

/// A session that can read pictures as the model's folder wants them, or `max_soft_tokens` where it
/// is not 0, and as `parts` of messages want them themselves.
template <class Model>
carat::SessionOptions session_options(const std::string& model_folder,
                                      std::size_t max_soft_tokens = 0,
                                      std::span<const carat::MediaPart> parts = {}) {
    carat::SessionOptions options;
    const auto make_room = [&](std::size_t soft_tokens) {
        options.chunk_tokens =
            std::max(options.chunk_tokens, Model::Session::least_chunk(soft_tokens));
    };
    // What is wrong with these is said when a picture is read.
    if (const auto config = picture_config(model_folder, max_soft_tokens)) {
        make_room(config->image.max_soft_tokens);
        make_room(config->video.frame.max_soft_tokens);
    }
    for (const carat::MediaPart& part : parts) {
        const std::size_t own =
            carat::json::unsigned_integer(carat::json::find(part.part, "max_soft_tokens"))
                .value_or(0);
        if (carat::is_soft_token_budget(own)) make_room(own);
    }
    return options;
}

/// A carat::MediaReader. Paths in messages are relative to `folder`; `model_folder` says how the
/// model wants its media.
template <class Model>
class MediaFiles {
  public:
    /// `max_soft_tokens` of an image, where it is not 0, comes before the model's.
    MediaFiles(const Model& model, std::string model_folder, std::string folder,
               carat::ExecutorRef executor, std::size_t max_soft_tokens = 0)
        : model_(&model),
          model_folder_(std::move(model_folder)),
          folder_(std::move(folder)),
          executor_(executor),
          max_soft_tokens_(max_soft_tokens) {}

    carat::Result<carat::Medium> operator()(const carat::MediaPart& part,
                                            carat::Progress progress) const {
        return part.kind == carat::MediaKind::audio ? hear(part, progress) : see(part, progress);
    }

  private:
    carat::Result<carat::Medium> see(const carat::MediaPart& part, carat::Progress progress) const {
        const auto config = picture_config(model_folder_, max_soft_tokens_);
        if (!config) return config.error();
        // A video's frames are read in the first half, and seen in the second.
        const auto reading = [&](std::size_t done, std::size_t total) {
            return progress(done, 2 * total);
        };
        auto sight = read_sight(part, folder_, *config, reading);
        if (!sight) return sight.error();
        const auto seeing = [&](std::size_t done, std::size_t total) {
            return part.kind == carat::MediaKind::video ? progress(total + done, 2 * total)
                                                        : progress(done, total);
        };
        std::vector<typename Model::Picture> pictures;
        for (const carat::Patches& p : sight->frames) {
            const auto rows = p.rows<Model::Vision::patch>();
            if (!rows)
                return carat::Error{rows.error().code, part.where + ": " + rows.error().text};
            pictures.push_back({*rows, p.places()});
        }
        const auto soft = model_->see(pictures, executor_, seeing);
        if (!soft) return carat::Error{soft.error().code, part.where + ": " + soft.error().text};
        return carat::Medium{std::move(sight->text), detail::values(*soft)};
    }
    carat::Result<carat::Medium> hear(const carat::MediaPart& part,
                                      carat::Progress progress) const {
        const auto config = mel_config(model_folder_);
        if (!config) return config.error();
        const auto clip = read_clip(part, folder_, *config);
        if (!clip) return clip.error();
        auto heard = ::hear(*model_, *clip, *config, executor_, progress);
        if (!heard) return carat::Error{heard.error().code, part.where + ": " + heard.error().text};
        return heard;
    }

    const Model* model_;
    std::string model_folder_, folder_;
    carat::ExecutorRef executor_;
    std::size_t max_soft_tokens_;
};

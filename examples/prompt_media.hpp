// The media of a conversation: each is decoded and encoded once, when its turn comes, and kept for
// the turns that follow.
#pragma once

#include "audio_inputs.hpp"
#include "carat/model/soft_tokens.hpp"
#include "carat/parallel/executor.hpp"
#include "carat/progress.hpp"
#include "carat/text/media_expansion.hpp"
#include "picture_inputs.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

template <class Model>
class PromptMedia {
  public:
    using SoftTokens = typename Model::SoftTokens;

    /// Paths in messages are relative to `folder`; `model_folder` says how the model wants its
    /// media.
    PromptMedia(const Model& model, std::string model_folder, std::string folder,
                carat::ExecutorRef executor)
        : model_(model),
          model_folder_(std::move(model_folder)),
          folder_(std::move(folder)),
          executor_(executor) {}

    /// Encodes what messages hold beyond what was encoded before.
    carat::Result<void> take(const carat::JsonValue& messages, carat::Progress progress = {}) {
        const auto parts = carat::media_parts(messages);
        for (std::size_t i = texts_.size(); i < parts.size(); ++i) {
            auto done = parts[i].kind == carat::MediaKind::audio ? hear(parts[i], progress)
                                                                 : see(parts[i], progress);
            if (!done) return done;
        }
        return {};
    }
    [[nodiscard]] carat::Result<carat::PromptText> expand(const carat::PromptText& prompt) const {
        return carat::expand_media(prompt, texts_);
    }
    /// What a session takes beside the ids from `first` on: a row for each placeholder, and what
    /// each token is.
    struct Inputs {
        SoftTokens soft_tokens;
        std::vector<std::uint8_t> token_types;
    };
    [[nodiscard]] carat::Result<Inputs> inputs(std::span<const std::int32_t> ids,
                                               std::size_t first) const {
        Inputs in;
        if (soft_.none()) return in;
        constexpr auto tokens = Model::config.tokens;
        for (const std::int32_t id : ids.subspan(first))
            in.token_types.push_back(id == tokens.image   ? 1
                                     : id == tokens.video ? 2
                                     : id == tokens.audio ? 3
                                                          : 0);
        typename carat::MediaSoftTokens<Model::Text::hidden>::Used used;
        if (auto before = soft_.in_order(ids.first(first), tokens, used); !before)
            return before.error();
        auto rows = soft_.in_order(ids.subspan(first), tokens, used);
        if (!rows) return rows.error();
        in.soft_tokens = std::move(*rows);
        return in;
    }

  private:
    carat::Result<void> see(const carat::MediaPart& part, carat::Progress progress) {
        const auto config = picture_config(model_folder_);
        if (!config) return config.error();
        auto sight = read_sight(part, folder_, *config);
        if (!sight) return sight.error();
        std::vector<typename Model::Picture> pictures;
        for (const carat::Patches& p : sight->frames)
            pictures.push_back(
                {carat::Rows<const float, Model::Vision::patch>(p.values.data(), p.count),
                 carat::Rows<const std::int32_t, 2>(p.positions.data(), p.count)});
        const auto soft = model_.see(pictures, executor_, progress);
        if (!soft) return carat::Error{soft.error().code, part.where + ": " + soft.error().text};
        (part.kind == carat::MediaKind::video ? soft_.video : soft_.image).append(*soft);
        texts_.push_back(std::move(sight->text));
        return {};
    }
    carat::Result<void> hear(const carat::MediaPart& part, carat::Progress progress) {
        const auto clip = read_clips({part}, folder_, model_folder_);
        if (!clip) return clip.error();
        const carat::Rows<const float, carat::nn::audio::mel_bins> features(clip->features.data(),
                                                                            clip->frames);
        const auto soft = model_.hear(features, clip->mask, executor_, progress);
        if (!soft) return carat::Error{soft.error().code, part.where + ": " + soft.error().text};
        soft_.audio.append(*soft);
        texts_.push_back(carat::audio_text(soft->rows()));
        return {};
    }

    const Model& model_;
    std::string model_folder_, folder_;
    carat::ExecutorRef executor_;
    carat::MediaSoftTokens<Model::Text::hidden> soft_;
    std::vector<carat::MediaText> texts_;  // of every medium so far, in order
};

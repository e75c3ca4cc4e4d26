/// \file
/// MediaFiles: the pictures, videos and sounds of a chat, out of files and out of what messages
/// bring along in base64. Needs carat::media beside carat::text.
///
///     const carat::MediaFiles<Model> files(*model, "gemma-4-E2B-it", executor);
///     auto chat = carat::Chat<Model>::open(*model, "gemma-4-E2B-it", executor,
///                                          {.session = files.session_options()});
///     chat->set_media_reader(files);
///     chat->user({carat::image_part("cat.png"), carat::text_part("What is this?")});
#pragma once

#include "carat/attachments/perceive.hpp"
#include "carat/attachments/processor_config.hpp"
#include "carat/attachments/read_clip.hpp"
#include "carat/attachments/read_sight.hpp"
#include "carat/base/progress.hpp"
#include "carat/base/result.hpp"
#include "carat/chat/chat_media.hpp"
#include "carat/format/json.hpp"
#include "carat/generate/session_input.hpp"
#include "carat/parallel/executor.hpp"
#include "carat/prompt/media_parts.hpp"

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <utility>

namespace carat::inline CARAT_ABI {

struct MediaFilesOptions {
    /// Where relative paths begin; empty: where the process is. Absolute ones are read as well, so
    /// that whoever writes the messages names any file that the process may read.
    std::string folder{};
    bool files = true;  ///< false: no file is read, as messages of strangers should have it
    std::size_t max_soft_tokens = 0;  ///< budget of an image, before the model's; 0: the model's
};

/// A MediaReader that reads files and base64, as the processor_config.json in the model's folder
/// says. The model and the executor must outlive it and the chats it reads for.
template <class Model>
class MediaFiles {
  public:
    /// What is wrong with processor_config.json or the budget is said when a picture or a sound is
    /// read: a conversation without them goes on.
    MediaFiles(const Model& model, const std::string& model_folder, ExecutorRef executor,
               MediaFilesOptions options = {})
        : model_(&model),
          executor_(executor),
          folder_(std::move(options.folder)),
          files_(options.files),
          pictures_(picture_config(model_folder)),
          sound_(mel_config(model_folder)) {
        const std::size_t budget = options.max_soft_tokens;
        if (!pictures_ || budget == 0) return;
        pictures_->image.max_soft_tokens = budget;
        if (!is_soft_token_budget(budget))
            pictures_ = Error{Errc::invalid_argument, "max_soft_tokens of an image is " +
                                                          std::to_string(budget) +
                                                          ", expected 70, 140, 280, 560 or 1120"};
    }
    MediaFiles(const Model&&, const std::string&, ExecutorRef, MediaFilesOptions = {}) = delete;

    /// `options` for a session that takes such pictures in, and those of `parts` that want a budget
    /// of their own: where the tokens of a picture see each other, each is read in one chunk.
    [[nodiscard]] SessionOptions session_options(SessionOptions options = {},
                                                 std::span<const MediaPart> parts = {}) const {
        const auto make_room = [&](std::size_t soft_tokens) {
            options.chunk_tokens =
                std::max(options.chunk_tokens, Model::Session::least_chunk(soft_tokens));
        };
        if (pictures_) {
            make_room(pictures_->image.max_soft_tokens);
            make_room(pictures_->video.frame.max_soft_tokens);
        }
        for (const MediaPart& part : parts) {
            const std::size_t own = detail::whole_number(json::find(part.part, "max_soft_tokens"));
            if (is_soft_token_budget(own)) make_room(own);
        }
        return options;
    }

    /// Bad input: as read_sight(), see(), read_clip() and hear(), and files where none
    /// are to be read (unsupported); the error says which part it was.
    Result<Medium> operator()(const MediaPart& part, Progress progress = {}) const {
        return memory_errors(part.where, [&]() -> Result<Medium> {
            if (!files_ && !part.source.empty() && !detail::brings_bytes(part))
                return detail::fault_of(
                    part, Errc::unsupported,
                    part.source.substr(0, 40) + ": no files are read here, only data in base64");
            return part.kind == MediaKind::audio ? hear_part(part, progress)
                                                 : see_part(part, progress);
        });
    }

  private:
    Result<Medium> see_part(const MediaPart& part, Progress progress) const {
        if (!pictures_) return pictures_.error();
        // A video's frames are read in the first half, and seen in the second.
        const auto reading = [&](std::size_t done, std::size_t total) {
            return progress(done, 2 * total);
        };
        auto sight = read_sight(part, folder_, *pictures_, reading);
        if (!sight) return std::move(sight).error();
        const auto seeing = [&](std::size_t done, std::size_t total) {
            return part.kind == MediaKind::video ? progress(total + done, 2 * total)
                                                 : progress(done, total);
        };
        auto seen = see(*model_, sight->frames, std::move(sight->text), executor_, seeing);
        if (!seen) return detail::fault_of(part, seen.error().code, seen.error().text);
        return seen;
    }
    Result<Medium> hear_part(const MediaPart& part, Progress progress) const {
        if (!sound_) return sound_.error();
        const auto clip = read_clip(part, folder_, *sound_);
        if (!clip) return clip.error();
        auto heard = hear(*model_, *clip, *sound_, executor_, progress);
        if (!heard) return detail::fault_of(part, heard.error().code, heard.error().text);
        return heard;
    }

    const Model* model_;
    ExecutorRef executor_;
    std::string folder_;
    bool files_;
    Result<VisionProcessorConfig> pictures_;
    Result<MelConfig> sound_;
};

}  // namespace carat::inline CARAT_ABI

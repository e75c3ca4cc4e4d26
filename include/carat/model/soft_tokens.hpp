/// \file
/// SoftTokens: what towers turn pictures and sound into, rows of the text model's width.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/result.hpp"
#include "carat/config/model_config.hpp"
#include "carat/tensor/view.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <tuple>
#include <vector>

namespace carat::inline CARAT_ABI {

/// Owns its rows; a prompt's media append to it in the order of their placeholders, and a session
/// takes it as soft_tokens.
template <std::size_t width>
class SoftTokens {
  public:
    [[nodiscard]] std::size_t rows() const noexcept { return values_.size() / width; }
    [[nodiscard]] Rows<const float, width> view() const {
        return Rows<const float, width>(values_.data(), rows());
    }
    /// Room for more rows behind the others; it stays until the next call.
    Rows<float, width> grow(std::size_t rows) {
        const std::size_t before = values_.size();
        values_.resize(before + rows * width);
        return Rows<float, width>(values_.data() + before, rows);
    }
    void append(const SoftTokens& other) {
        values_.insert(values_.end(), other.values_.begin(), other.values_.end());
    }

  private:
    std::vector<float> values_;
};

/// The soft tokens of a prompt's media by kind, each in the order of its placeholders.
template <std::size_t width>
struct MediaSoftTokens {
    SoftTokens<width> image, video, audio;

    [[nodiscard]] bool none() const { return image.rows() + video.rows() + audio.rows() == 0; }
    /// One row for each placeholder among ids, of whatever kind, as a session takes them. `used`
    /// says how many of each kind earlier sequences took, and grows. Bad input: placeholders of a
    /// kind that has no tokens left.
    struct Used {
        std::size_t image = 0, video = 0, audio = 0;
    };
    Result<SoftTokens<width>> in_order(std::span<const std::int32_t> ids, const MediaTokens& tokens,
                                       Used& used) const {
        return memory_errors("soft tokens", [&]() -> Result<SoftTokens<width>> {
            SoftTokens<width> out;
            const auto count = static_cast<std::size_t>(
                std::count_if(ids.begin(), ids.end(),
                              [&](std::int32_t id) { return tokens.is_placeholder(id); }));
            const Rows<float, width> rows = out.grow(count);
            std::size_t row = 0;
            for (const std::int32_t id : ids) {
                if (!tokens.is_placeholder(id)) continue;
                const bool is_image = id == tokens.image, is_video = id == tokens.video;
                const SoftTokens<width>& from = is_image ? image : is_video ? video : audio;
                std::size_t& next = is_image ? used.image : is_video ? used.video : used.audio;
                if (next == from.rows())
                    return missing(is_image ? "image" : is_video ? "video" : "audio", next);
                std::copy_n(from.view().row(next++).data(), width, rows.row(row++).data());
            }
            return out;
        });
    }
    /// Whether everything was used. Bad input: soft tokens of a kind that no placeholder took.
    [[nodiscard]] Result<void> finished(const Used& used) const {
        for (const auto& [kind, have, taken] : {std::tuple("image", image.rows(), used.image),
                                                std::tuple("video", video.rows(), used.video),
                                                std::tuple("audio", audio.rows(), used.audio)})
            if (have != taken)
                return Error{Errc::mismatch, joined({"there are ", have, " ", kind,
                                                     " soft tokens, but input_ids have ", taken,
                                                     " placeholders for them"})};
        return {};
    }

  private:
    static Error missing(const char* kind, std::size_t have) {
        return {Errc::mismatch, joined({"input_ids have more placeholders of kind ", kind,
                                        " than there are soft tokens, which are ", have})};
    }
};

}  // namespace carat::inline CARAT_ABI

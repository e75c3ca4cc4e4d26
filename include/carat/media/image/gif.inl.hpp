/// \file
/// What gif.hpp declares.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/result.hpp"
#include "carat/media/image/gif.hpp"
#include "carat/media/image/image.hpp"
#include "carat/media/image/image_limits.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <gif_lib.h>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace carat::inline CARAT_ABI {

namespace detail {

class GifReader {
  public:
    GifReader(Bytes bytes, std::string what, const ImageLimits& limits)
        : bytes_(bytes), what_(std::move(what)), limits_(limits) {}
    GifReader(const GifReader&) = delete;
    GifReader& operator=(const GifReader&) = delete;
    ~GifReader() {
        if (gif_ != nullptr) DGifCloseFile(gif_, nullptr);
    }

    /// At most so many frames; `background` is what shows where nothing was drawn, or -1 for the
    /// colour with the transparent index.
    Result<Animation> read(std::size_t most_frames, int background) {
        int error = 0;
        gif_ = DGifOpen(
            this,
            [](GifFileType* g, GifByteType* to, int n) -> int {
                auto& self = *static_cast<GifReader*>(g->UserData);
                const std::size_t count =
                    std::min(static_cast<std::size_t>(n), self.bytes_.size() - self.at_);
                if (count > 0) std::memcpy(to, self.bytes_.data() + self.at_, count);
                self.at_ += count;
                return static_cast<int>(count);
            },
            &error);
        if (gif_ == nullptr) return fault(error);
        width_ = static_cast<std::size_t>(gif_->SWidth);
        height_ = static_cast<std::size_t>(gif_->SHeight);
        if (auto fits = check_size(width_, height_, 1, limits_, what_); !fits) return fits.error();
        background_ = background;
        while (out_.frames.size() < most_frames) {
            GifRecordType type = UNDEFINED_RECORD_TYPE;
            if (DGifGetRecordType(gif_, &type) == GIF_ERROR) return fault(gif_->Error);
            if (type == TERMINATE_RECORD_TYPE) break;
            Result<void> done = type == EXTENSION_RECORD_TYPE    ? extension()
                                : type == IMAGE_DESC_RECORD_TYPE ? frame()
                                                                 : Result<void>();
            if (!done) return done.error();
        }
        if (out_.frames.empty()) return fault("is missing, expected at least one");
        return std::move(out_);
    }

  private:
    /// `text` says what is wrong with the frame that comes now.
    [[nodiscard]] Error fault(std::string_view text) const {
        return {Errc::bad_format,
                joined({what_, ": GIF, frame ", out_.frames.size() + 1, ": ", text})};
    }
    [[nodiscard]] Error fault(int code) const {
        const char* text = GifErrorString(code);
        return fault(text != nullptr ? text : "ends too early");
    }

    Result<void> extension() {
        int code = 0;
        GifByteType* block = nullptr;
        if (DGifGetExtension(gif_, &code, &block) == GIF_ERROR) return fault(gif_->Error);
        while (block != nullptr) {
            GraphicsControlBlock control;
            if (code == GRAPHICS_EXT_FUNC_CODE &&
                DGifExtensionToGCB(block[0], block + 1, &control) == GIF_OK)
                control_ = control;
            if (DGifGetExtensionNext(gif_, &block) == GIF_ERROR) return fault(gif_->Error);
        }
        return {};
    }

    Result<void> frame() {
        if (DGifGetImageDesc(gif_) == GIF_ERROR) return fault(gif_->Error);
        const GifImageDesc& d = gif_->Image;
        const auto left = static_cast<std::size_t>(d.Left), top = static_cast<std::size_t>(d.Top);
        const auto w = static_cast<std::size_t>(d.Width), h = static_cast<std::size_t>(d.Height);
        if (w == 0 || h == 0 || left + w > width_ || top + h > height_)
            return fault(joined({w, " by ", h, " pixels at ", left, ", ", top,
                                 ", expected within the screen of ", width_, " by ", height_}));
        const ColorMapObject* colours = d.ColorMap != nullptr ? d.ColorMap : gif_->SColorMap;
        if (colours == nullptr) return fault("no table of colours, of its own or of all frames");
        if (auto fits = check_size(width_, height_, out_.frames.size() + 1, limits_, what_); !fits)
            return fits.error();
        if (out_.frames.empty()) start(*colours);

        Image before;
        if (control_.DisposalMode == DISPOSE_PREVIOUS) before = canvas_;
        line_.resize(w);
        const bool still = background_ < 0;
        constexpr std::size_t starts[] = {0, 4, 2, 1}, steps[] = {8, 8, 4, 2};
        for (std::size_t pass = 0; pass < (d.Interlace ? 4u : 1u); ++pass)
            for (std::size_t y = d.Interlace ? starts[pass] : 0; y < h;
                 y += d.Interlace ? steps[pass] : 1) {
                if (DGifGetLine(gif_, line_.data(), static_cast<int>(w)) == GIF_ERROR)
                    return fault(gif_->Error);
                for (std::size_t x = 0; x < w; ++x)
                    if (still || line_[x] != control_.TransparentColor)
                        put(*colours, line_[x], canvas_.at(left + x, top + y));
            }
        out_.frames.push_back(canvas_);
        out_.seconds += 0.01 * (control_.DelayTime > 1 ? control_.DelayTime : 10);
        if (control_.DisposalMode == DISPOSE_PREVIOUS) {
            canvas_ = std::move(before);
        } else if (control_.DisposalMode == DISPOSE_BACKGROUND) {
            for (std::size_t y = top; y < top + h; ++y)
                std::fill_n(canvas_.at(left, y), 3 * w, static_cast<std::uint8_t>(background_));
        }
        control_ = {};
        control_.TransparentColor = NO_TRANSPARENT_COLOR;
        return {};
    }
    /// What shows where the first frame draws nothing.
    void start(const ColorMapObject& colours) {
        canvas_ = Image(width_, height_);
        if (background_ >= 0) {
            std::fill(canvas_.rgb.begin(), canvas_.rgb.end(),
                      static_cast<std::uint8_t>(background_));
            return;
        }
        const int index = control_.TransparentColor;
        for (std::size_t i = 0; i < canvas_.pixels(); ++i)
            put(colours, static_cast<GifPixelType>(index < 0 ? 0 : index),
                canvas_.rgb.data() + 3 * i);
    }
    static void put(const ColorMapObject& colours, GifPixelType index, std::uint8_t* to) {
        const bool there = index < colours.ColorCount;
        const GifColorType c = there ? colours.Colors[index] : GifColorType{0, 0, 0};
        to[0] = c.Red;
        to[1] = c.Green;
        to[2] = c.Blue;
    }

    Bytes bytes_;
    std::string what_;
    ImageLimits limits_;
    std::size_t at_ = 0, width_ = 0, height_ = 0;
    int background_ = -1;
    GifFileType* gif_ = nullptr;
    GraphicsControlBlock control_{DISPOSAL_UNSPECIFIED, false, 0, NO_TRANSPARENT_COLOR};
    Image canvas_;
    std::vector<GifPixelType> line_;
    Animation out_;
};

/// The first frame, without transparency: a colour that is marked as transparent is that colour.
CARAT_ONCE Result<Image> decode_gif(Bytes bytes, const std::string& what,
                                    const ImageLimits& limits) {
    Result<Animation> first = GifReader(bytes, what, limits).read(1, -1);
    if (!first) return std::move(first).error();
    return std::move(first->frames[0]);
}

}  // namespace detail

CARAT_ONCE Result<Animation> decode_animated_gif(std::span<const std::uint8_t> bytes,
                                                 const std::string& what,
                                                 const ImageLimits& limits) {
    return memory_errors([&] {
        return detail::GifReader(bytes, what, limits).read(static_cast<std::size_t>(-1), 255);
    });
}

}  // namespace carat::inline CARAT_ABI

/// \file
/// Video files (MP4, MOV, WebM, MKV, AVI, MPEG, …): their frames and their sound track, through
/// FFmpeg's libraries where the build found them.
#pragma once

#include "carat/base/progress.hpp"
#include "carat/base/result.hpp"
#include "carat/media/audio/gather_sound.hpp"
#include "carat/media/audio/waveform.hpp"
#include "carat/media/image/image.hpp"
#include "carat/media/image/image_limits.hpp"
#include "carat/media/image/orientation.hpp"
#include "carat/media/video/ffmpeg.hpp"
#include "carat/media/video/frame_size.hpp"
#include "carat/media/video/frame_times.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace carat::inline CARAT_ABI {

#if defined(CARAT_FFMPEG)

/// Whether this build reads video files.
inline constexpr bool reads_video_files = true;

namespace detail {

/// Decoded pictures as RGB, each seen the way up that the file says.
class FrameConverter {
  public:
    FrameConverter(const AvStream& stream, const ImageLimits& limits)
        : stream_(stream), limits_(limits), orientation_(orientation(stream.about())) {}

    Result<Image> operator()(const AVFrame& f, const std::string& what) {
        if (f.width < 1 || f.height < 1) return stream_.fault("has a frame without pixels");
        const auto w = static_cast<std::size_t>(f.width), h = static_cast<std::size_t>(f.height);
        if (auto fits = check_size(w, h, 1, limits_, what); !fits) return fits.error();
        const Ffmpeg& av = stream_.av();
        const auto format = static_cast<AVPixelFormat>(f.format);
        if (!sws_ || format != format_ || w != width_ || h != height_) {
            sws_ = {av.sws_getContext(f.width, f.height, format, f.width, f.height,
                                      AV_PIX_FMT_RGB24, SWS_BILINEAR, nullptr, nullptr, nullptr),
                    {&av}};
            if (!sws_)
                return stream_.fault("has pixels that cannot be converted", Errc::unsupported);
            format_ = format;
            width_ = w;
            height_ = h;
            const int space = f.colorspace == AVCOL_SPC_UNSPECIFIED ? SWS_CS_DEFAULT : f.colorspace;
            constexpr int unit = 1 << 16;
            av.sws_setColorspaceDetails(sws_.get(), av.sws_getCoefficients(space),
                                        f.color_range == AVCOL_RANGE_JPEG,
                                        av.sws_getCoefficients(SWS_CS_DEFAULT), 1, 0, unit, unit);
        }
        // Rows with room behind them, for the converter may write past a row's end.
        const std::size_t stride = (3 * w + 63) / 64 * 64 + 64;
        padded_.resize(stride * h);
        std::uint8_t* const to[] = {padded_.data()};
        const int strides[] = {static_cast<int>(stride)};
        av.sws_scale(sws_.get(), f.data, f.linesize, 0, f.height, to, strides);
        Image image(w, h);
        for (std::size_t y = 0; y < h; ++y)
            std::copy_n(padded_.data() + y * stride, 3 * w, image.at(0, y));
        return upright(std::move(image), orientation_);
    }

  private:
    /// The EXIF number of the turn that a display matrix makes; 1 for all but quarter turns.
    static int orientation(const AVStream& about) {
        const std::int32_t* m = nullptr;
#if LIBAVFORMAT_VERSION_MAJOR >= 61
        for (int i = 0; i < about.codecpar->nb_coded_side_data; ++i) {
            const AVPacketSideData& side = about.codecpar->coded_side_data[i];
            if (side.type == AV_PKT_DATA_DISPLAYMATRIX && side.size >= 9 * sizeof *m)
                m = reinterpret_cast<const std::int32_t*>(side.data);
        }
#else
        for (int i = 0; i < about.nb_side_data; ++i)
            if (about.side_data[i].type == AV_PKT_DATA_DISPLAYMATRIX &&
                about.side_data[i].size >= 9 * sizeof *m)
                m = reinterpret_cast<const std::int32_t*>(about.side_data[i].data);
#endif
        if (m == nullptr) return 1;
        if (m[0] == 0 && m[4] == 0) return m[1] > 0 ? (m[3] > 0 ? 5 : 6) : (m[3] > 0 ? 8 : 7);
        if (m[1] == 0 && m[3] == 0) return m[0] > 0 ? (m[4] > 0 ? 1 : 4) : (m[4] > 0 ? 2 : 3);
        return 1;
    }

    const AvStream& stream_;
    ImageLimits limits_;
    int orientation_;
    std::unique_ptr<SwsContext, FfmpegDelete> sws_;
    AVPixelFormat format_ = AV_PIX_FMT_NONE;
    std::size_t width_ = 0, height_ = 0;
    std::vector<std::uint8_t> padded_;
};

/// The pictures of a file. Bad input: also a header with more pixels than the limits allow, before
/// one is decoded.
inline Result<AvStream> open_pictures(const std::string& path, const ImageLimits& limits) {
    auto stream = AvStream::open(path, AVMEDIA_TYPE_VIDEO, limits.max_pixels);
    if (!stream) return stream;
    const AVCodecParameters& says = *stream->about().codecpar;
    if (says.width > 0 && says.height > 0)
        if (auto fits = check_size(static_cast<std::size_t>(says.width),
                                   static_cast<std::size_t>(says.height), 1, limits, path);
            !fits)
            return std::move(fits).error();
    return stream;
}

/// How many pictures the file has: its packets, since headers lie; where a packet may hold none
/// that is seen, what decoding gives. Until they are counted, nothing is done of 1.
inline Result<std::size_t> count_frames(const std::string& path, const ImageLimits& limits,
                                        Progress progress) {
    auto stream = open_pictures(path, limits);
    if (!stream) return std::move(stream).error();
    const bool may_hide = stream->about().codecpar->codec_id == AV_CODEC_ID_VP8;
    for (std::size_t n = 0;;) {
        if (!progress(0, 1)) return Error{Errc::cancelled, path + ": cancelled"};
        if (may_hide) {
            const auto frame = stream->next_frame();
            if (!frame) return frame.error();
            if (*frame == nullptr) return n;
            ++n;
        } else {
            const auto more = stream->next_packet();
            if (!more) return more.error();
            if (!*more) return n;
            if ((stream->packet().flags & AV_PKT_FLAG_DISCARD) == 0) ++n;
        }
    }
}

template <class T>
void append_mono(const AVFrame& f, bool planar, std::vector<float>& out) {
    const auto channels = static_cast<std::size_t>(f.ch_layout.nb_channels);
    const auto at = [&](std::size_t i, std::size_t c) {
        const std::uint8_t* plane = f.extended_data[planar ? c : 0];
        const T v = reinterpret_cast<const T*>(plane)[planar ? i : i * channels + c];
        if constexpr (std::is_same_v<T, double>) {
            return v;
        } else {
            return static_cast<double>(pcm_to_f32(v));
        }
    };
    for (std::size_t i = 0; i < static_cast<std::size_t>(f.nb_samples); ++i) {
        double sum = 0.0;
        for (std::size_t c = 0; c < channels; ++c) sum += at(i, c);
        out.push_back(static_cast<float>(sum / static_cast<double>(channels)));
    }
}
/// The mean of the channels. False for samples of a type that FFmpeg's decoders do not give.
inline bool append_mono(const AVFrame& f, std::vector<float>& out) {
    switch (f.format) {
        case AV_SAMPLE_FMT_U8:
        case AV_SAMPLE_FMT_U8P:
            append_mono<std::uint8_t>(f, f.format == AV_SAMPLE_FMT_U8P, out);
            return true;
        case AV_SAMPLE_FMT_S16:
        case AV_SAMPLE_FMT_S16P:
            append_mono<std::int16_t>(f, f.format == AV_SAMPLE_FMT_S16P, out);
            return true;
        case AV_SAMPLE_FMT_S32:
        case AV_SAMPLE_FMT_S32P:
            append_mono<std::int32_t>(f, f.format == AV_SAMPLE_FMT_S32P, out);
            return true;
        case AV_SAMPLE_FMT_FLT:
        case AV_SAMPLE_FMT_FLTP:
            append_mono<float>(f, f.format == AV_SAMPLE_FMT_FLTP, out);
            return true;
        case AV_SAMPLE_FMT_DBL:
        case AV_SAMPLE_FMT_DBLP:
            append_mono<double>(f, f.format == AV_SAMPLE_FMT_DBLP, out);
            return true;
        default:
            return false;
    }
}

}  // namespace detail

/// Hands the frames that are taken of a video file to `see(Image) -> Result<void>`, in order, one
/// at a time. `fps` greater than 0 comes before what the file says. Bad input: what FFmpeg does not
/// read, a file that is cut off or broken, frames beyond the limits or of different sizes
/// (mismatch), and what `see` refuses.
template <class See>
[[nodiscard]] Result<FrameTimes> see_video_file(const std::string& path, double fps,
                                                const VideoConfig& config,
                                                const ImageLimits& limits, Progress progress,
                                                See&& see) {
    return memory_errors([&]() -> Result<FrameTimes> {
        const Result<std::size_t> total = detail::count_frames(path, limits, progress);
        if (!total) return total.error();
        auto stream = detail::open_pictures(path, limits);
        if (!stream) return std::move(stream).error();
        if (*total == 0) return stream->fault("has no frames");
        FrameTimes out{};
        const AVRational rate = stream->about().avg_frame_rate;
        if (rate.num > 0 && rate.den > 0) out.fps = static_cast<double>(rate.num) / rate.den;
        if (fps > 0) out.fps = fps;
        out.indices = sampled_frames(*total, config, out.fps);
        detail::FrameConverter convert(*stream, limits);
        std::size_t taken = 0;
        detail::FrameSize size;
        for (std::size_t i = 0; taken < out.indices.size(); ++i) {
            if (!progress(i, out.indices.back() + 1))
                return Error{Errc::cancelled, path + ": cancelled"};
            const auto frame = stream->next_frame();
            if (!frame) return frame.error();
            if (*frame == nullptr)
                return stream->fault("ends after " + std::to_string(i) + " frames, expected " +
                                     std::to_string(*total));
            for (; taken < out.indices.size() && out.indices[taken] == i; ++taken) {
                auto image = convert(**frame, path);
                if (!image) return std::move(image).error();
                if (auto same = size.check(*image, path); !same) return std::move(same).error();
                if (auto seen = see(std::move(*image)); !seen) return std::move(seen).error();
            }
        }
        return out;
    });
}

/// The sound of a video file, or of a sound file that only FFmpeg knows: mono, at the wanted rate.
/// Bad input: a file without sound, one that is cut off or broken, samples that are not finite,
/// more than max_seconds.
[[nodiscard]] inline Result<Waveform> read_sound_track(const std::string& path,
                                                       const AudioFileOptions& options = {}) {
    return memory_errors([&]() -> Result<Waveform> {
        auto stream = detail::AvStream::open(path, AVMEDIA_TYPE_AUDIO, ImageLimits{}.max_pixels);
        if (!stream) return std::move(stream).error();
        std::optional<detail::SoundGatherer> sound;
        std::vector<float> mono;
        int hz = 0;
        while (true) {
            const auto frame = stream->next_frame();
            if (!frame) return frame.error();
            if (*frame == nullptr) break;
            const AVFrame& f = **frame;
            if (!sound) {
                auto made = detail::SoundGatherer::create(path, f.sample_rate, 1, options);
                if (!made) return std::move(made).error();
                sound.emplace(std::move(*made));
                hz = f.sample_rate;
            }
            mono.clear();
            if (f.sample_rate != hz || f.nb_samples < 0 || f.ch_layout.nb_channels < 1 ||
                !detail::append_mono(f, mono))
                return stream->fault("has sound that changes its form");
            if (auto pushed = sound->push(mono); !pushed) return std::move(pushed).error();
        }
        if (!sound) return stream->fault("has no samples", Errc::invalid_argument);
        return sound->finish();
    });
}

#else

inline constexpr bool reads_video_files = false;

namespace detail {
inline Error no_video_files(const std::string& path) {
    return {Errc::unsupported,
            path +
                ": this build has no FFmpeg, which video files need (cmake/setup.sh --with "
                "video, then configure again)"};
}
}  // namespace detail

template <class See>
[[nodiscard]] Result<FrameTimes> see_video_file(const std::string& path, double, const VideoConfig&,
                                                const ImageLimits&, Progress, See&&) {
    return detail::no_video_files(path);
}
[[nodiscard]] inline Result<Waveform> read_sound_track(const std::string& path,
                                                       const AudioFileOptions& = {}) {
    return detail::no_video_files(path);
}

#endif

}  // namespace carat::inline CARAT_ABI

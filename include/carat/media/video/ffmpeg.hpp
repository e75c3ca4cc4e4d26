/// \file
/// FFmpeg's libraries, where the build found their headers (CARAT_FFMPEG, set by carat::media):
/// one stream of a file, decoded frame by frame.
#pragma once

#if defined(CARAT_FFMPEG)

#include "carat/base/result.hpp"

#include <climits>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <dlfcn.h>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>
extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libswscale/swscale.h>
}

namespace carat::inline CARAT_ABI::detail {

// The functions in use, each with its library.
#define CARAT_FFMPEG_FUNCTIONS(F)           \
    F(format, avformat_open_input)          \
    F(format, avformat_close_input)         \
    F(format, avformat_find_stream_info)    \
    F(format, av_find_best_stream)          \
    F(format, av_read_frame)                \
    F(codec, avcodec_alloc_context3)        \
    F(codec, avcodec_free_context)          \
    F(codec, avcodec_parameters_to_context) \
    F(codec, avcodec_open2)                 \
    F(codec, avcodec_send_packet)           \
    F(codec, avcodec_receive_frame)         \
    F(codec, av_packet_alloc)               \
    F(codec, av_packet_free)                \
    F(codec, av_packet_unref)               \
    F(util, av_frame_alloc)                 \
    F(util, av_frame_free)                  \
    F(util, av_dict_set)                    \
    F(util, av_dict_free)                   \
    F(util, av_strerror)                    \
    F(util, av_log_get_level)               \
    F(util, av_log_set_level)               \
    F(scale, sws_getContext)                \
    F(scale, sws_getCoefficients)           \
    F(scale, sws_setColorspaceDetails)      \
    F(scale, sws_scale)                     \
    F(scale, sws_freeContext)

/// The functions, looked up when the first file is opened: linked, they would bring more than a
/// hundred libraries, a tenth of a second and 26 MB into every program, also those that never see
/// a video.
class Ffmpeg {
  public:
    /// Bad input: libraries that are not installed, or of another version than their headers.
    static Result<const Ffmpeg*> load() {
        static const Ffmpeg once;
        if (!once.missing_.empty())
            return Error{Errc::unsupported,
                         "video files need FFmpeg's libraries, and there is no " + once.missing_};
        return &once;
    }

#define CARAT_FFMPEG_DECLARE(library, name) decltype(&::name) name = nullptr;
    CARAT_FFMPEG_FUNCTIONS(CARAT_FFMPEG_DECLARE)
#undef CARAT_FFMPEG_DECLARE

    [[nodiscard]] std::string text(int error) const {
        char buffer[AV_ERROR_MAX_STRING_SIZE] = {};
        av_strerror(error, buffer, sizeof buffer);
        return buffer;
    }

  private:
    Ffmpeg() {
        void* const format = open("libavformat.so.", LIBAVFORMAT_VERSION_MAJOR);
        void* const codec = open("libavcodec.so.", LIBAVCODEC_VERSION_MAJOR);
        void* const util = open("libavutil.so.", LIBAVUTIL_VERSION_MAJOR);
        void* const scale = open("libswscale.so.", LIBSWSCALE_VERSION_MAJOR);
        if (!missing_.empty()) return;
#define CARAT_FFMPEG_FIND(library, name)                              \
    name = reinterpret_cast<decltype(name)>(::dlsym(library, #name)); \
    if (name == nullptr) missing_ = #name " in them";
        CARAT_FFMPEG_FUNCTIONS(CARAT_FFMPEG_FIND)
#undef CARAT_FFMPEG_FIND
    }
    void* open(const char* name, int version) {
        const std::string file = name + std::to_string(version);
        void* const library = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
        if (library == nullptr) missing_ = file;
        return library;  // stays, as a linked one would
    }

    std::string missing_;
};
#undef CARAT_FFMPEG_FUNCTIONS

/// FFmpeg prints what it thinks of a file. Not while one of these lives. The level is one for the
/// whole process; a host that uses FFmpeg itself finds it as it was when the last of them, of any
/// thread, is gone.
class QuietFfmpeg {
  public:
    explicit QuietFfmpeg(const Ffmpeg& av) : av_(av) {
        Shared& s = shared();
        const std::lock_guard lock(s.mutex);
        if (s.alive++ > 0) return;
        s.level = av_.av_log_get_level();
        av_.av_log_set_level(AV_LOG_QUIET);
    }
    QuietFfmpeg(const QuietFfmpeg&) = delete;
    QuietFfmpeg& operator=(const QuietFfmpeg&) = delete;
    ~QuietFfmpeg() {
        Shared& s = shared();
        const std::lock_guard lock(s.mutex);
        if (--s.alive == 0) av_.av_log_set_level(s.level);
    }

  private:
    struct Shared {
        std::mutex mutex;
        std::size_t alive = 0;
        int level = 0;
    };
    static Shared& shared() {
        static Shared once;
        return once;
    }

    const Ffmpeg& av_;
};

struct FfmpegDelete {
    const Ffmpeg* av = nullptr;
    void operator()(AVFormatContext* p) const { av->avformat_close_input(&p); }
    void operator()(AVCodecContext* p) const { av->avcodec_free_context(&p); }
    void operator()(AVPacket* p) const { av->av_packet_free(&p); }
    void operator()(AVFrame* p) const { av->av_frame_free(&p); }
    void operator()(SwsContext* p) const { av->sws_freeContext(p); }
};

/// The best stream of one kind in a file. No network, no other file is opened whatever the file
/// says, and no thread is started. A frame of more than `most_pixels` is broken: no decoder takes
/// memory for it.
class AvStream {
  public:
    static Result<AvStream> open(const std::string& path, AVMediaType type,
                                 std::size_t most_pixels) {
        const Result<const Ffmpeg*> av = Ffmpeg::load();
        if (!av) return Error{av.error().code, path + ": " + av.error().text};
        AvStream s(**av, path);
        const auto most = static_cast<std::int64_t>(std::min<std::size_t>(most_pixels, INT_MAX));
        if (auto opened = s.open_file(type, most); !opened) return std::move(opened).error();
        return s;
    }

    [[nodiscard]] const Ffmpeg& av() const { return *av_; }
    [[nodiscard]] const AVStream& about() const { return *stream_; }
    [[nodiscard]] Error fault(const std::string& text, Errc code = Errc::bad_format) const {
        return {code, what_ + ": " + text};
    }

    /// The stream's next packet; nothing is decoded. False at the end.
    Result<bool> next_packet() {
        while (true) {
            av_->av_packet_unref(packet_.get());
            const int code = av_->av_read_frame(file_.get(), packet_.get());
            if (code == AVERROR_EOF) return false;
            if (code < 0) return fault("is broken: " + av_->text(code));
            if (packet_->stream_index != stream_->index) continue;
            if ((packet_->flags & AV_PKT_FLAG_CORRUPT) != 0) return fault("breaks off");
            return true;
        }
    }
    [[nodiscard]] const AVPacket& packet() const { return *packet_; }

    /// The next decoded frame, valid until the next call; none at the end.
    Result<const AVFrame*> next_frame() {
        while (true) {
            const int code = av_->avcodec_receive_frame(codec_.get(), frame_.get());
            if (code == 0) return static_cast<const AVFrame*>(frame_.get());
            if (code == AVERROR_EOF) return static_cast<const AVFrame*>(nullptr);
            if (code != AVERROR(EAGAIN)) return fault("is broken: " + av_->text(code));
            const Result<bool> more = next_packet();
            if (!more) return more.error();
            const int sent =
                av_->avcodec_send_packet(codec_.get(), *more ? packet_.get() : nullptr);
            if (sent < 0) return fault("is broken: " + av_->text(sent));
        }
    }

  private:
    template <class T>
    using Owned = std::unique_ptr<T, FfmpegDelete>;

    AvStream(const Ffmpeg& av, std::string what)
        : av_(&av), what_(std::move(what)), quiet_(std::make_unique<QuietFfmpeg>(av)) {}

    Result<void> open_file(AVMediaType type, std::int64_t most_pixels) {
        // Only formats that hold their pictures themselves, and of protocols only the file's own.
        // What may be refused memory and throw comes before what nobody would free then.
        const bool sound = type == AVMEDIA_TYPE_AUDIO;
        const std::string unread = sound ? "no sound that can be read, expected WAV, FLAC, OGG, "
                                           "MP3 or a video with sound: "
                                         : "no video that can be read: ";
        const std::string url = "file:" + what_;
        AVDictionary* options = nullptr;
        av_->av_dict_set(&options, "protocol_whitelist", "file", 0);
        av_->av_dict_set(&options, "format_whitelist",
                         "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,ogg,flv,asf,"
                         "mpegvideo,h264,hevc,m4v,apng,aac,mp3,wav,flac",
                         0);
        AVFormatContext* file = nullptr;
        const int opened = av_->avformat_open_input(&file, url.c_str(), nullptr, &options);
        av_->av_dict_free(&options);
        if (opened < 0) return fault(unread + av_->text(opened));
        file_ = {file, {av_}};
        // Frames are decoded there already, of every stream; of streams that a format without a
        // head shows later, with FFmpeg's own limit.
        std::vector<AVDictionary*> limits(file->nb_streams);
        const std::string most = std::to_string(most_pixels);
        for (auto& limit : limits) av_->av_dict_set(&limit, "max_pixels", most.c_str(), 0);
        const int found = av_->avformat_find_stream_info(file, limits.data());
        for (auto& limit : limits) av_->av_dict_free(&limit);
        if (found < 0) return fault(unread + av_->text(found));
        const AVCodec* decoder = nullptr;
        const int index = av_->av_find_best_stream(file, type, -1, -1, &decoder, 0);
        const char* kind = sound ? "sound" : "pictures";
        if (index == AVERROR_DECODER_NOT_FOUND)
            return fault(std::string("has ") + kind + " in a coding that FFmpeg does not know",
                         Errc::unsupported);
        if (index < 0) return fault(std::string("has no ") + kind);
        for (unsigned i = 0; i < file->nb_streams; ++i)
            if (i != static_cast<unsigned>(index)) file->streams[i]->discard = AVDISCARD_ALL;
        stream_ = file->streams[index];
        codec_ = {av_->avcodec_alloc_context3(decoder), {av_}};
        packet_ = {av_->av_packet_alloc(), {av_}};
        frame_ = {av_->av_frame_alloc(), {av_}};
        if (!codec_ || !packet_ || !frame_) return fault("no memory", Errc::out_of_memory);
        codec_->thread_count = 1;
        int code = av_->avcodec_parameters_to_context(codec_.get(), stream_->codecpar);
        if (code >= 0) code = av_->avcodec_open2(codec_.get(), decoder, nullptr);
        if (code < 0) return fault("cannot be decoded: " + av_->text(code));
        codec_->max_pixels = most_pixels;  // what the head says is the caller's to judge
        return {};
    }

    const Ffmpeg* av_;
    std::string what_;
    std::unique_ptr<QuietFfmpeg> quiet_;
    Owned<AVFormatContext> file_;
    Owned<AVCodecContext> codec_;
    Owned<AVPacket> packet_;
    Owned<AVFrame> frame_;
    AVStream* stream_ = nullptr;
};

}  // namespace carat::inline CARAT_ABI::detail

#endif

/// \file
/// Videos: a folder of frames or an animated GIF into the frames that a model looks at, and when
/// they are. Source: spec/vision.md section 12.
#pragma once

#include "carat/media/decode_image.hpp"
#include "carat/media/picture_config.hpp"
#include "carat/progress.hpp"
#include "carat/result.hpp"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <dirent.h>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <utility>
#include <vector>

namespace carat {

/// Frames taken from a clip, all of the same size, and their places in it.
struct Video {
    std::vector<Image> frames;
    std::vector<std::size_t> indices;  ///< of each frame in the whole clip
    double fps = 24;                   ///< of the whole clip

    /// "mm:ss" of frame i.
    [[nodiscard]] std::string timestamp(std::size_t i) const {
        const double seconds = static_cast<double>(indices[i]) / fps;
        const auto minutes = static_cast<long long>(std::floor(seconds / 60));
        char text[32];
        std::snprintf(text, sizeof text, "%02lld:%02d", minutes,
                      static_cast<int>(std::fmod(seconds, 60.0)));
        return text;
    }
};

/// Which frames of a clip of `total` are taken: num_frames of them, evenly from the first on; all,
/// if there are no more than that or sampling is off. (The reference refuses a shorter clip.)
[[nodiscard]] inline std::vector<std::size_t> sampled_frames(std::size_t total,
                                                             const VideoConfig& c) {
    std::vector<std::size_t> out;
    const bool all = !c.do_sample_frames || total <= c.num_frames;
    const double step = all ? 1.0 : static_cast<double>(total) / static_cast<double>(c.num_frames);
    const std::size_t count = all ? total : c.num_frames;
    for (std::size_t i = 0; i < count; ++i)
        out.push_back(static_cast<std::size_t>(static_cast<float>(static_cast<double>(i) * step)));
    return out;
}

namespace detail {

/// Digits by their number, the rest by its letters: frame9 before frame10.
inline bool in_natural_order(std::string_view a, std::string_view b) {
    const auto digit = [](char c) { return c >= '0' && c <= '9'; };
    std::size_t i = 0, j = 0;
    while (i < a.size() && j < b.size()) {
        if (digit(a[i]) && digit(b[j])) {
            const auto number = [&](std::string_view s, std::size_t& at) {
                while (at + 1 < s.size() && s[at] == '0' && digit(s[at + 1])) ++at;
                const std::size_t start = at;
                while (at < s.size() && digit(s[at])) ++at;
                return s.substr(start, at - start);
            };
            const std::string_view m = number(a, i), n = number(b, j);
            if (m.size() != n.size()) return m.size() < n.size();
            if (m != n) return m < n;
        } else {
            if (a[i] != b[j]) return a[i] < b[j];
            ++i;
            ++j;
        }
    }
    return a.size() - i != b.size() - j ? a.size() - i < b.size() - j : a < b;
}

inline bool names_picture(std::string name) {
    const std::size_t dot = name.rfind('.');
    if (dot == std::string::npos || dot == 0) return false;
    name.erase(0, dot);
    for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    for (const std::string_view known : {".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp"})
        if (name == known) return true;
    return false;
}

inline Result<std::vector<std::string>> pictures_in(const std::string& folder) {
    struct Close {
        void operator()(DIR* d) const { ::closedir(d); }
    };
    const std::unique_ptr<DIR, Close> open(::opendir(folder.c_str()));
    if (!open) return Error{Errc::io, folder + ": " + std::strerror(errno)};
    std::vector<std::string> names;
    while (const dirent* entry = ::readdir(open.get()))
        if (entry->d_name[0] != '.' && names_picture(entry->d_name))
            names.emplace_back(entry->d_name);
    if (names.empty())
        return Error{Errc::bad_format, folder + ": no frames, expected pictures in a folder"};
    std::sort(names.begin(), names.end(), in_natural_order);
    return names;
}

}  // namespace detail

/// Reads a folder of pictures, its frames in the order of their names, or an animated GIF. `fps`
/// greater than 0 says how many frames a second the clip has; else a GIF says it itself, and a
/// folder has 24. Bad input: as read_image, frames of different sizes (mismatch), a folder without
/// pictures, a file of another format.
[[nodiscard]] inline Result<Video> read_video(const std::string& path, double fps,
                                              const VideoConfig& config,
                                              const ImageLimits& limits = {},
                                              Progress progress = {}) {
    Video out;
    if (fps > 0) out.fps = fps;
    struct stat about {};
    if (::stat(path.c_str(), &about) == 0 && S_ISDIR(about.st_mode)) {
        const auto names = detail::pictures_in(path);
        if (!names) return names.error();
        out.indices = sampled_frames(names->size(), config);
        for (const std::size_t i : out.indices) {
            if (!progress(out.frames.size(), out.indices.size()))
                return Error{Errc::cancelled, path + ": cancelled"};
            const std::string name = path + "/" + (*names)[i];
            Result<Image> frame = read_image(name, limits);
            if (!frame) return std::move(frame).error();
            if (!out.frames.empty() &&
                (frame->width != out.frames[0].width || frame->height != out.frames[0].height))
                return Error{Errc::mismatch,
                             name + ": the frame is " + std::to_string(frame->width) + " by " +
                                 std::to_string(frame->height) + " pixels, the first is " +
                                 std::to_string(out.frames[0].width) + " by " +
                                 std::to_string(out.frames[0].height)};
            if (auto fits = detail::check_size(frame->width, frame->height, out.indices.size(),
                                               limits, path);
                !fits)
                return fits.error();
            out.frames.push_back(std::move(*frame));
        }
        return out;
    }
    const auto bytes = read_media_file(path);
    if (!bytes) return bytes.error();
    if (image_format(*bytes) != ImageFormat::gif)
        return Error{Errc::unsupported,
                     path + ": no video, expected a folder of frames or an animated GIF"};
    Result<Animation> all = decode_animated_gif(*bytes, path, limits);
    if (!all) return std::move(all).error();
    if (!(fps > 0) && all->fps() > 0) out.fps = all->fps();
    out.indices = sampled_frames(all->frames.size(), config);
    for (const std::size_t i : out.indices) out.frames.push_back(std::move(all->frames[i]));
    return out;
}

}  // namespace carat

/// \file
/// PictureConfig and VideoConfig: how a model wants its pictures and videos, the `image_processor`
/// and `video_processor` of processor_config.json. Source: spec/vision.md section 1.
#pragma once

#include "carat/json.hpp"
#include "carat/media/resize.hpp"
#include "carat/result.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace carat::inline CARAT_ABI {

/// How a byte becomes a value from 0 to 1: three ways of the reference, which differ in the last
/// bit.
enum class Rescale : std::uint8_t {
    times,            ///< f32(v) · f32(1/255): images
    times_in_double,  ///< f32(v · (1/255)): images, with Resampling::pil
    divide,           ///< f32(v) / 255: videos
};

struct PictureConfig {
    std::size_t patch_size = 16;
    std::size_t pooling_kernel_size = 3;
    std::size_t max_soft_tokens = 280;  ///< 70, 140, 280, 560 or 1120
    bool do_resize = true;
    Resampling resampling = Resampling::torchvision;
    Rescale rescale = Rescale::times;

    friend bool operator==(const PictureConfig&, const PictureConfig&) = default;
    /// Pixels along a side of what becomes one soft token.
    [[nodiscard]] std::size_t side() const { return patch_size * pooling_kernel_size; }
    /// Patches of a soft token.
    [[nodiscard]] std::size_t cell() const { return pooling_kernel_size * pooling_kernel_size; }
    [[nodiscard]] std::size_t max_patches() const { return max_soft_tokens * cell(); }
    /// Values of a patch.
    [[nodiscard]] std::size_t patch_values() const { return 3 * patch_size * patch_size; }
};

struct VideoConfig {
    PictureConfig frame{.max_soft_tokens = 70, .rescale = Rescale::divide};
    std::size_t num_frames = 32;  ///< how many are taken of a longer clip
    bool do_sample_frames = true;

    friend bool operator==(const VideoConfig&, const VideoConfig&) = default;
};

struct VisionProcessorConfig {
    PictureConfig image;
    VideoConfig video;
    friend bool operator==(const VisionProcessorConfig&, const VisionProcessorConfig&) = default;
};

constexpr bool is_soft_token_budget(std::size_t n) {
    return n == 70 || n == 140 || n == 280 || n == 560 || n == 1120;
}

/// Reads the text of a processor_config.json. What it does not say is as in every published Gemma
/// 4. Bad input: what is not JSON, values of another type, settings that carat does not follow; one
/// line.
inline Result<VisionProcessorConfig> read_vision_processor_config(std::string_view json_text,
                                                                  std::string_view what) {
    const Result<Json> tree = parse_json(json_text, what);
    if (!tree) return tree.error();
    std::string wrong;
    const auto section = [&](const char* name) {
        const JsonValue* in = json::find(*tree, name);
        const auto get = [in](const char* key) {
            const JsonValue* v = json::find(in, key);
            return v != nullptr && v->IsNull() ? nullptr : v;
        };
        const auto refuse = [&wrong, name](const char* key, const std::string& why) {
            if (wrong.empty()) wrong = std::string(name) + "." + key + " " + why;
        };
        const auto size = [=](const char* key, std::size_t& to, std::size_t most) {
            const JsonValue* v = get(key);
            if (v == nullptr) return;
            const auto n = json::unsigned_integer(v);
            if (n && *n >= 1 && *n <= most)
                to = static_cast<std::size_t>(*n);
            else
                refuse(key, "must be a whole number from 1 to " + std::to_string(most));
        };
        const auto flag = [=](const char* key, bool& to) {
            const JsonValue* v = get(key);
            if (v == nullptr) return;
            if (const auto b = json::boolean(v))
                to = *b;
            else
                refuse(key, std::string("is ") + json::type_name(v) + ", expected true or false");
        };
        struct Section {
            decltype(get) value;
            decltype(refuse) fault;
            decltype(size) number;
            decltype(flag) boolean;
        };
        return Section{get, refuse, size, flag};
    };
    const auto picture = [](const auto& s, PictureConfig& c) {
        s.number("patch_size", c.patch_size, 256);
        s.number("pooling_kernel_size", c.pooling_kernel_size, 64);
        s.number("max_soft_tokens", c.max_soft_tokens, 1120);
        if (!is_soft_token_budget(c.max_soft_tokens))
            s.fault("max_soft_tokens", "is " + std::to_string(c.max_soft_tokens) +
                                           ", expected 70, 140, 280, 560 or 1120");
        s.boolean("do_resize", c.do_resize);
        std::size_t bicubic = 3;
        s.number("resample", bicubic, 3);
        if (bicubic != 3) s.fault("resample", "must be 3, bicubic");
        bool rescale = true;
        s.boolean("do_rescale", rescale);
        if (!rescale) s.fault("do_rescale", "must be true");
        const JsonValue* factor = s.value("rescale_factor");
        if (factor != nullptr && json::number(factor) != 1.0 / 255.0)
            s.fault("rescale_factor", "must be 1 / 255");
        for (const auto& [key, neutral] : {std::pair("image_mean", 0.0), {"image_std", 1.0}}) {
            const JsonValue* all = s.value(key);
            if (all != nullptr && !all->IsArray() && json::number(all) != neutral)
                s.fault(key, "must change nothing");
            for (const JsonValue& v : json::elements(all))
                if (json::number(v) != neutral) s.fault(key, "must change nothing");
        }
    };
    VisionProcessorConfig c;
    picture(section("image_processor"), c.image);
    const auto video = section("video_processor");
    picture(video, c.video.frame);
    video.number("num_frames", c.video.num_frames, 100000);
    video.boolean("do_sample_frames", c.video.do_sample_frames);
    if (!wrong.empty()) return Error{Errc::bad_format, std::string(what) + ": " + wrong};
    return c;
}

}  // namespace carat::inline CARAT_ABI

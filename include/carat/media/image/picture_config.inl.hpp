/// \file
/// What picture_config.hpp declares.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/result.hpp"
#include "carat/format/json.hpp"
#include "carat/media/image/image_limits.hpp"
#include "carat/media/image/picture_config.hpp"
#include "carat/media/image/resize.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace carat::inline CARAT_ABI {

namespace detail {

/// The settings of pictures or of videos. What is wrong with them is said once, of the first.
struct ProcessorSection {
    const JsonValue* in;  ///< nothing, where no file has them
    std::string where;    ///< what stands before a key: `processor_config.json: image_processor.`
    std::string& wrong;

    [[nodiscard]] const JsonValue* value(const char* key) const {
        const JsonValue* v = json::find(in, key);
        return v != nullptr && v->IsNull() ? nullptr : v;
    }
    [[nodiscard]] bool is_null(const char* key) const {
        const JsonValue* v = json::find(in, key);
        return v != nullptr && v->IsNull();
    }
    void fault(std::string_view key, std::string_view why = {}) const {
        if (wrong.empty()) wrong = joined({where, key, why.empty() ? "" : " ", why});
    }
    void number(const char* key, std::size_t& to, std::size_t most) const {
        const JsonValue* v = value(key);
        if (v == nullptr) return;
        const auto n = json::unsigned_integer(v);
        if (n && *n >= 1 && *n <= most)
            to = static_cast<std::size_t>(*n);
        else
            fault(key, "must be a whole number from 1 to " + std::to_string(most));
    }
    void boolean(const char* key, bool& to) const {
        const JsonValue* v = value(key);
        if (v == nullptr) return;
        if (const auto b = json::boolean(v))
            to = *b;
        else
            fault(key, std::string("is ") + json::type_name(v) + ", expected true or false");
    }
};

}  // namespace detail

CARAT_ONCE Result<VisionProcessorConfig> read_vision_processor_config(std::string_view json_text,
                                                                      std::string_view what) {
    return read_vision_processor_config({.processor = {json_text, what}});
}

CARAT_ONCE Result<VisionProcessorConfig> read_vision_processor_config(const ProcessorFiles& files) {
    return memory_errors([&]() -> Result<VisionProcessorConfig> {
        std::string wrong;
        Json newer, image, older_video;
        const auto parse = [](const ProcessorFile& file, Json& tree) -> Result<void> {
            if (file.what.empty()) return {};
            auto parsed = parse_json(file.text, file.what);
            if (!parsed) return std::move(parsed).error();
            tree = *std::move(parsed);
            return {};
        };
        if (auto done = parse(files.processor, newer); !done) return std::move(done).error();
        const auto section = [&](const char* name, const ProcessorFile& older,
                                 Json& tree) -> Result<detail::ProcessorSection> {
            const JsonValue* in = json::find(newer, name);
            if (in != nullptr || older.what.empty())
                return detail::ProcessorSection{in, joined({files.processor.what, ": ", name, "."}),
                                                wrong};
            if (auto done = parse(older, tree); !done) return std::move(done).error();
            return detail::ProcessorSection{&tree, joined({older.what, ": "}), wrong};
        };
        const auto picture = [](const detail::ProcessorSection& s, PictureConfig& c,
                                bool normalize) {
            s.number("patch_size", c.patch_size, 256);
            s.number("pooling_kernel_size", c.pooling_kernel_size, 64);
            s.number("max_soft_tokens", c.max_soft_tokens, 1120);
            if (!is_soft_token_budget(c.max_soft_tokens))
                s.fault("max_soft_tokens", "is " + std::to_string(c.max_soft_tokens) +
                                               ", expected 70, 140, 280, 560 or 1120");
            if (const std::string all = detail::budget_fault(c); !all.empty()) s.fault(all);
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
            s.boolean("do_normalize", normalize);
            for (const auto& [key, neutral] : {std::pair("image_mean", 0.0), {"image_std", 1.0}}) {
                if (!normalize) break;  // nobody reads them
                const JsonValue* all = s.value(key);
                if (all != nullptr && !all->IsArray() && json::number(all) != neutral)
                    s.fault(key, "must change nothing");
                for (const JsonValue& v : json::elements(all))
                    if (json::number(v) != neutral) s.fault(key, "must change nothing");
            }
        };
        VisionProcessorConfig c;
        const auto pictures = section("image_processor", files.image, image);
        if (!pictures) return pictures.error();
        picture(*pictures, c.image, false);
        const auto videos = section("video_processor", files.video, older_video);
        if (!videos) return videos.error();
        const detail::ProcessorSection& video = *videos;
        picture(video, c.video.frame, true);
        video.number("num_frames", c.video.num_frames, 100000);
        // The reference asks for it only where num_frames is not there, which has a default.
        if (const JsonValue* fps = video.value("fps");
            fps != nullptr && video.is_null("num_frames")) {
            c.video.fps = json::number(fps).value_or(0);
            if (!is_frame_rate(c.video.fps)) video.fault("fps", "must be a number above 0");
        }
        // As many pixels for all frames together as a decoder is held to.
        const std::size_t pixels =
            c.video.frame.max_soft_tokens * c.video.frame.side() * c.video.frame.side();
        if (const std::size_t most = ImageLimits{}.max_pixels;
            wrong.empty() && c.video.num_frames > most / pixels)
            video.fault("num_frames", joined({"is ", c.video.num_frames, ", each of up to ", pixels,
                                              " pixels, expected at most ", most, " in all"}));
        video.boolean("do_sample_frames", c.video.do_sample_frames);
        if (!wrong.empty()) return Error{Errc::bad_format, wrong};
        return c;
    });
}

}  // namespace carat::inline CARAT_ABI

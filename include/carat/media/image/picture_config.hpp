/// \file
/// PictureConfig and VideoConfig: how a model wants its pictures and videos, the `image_processor`
/// and `video_processor` of processor_config.json. Source: spec/vision.md section 1.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/result.hpp"
#include "carat/media/image/resize.hpp"

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

namespace detail {

/// Nothing, or why pictures of this budget are refused: 200 MB of values are 25 times what the
/// published models take. Until it has said nothing, the products of a config may overflow.
inline std::string budget_fault(const PictureConfig& c) {
    constexpr std::size_t most = std::size_t{1} << 24;
    std::size_t pixels = 1;
    for (const std::size_t n : {c.max_soft_tokens, c.patch_size, c.patch_size,
                                c.pooling_kernel_size, c.pooling_kernel_size}) {
        if (n == 0 || pixels > most / n)
            return joined({"max_soft_tokens is ", c.max_soft_tokens, " with patch_size ",
                           c.patch_size, " and pooling_kernel_size ", c.pooling_kernel_size,
                           ": pictures of max_soft_tokens · (patch_size · pooling_kernel_size)² "
                           "pixels, expected 1 to ",
                           most});
        pixels *= n;
    }
    return {};
}

}  // namespace detail

struct VideoConfig {
    PictureConfig frame{.max_soft_tokens = 70, .rescale = Rescale::divide};
    std::size_t num_frames = 32;  ///< how many are taken of a longer clip
    double fps = 0;               ///< how many of a second, in place of num_frames; 0: these
    bool do_sample_frames = true;

    friend bool operator==(const VideoConfig&, const VideoConfig&) = default;
};

struct VisionProcessorConfig {
    PictureConfig image;
    VideoConfig video;
    friend bool operator==(const VisionProcessorConfig&, const VisionProcessorConfig&) = default;
};

/// Whether a clip can have so many frames a second, or so many be taken of one.
constexpr bool is_frame_rate(double fps) { return fps > 0 && fps < 1e6; }

constexpr bool is_soft_token_budget(std::size_t n) {
    return n == 70 || n == 140 || n == 280 || n == 560 || n == 1120;
}

/// A file's text, and how errors name it; empty names: there is no such file.
struct ProcessorFile {
    std::string_view text{}, what{};
};
/// processor_config.json, and the two in which older exports have the settings of pictures and of
/// videos, at the top: preprocessor_config.json and video_preprocessor_config.json. They count
/// where the first has no `image_processor`, no `video_processor`.
struct ProcessorFiles {
    ProcessorFile processor{}, image{}, video{};
};

/// Reads them. What they do not say is as in every published Gemma 4. Bad input: what is not JSON,
/// values of another type, settings that carat does not follow; one line.
Result<VisionProcessorConfig> read_vision_processor_config(const ProcessorFiles& files);
/// The same of the text of a processor_config.json alone.
Result<VisionProcessorConfig> read_vision_processor_config(std::string_view json_text,
                                                           std::string_view what);

}  // namespace carat::inline CARAT_ABI

#ifndef CARAT_SEPARATE_COMPILATION
#include "carat/media/image/picture_config.inl.hpp"
#endif

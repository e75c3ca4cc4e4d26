/// \file
/// WebP, lossy, lossless, or the first frame of an animation, through libwebp.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/result.hpp"
#include "carat/media/image/image_limits.hpp"
#include "carat/media/image/orientation.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <webp/decode.h>
#include <webp/demux.h>

namespace carat::inline CARAT_ABI {
namespace detail {

struct DeleteWebp {
    void operator()(WebPDemuxer* d) const { WebPDemuxDelete(d); }
    void operator()(WebPAnimDecoder* d) const { WebPAnimDecoderDelete(d); }
};

/// What is wrong, after the name of what it is in.
inline const char* webp_says(VP8StatusCode status) {
    switch (status) {
        case VP8_STATUS_NOT_ENOUGH_DATA:
        case VP8_STATUS_SUSPENDED:
            return "ends too early";
        case VP8_STATUS_UNSUPPORTED_FEATURE:
            return "has a feature that libwebp does not know";
        case VP8_STATUS_OUT_OF_MEMORY:
            return "takes more memory than there is";
        default:
            return "is broken";
    }
}

inline Result<Image> decode_webp(Bytes bytes, const std::string& what, const ImageLimits& limits) {
    const auto fault = [&](std::string_view text, Errc code = Errc::bad_format) {
        return Error{code, joined({what, ": WebP ", text})};
    };
    WebPDecoderConfig how;
    if (WebPInitDecoderConfig(&how) == 0) return fault("of another version of libwebp");
    const WebPBitstreamFeatures& f = how.input;
    if (const auto status = WebPGetFeatures(bytes.data(), bytes.size(), &how.input);
        status != VP8_STATUS_OK)
        return fault(joined({"head ", webp_says(status)}));
    Image image;
    image.width = static_cast<std::size_t>(f.width);
    image.height = static_cast<std::size_t>(f.height);
    if (auto fits = check_size(image.width, image.height, 1, limits, what); !fits)
        return fits.error();
    image.rgb.resize(3 * image.pixels());
    const WebPData data{bytes.data(), bytes.size()};
    if (f.has_animation != 0) {
        WebPAnimDecoderOptions options;
        if (WebPAnimDecoderOptionsInit(&options) == 0)
            return fault("of another version of libwebp");
        options.color_mode = MODE_RGBA;
        const std::unique_ptr<WebPAnimDecoder, DeleteWebp> animation(
            WebPAnimDecoderNew(&data, &options));
        WebPAnimInfo info;
        std::uint8_t* rgba = nullptr;
        int time_ms = 0;
        if (!animation || WebPAnimDecoderGetInfo(animation.get(), &info) == 0)
            return fault("animation without whole frames");
        if (info.canvas_width != image.width || info.canvas_height != image.height)
            return fault(joined({"animation of ", info.canvas_width, " by ", info.canvas_height,
                                 " pixels, expected ", image.width, " by ", image.height,
                                 " as its head says"}));
        if (WebPAnimDecoderGetNext(animation.get(), &rgba, &time_ms) == 0)
            return fault(
                joined({"animation: frame 1 of ", info.frame_count, " cannot be decoded"}));
        for (std::size_t i = 0; i < image.pixels(); ++i)
            for (std::size_t c = 0; c < 3; ++c) image.rgb[3 * i + c] = rgba[4 * i + c];
    } else {
        how.output.colorspace = MODE_RGB;
        how.output.is_external_memory = 1;
        how.output.u.RGBA = {image.rgb.data(), static_cast<int>(3 * image.width), image.rgb.size()};
        if (const auto status = WebPDecode(bytes.data(), bytes.size(), &how);
            status != VP8_STATUS_OK)
            return fault(
                joined({"of ", image.width, " by ", image.height, " pixels ", webp_says(status)}),
                status == VP8_STATUS_OUT_OF_MEMORY ? Errc::out_of_memory : Errc::bad_format);
    }
    int orientation = 1;
    const std::unique_ptr<WebPDemuxer, DeleteWebp> parts(WebPDemux(&data));
    WebPChunkIterator exif;
    if (parts && WebPDemuxGetChunk(parts.get(), "EXIF", 1, &exif) != 0) {
        orientation = exif_orientation({exif.chunk.bytes, exif.chunk.size});
        WebPDemuxReleaseChunkIterator(&exif);
    }
    return upright(std::move(image), orientation);
}

}  // namespace detail
}  // namespace carat::inline CARAT_ABI

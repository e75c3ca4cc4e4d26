/// \file
/// WebP, lossy, lossless, or the first frame of an animation, through libwebp.
#pragma once

#include "carat/media/image_limits.hpp"
#include "carat/media/orientation.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <webp/decode.h>
#include <webp/demux.h>

namespace carat::inline CARAT_ABI {
namespace detail {

struct DeleteWebp {
    void operator()(WebPDemuxer* d) const { WebPDemuxDelete(d); }
    void operator()(WebPAnimDecoder* d) const { WebPAnimDecoderDelete(d); }
};

inline Result<Image> decode_webp(Bytes bytes, const std::string& what, const ImageLimits& limits) {
    const Error broken{Errc::bad_format, what + ": WebP that cannot be decoded"};
    WebPBitstreamFeatures f;
    if (WebPGetFeatures(bytes.data(), bytes.size(), &f) != VP8_STATUS_OK) return broken;
    Image image;
    image.width = static_cast<std::size_t>(f.width);
    image.height = static_cast<std::size_t>(f.height);
    if (auto fits = check_size(image.width, image.height, 1, limits, what); !fits)
        return fits.error();
    image.rgb.resize(3 * image.pixels());
    const WebPData data{bytes.data(), bytes.size()};
    if (f.has_animation != 0) {
        WebPAnimDecoderOptions how;
        if (WebPAnimDecoderOptionsInit(&how) == 0) return broken;
        how.color_mode = MODE_RGBA;
        const std::unique_ptr<WebPAnimDecoder, DeleteWebp> animation(
            WebPAnimDecoderNew(&data, &how));
        WebPAnimInfo info;
        std::uint8_t* rgba = nullptr;
        int time_ms = 0;
        if (!animation || WebPAnimDecoderGetInfo(animation.get(), &info) == 0 ||
            info.canvas_width != image.width || info.canvas_height != image.height ||
            WebPAnimDecoderGetNext(animation.get(), &rgba, &time_ms) == 0)
            return broken;
        for (std::size_t i = 0; i < image.pixels(); ++i)
            for (std::size_t c = 0; c < 3; ++c) image.rgb[3 * i + c] = rgba[4 * i + c];
    } else if (WebPDecodeRGBInto(bytes.data(), bytes.size(), image.rgb.data(), image.rgb.size(),
                                 static_cast<int>(3 * image.width)) == nullptr) {
        return broken;
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

// Pictures of all formats, as one and as an animation, and their way into patches.
#include "carat/media/image/decode_image.hpp"
#include "carat/media/image/gif.hpp"
#include "carat/media/image/patches.hpp"
#include "check.hpp"

using namespace carat;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::span bytes(data, size);
    const ImageLimits limits{.max_pixels = std::size_t{1} << 16};
    if (auto image = decode_image(bytes, "fuzz", limits); test::good(image)) {
        test::hold(image->rgb.size() == image->pixels() * 3, "3 bytes a pixel");
        test::hold(image->pixels() <= limits.max_pixels, "no more than the limit");
        PictureConfig config;
        config.max_soft_tokens = 70;
        test::good(make_patches(std::move(*image), config));
    }
    if (size >= 3 && data[0] == 'G') test::good(decode_animated_gif(bytes, "fuzz", limits));
    return 0;
}

/// \file
/// Antialiased bicubic resizing of 8-bit pictures, to the reference's rounding. Source:
/// spec/vision.md section 4.
#pragma once

#include "carat/media/image.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace carat::inline CARAT_ABI {

/// Whose fixed point the weights are rounded to. They differ by a grey level or two in less than 1
/// % of the values.
enum class Resampling : std::uint8_t {
    torchvision,  ///< 16-bit weights, as many fractional bits as fit: the reference's default
    pil,          ///< 22 fractional bits
};

namespace detail {

/// Keys' cubic with a = -1/2.
inline double keys_kernel(double x) {
    constexpr double a = -0.5;
    x = std::abs(x);
    if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
    return 0;
}

/// One axis of a resize: for each output the inputs it is made of, and their weights.
class ResizeAxis {
  public:
    ResizeAxis(std::size_t in, std::size_t out, Resampling resampling) : first_(out), end_(out) {
        const double scale = static_cast<double>(in) / static_cast<double>(out);
        const double widened = std::max(scale, 1.0), support = 2.0 * widened;
        taps_ = static_cast<std::size_t>(std::ceil(support)) * 2 + 1;
        std::vector<double> weights(out * taps_);
        double largest = 0;
        for (std::size_t i = 0; i < out; ++i) {
            const double centre = (static_cast<double>(i) + 0.5) * scale;
            const auto low = static_cast<std::ptrdiff_t>(centre - support + 0.5);
            const auto high = static_cast<std::ptrdiff_t>(centre + support + 0.5);
            first_[i] = low < 0 ? 0 : static_cast<std::size_t>(low);
            end_[i] = std::min(static_cast<std::size_t>(high), in);
            double* w = &weights[i * taps_];
            double sum = 0;
            for (std::size_t j = first_[i]; j < end_[i]; ++j) {
                const double x = static_cast<double>(j) - centre + 0.5;
                sum += * w++ = keys_kernel(x * (1.0 / widened));
            }
            for (double* p = &weights[i * taps_]; p < w; ++p) {
                if (sum != 0) *p /= sum;
                largest = std::max(largest, *p);
            }
        }
        if (resampling == Resampling::torchvision) {
            bits_ = 0;
            while (bits_ < 22 && std::trunc(0.5 + std::ldexp(largest, bits_ + 1)) < 32768) ++bits_;
        }
        weights_.reserve(weights.size());
        for (const double w : weights)
            weights_.push_back(
                static_cast<std::int32_t>(std::trunc((w < 0 ? -0.5 : 0.5) + std::ldexp(w, bits_))));
    }
    [[nodiscard]] std::size_t size() const { return first_.size(); }
    [[nodiscard]] int bits() const { return bits_; }

    /// Output i of samples `stride` bytes apart.
    [[nodiscard]] std::uint8_t at(std::size_t i, const std::uint8_t* in, std::size_t stride) const {
        std::int32_t sum = half();
        const std::int32_t* w = &weights_[i * taps_];
        for (std::size_t j = first_[i]; j < end_[i]; ++j) sum += *w++ * in[j * stride];
        return rounded(sum);
    }
    /// A row of outputs i from rows of `width` bytes, one below the other.
    void row(std::size_t i, const std::uint8_t* in, std::size_t width,
             std::vector<std::int32_t>& sums, std::uint8_t* out) const {
        sums.assign(width, half());
        const std::int32_t* w = &weights_[i * taps_];
        for (std::size_t j = first_[i]; j < end_[i]; ++j, ++w)
            for (std::size_t x = 0; x < width; ++x) sums[x] += *w * in[j * width + x];
        for (std::size_t x = 0; x < width; ++x) out[x] = rounded(sums[x]);
    }

  private:
    [[nodiscard]] std::int32_t half() const { return bits_ > 0 ? 1 << (bits_ - 1) : 0; }
    [[nodiscard]] std::uint8_t rounded(std::int32_t sum) const {
        return static_cast<std::uint8_t>(std::clamp(sum >> bits_, 0, 255));
    }

    std::size_t taps_ = 0;
    int bits_ = 22;
    std::vector<std::size_t> first_, end_;  ///< inputs [first, end) of each output
    std::vector<std::int32_t> weights_;     ///< [outputs, taps]
};

}  // namespace detail

/// `image` with another size, at least 1 by 1: rows first, rounded to bytes, then columns. An axis
/// that keeps its length is not touched.
[[nodiscard]] inline Image resize(Image image, std::size_t width, std::size_t height,
                                  Resampling resampling = Resampling::torchvision) {
    if (width != image.width) {
        const detail::ResizeAxis axis(image.width, width, resampling);
        Image wide(width, image.height);
        for (std::size_t y = 0; y < image.height; ++y)
            for (std::size_t x = 0; x < width; ++x)
                for (std::size_t c = 0; c < 3; ++c)
                    wide.at(x, y)[c] = axis.at(x, image.at(0, y) + c, 3);
        image = std::move(wide);
    }
    if (height != image.height) {
        const detail::ResizeAxis axis(image.height, height, resampling);
        Image high(width, height);
        std::vector<std::int32_t> sums;
        for (std::size_t y = 0; y < height; ++y)
            axis.row(y, image.rgb.data(), 3 * width, sums, high.at(0, y));
        image = std::move(high);
    }
    return image;
}

}  // namespace carat::inline CARAT_ABI

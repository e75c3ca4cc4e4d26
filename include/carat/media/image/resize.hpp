/// \file
/// Antialiased bicubic resizing of 8-bit pictures, to the reference's rounding. Source:
/// spec/vision.md section 4.
#pragma once

#include "carat/media/image/image.hpp"

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

/// One axis of a resize: for each output the inputs it is made of, and their weights. These are
/// made for a window of outputs at a time: all of them would be several for each input, which of a
/// picture that is one long line are gigabytes.
class ResizeAxis {
  public:
    ResizeAxis(std::size_t in, std::size_t out, Resampling resampling)
        : in_(in),
          size_(out),
          scale_(static_cast<double>(in) / static_cast<double>(out)),
          widened_(std::max(scale_, 1.0)),
          taps_(std::min(static_cast<std::size_t>(std::ceil(2.0 * widened_)) * 2 + 1, in)),
          exact_(taps_) {
        if (resampling != Resampling::torchvision) return;
        double largest = 0;
        for (std::size_t i = 0; i < size_; ++i) {
            const Inputs inputs = weigh(i);
            for (std::size_t t = 0; t < inputs.end - inputs.first; ++t)
                largest = std::max(largest, exact_[t]);
        }
        bits_ = 0;
        while (bits_ < 22 && std::trunc(0.5 + std::ldexp(largest, bits_ + 1)) < 32768) ++bits_;
    }

    /// The window of outputs from `begin` on; one past its last.
    std::size_t open(std::size_t begin) {
        constexpr std::size_t room = 1 << 16;  // weights
        const std::size_t end =
            begin + std::min(size_ - begin, std::max<std::size_t>(room / taps_, 1));
        begin_ = begin;
        inputs_.clear();
        weights_.clear();
        for (std::size_t i = begin; i < end; ++i) {
            inputs_.push_back(weigh(i));
            for (const double w : exact_)
                weights_.push_back(static_cast<std::int32_t>(
                    std::trunc((w < 0 ? -0.5 : 0.5) + std::ldexp(w, bits_))));
        }
        return end;
    }
    /// Output i, in the window, of samples `stride` bytes apart.
    [[nodiscard]] std::uint8_t at(std::size_t i, const std::uint8_t* in, std::size_t stride) const {
        std::int32_t sum = half();
        const auto [first, end] = inputs_[i - begin_];
        const std::int32_t* w = &weights_[(i - begin_) * taps_];
        for (std::size_t j = first; j < end; ++j) sum += *w++ * in[j * stride];
        return rounded(sum);
    }
    /// A row of outputs i, in the window, from rows of `width` bytes, one below the other.
    void row(std::size_t i, const std::uint8_t* in, std::size_t width,
             std::vector<std::int32_t>& sums, std::uint8_t* out) const {
        sums.assign(width, half());
        const auto [first, end] = inputs_[i - begin_];
        const std::int32_t* w = &weights_[(i - begin_) * taps_];
        for (std::size_t j = first; j < end; ++j, ++w)
            for (std::size_t x = 0; x < width; ++x) sums[x] += *w * in[j * width + x];
        for (std::size_t x = 0; x < width; ++x) out[x] = rounded(sums[x]);
    }

  private:
    struct Inputs {
        std::size_t first, end;
    };
    /// The inputs of output i; their weights into exact_, with zeros behind them.
    Inputs weigh(std::size_t i) {
        const double support = 2.0 * widened_;
        const double centre = (static_cast<double>(i) + 0.5) * scale_;
        const auto low = static_cast<std::ptrdiff_t>(centre - support + 0.5);
        const auto high = static_cast<std::ptrdiff_t>(centre + support + 0.5);
        const Inputs inputs{low < 0 ? 0 : static_cast<std::size_t>(low),
                            std::min(static_cast<std::size_t>(high), in_)};
        double* w = exact_.data();
        double sum = 0;
        for (std::size_t j = inputs.first; j < inputs.end; ++j) {
            const double x = static_cast<double>(j) - centre + 0.5;
            sum += * w++ = keys_kernel(x * (1.0 / widened_));
        }
        if (sum != 0)
            for (double* p = exact_.data(); p < w; ++p) *p /= sum;
        std::fill(w, exact_.data() + taps_, 0.0);
        return inputs;
    }
    [[nodiscard]] std::int32_t half() const { return bits_ > 0 ? 1 << (bits_ - 1) : 0; }
    [[nodiscard]] std::uint8_t rounded(std::int32_t sum) const {
        return static_cast<std::uint8_t>(std::clamp(sum >> bits_, 0, 255));
    }

    std::size_t in_, size_;
    double scale_, widened_;
    std::size_t taps_;
    int bits_ = 22;
    std::vector<double> exact_;  ///< [taps], of one output
    std::size_t begin_ = 0;      ///< of the window
    std::vector<Inputs> inputs_;
    std::vector<std::int32_t> weights_;  ///< [outputs of the window, taps]
};

/// `image` with rows of another length.
inline Image resize_rows(const Image& image, std::size_t width, Resampling resampling) {
    ResizeAxis axis(image.width, width, resampling);
    Image out(width, image.height);
    for (std::size_t begin = 0, end = 0; begin < width; begin = end) {
        end = axis.open(begin);
        for (std::size_t y = 0; y < image.height; ++y)
            for (std::size_t x = begin; x < end; ++x)
                for (std::size_t c = 0; c < 3; ++c)
                    out.at(x, y)[c] = axis.at(x, image.at(0, y) + c, 3);
    }
    return out;
}
/// `image` with columns of another length.
inline Image resize_columns(const Image& image, std::size_t height, Resampling resampling) {
    ResizeAxis axis(image.height, height, resampling);
    Image out(image.width, height);
    std::vector<std::int32_t> sums;
    for (std::size_t begin = 0, end = 0; begin < height; begin = end) {
        end = axis.open(begin);
        for (std::size_t y = begin; y < end; ++y)
            axis.row(y, image.rgb.data(), 3 * image.width, sums, out.at(0, y));
    }
    return out;
}

}  // namespace detail

/// `image` with another size, at least 1 by 1: rows first, rounded to bytes, then columns. An axis
/// that keeps its length is not touched. Between the two it has no more pixels than before, after,
/// or 2^24: where rows first would make more, as of a picture a few pixels wide and a million high,
/// columns come first. That is another grey level than the reference's here and there, instead of
/// gigabytes and minutes.
[[nodiscard]] inline Image resize(Image image, std::size_t width, std::size_t height,
                                  Resampling resampling = Resampling::torchvision) {
    constexpr std::size_t most_between = std::size_t{1} << 24;
    const bool columns_first =
        width > image.width && height < image.height && image.height > most_between / width;
    if (columns_first) image = detail::resize_columns(image, height, resampling);
    if (width != image.width) image = detail::resize_rows(image, width, resampling);
    if (height != image.height) image = detail::resize_columns(image, height, resampling);
    return image;
}

}  // namespace carat::inline CARAT_ABI

/// \file
/// RealFft: the magnitudes of the Fourier transform of a real frame. Eigen's FFT, and the only
/// place that knows it, so that another can take its place.
#pragma once

#include "carat/base/abi.hpp"

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstddef>
#include <span>
#include <unsupported/Eigen/FFT>
#include <vector>

namespace carat::inline CARAT_ABI {

/// Transforms frames of one length. Not to be used by two threads at once.
class RealFft {
  public:
    /// `length` even and at least 2.
    explicit RealFft(std::size_t length) : frame_(length), spectrum_(length / 2 + 1) {
        fft_.SetFlag(Eigen::FFT<double>::HalfSpectrum);
    }

    [[nodiscard]] std::size_t length() const noexcept { return frame_.size(); }
    [[nodiscard]] std::size_t bins() const noexcept { return spectrum_.size(); }

    /// out[b] = |Σ_n x[n] · exp(-2πi · b · n / length)| of x, which is continued with zeros.
    ///   x [at most length], out [bins]
    void magnitudes(std::span<const float> x, std::span<double> out) {
        std::copy(x.begin(), x.end(), frame_.begin());
        std::fill(frame_.begin() + static_cast<std::ptrdiff_t>(x.size()), frame_.end(), 0.0);
        fft_.fwd(spectrum_.data(), frame_.data(), static_cast<Eigen::Index>(frame_.size()));
        for (std::size_t b = 0; b < spectrum_.size(); ++b)
            out[b] = std::sqrt(std::norm(spectrum_[b]));
    }

  private:
    Eigen::FFT<double> fft_;
    std::vector<double> frame_;
    std::vector<std::complex<double>> spectrum_;
};

}  // namespace carat::inline CARAT_ABI

/// \file
/// The rows of a call, cut into bands that are computed one after the other.
#pragma once

#include "carat/base/abi.hpp"

#include <algorithm>
#include <cstddef>

namespace carat::inline CARAT_ABI::nn {

/// Most rows of a band: so many that reading all weights again for the next one costs nothing
/// beside the arithmetic.
inline constexpr std::size_t band_rows = 672;

/// Bands of about one size. Threads share a region band by band, so that each computes much the
/// same rows in every region of a layer and finds in its own cache what they read (the vision
/// tower, two cores of Zen 5 that share no cache: 0.92 to 0.95 of the time). How many there are
/// depends on the rows alone: a result does not depend on the threads.
class Bands {
  public:
    explicit constexpr Bands(std::size_t rows)
        : rows_(rows), count_((rows + band_rows - 1) / band_rows) {
        if (count_ == 0) return;
        const std::size_t even = (rows + count_ - 1) / count_;
        size_ = (even + tile - 1) / tile * tile;
    }
    [[nodiscard]] constexpr std::size_t count() const { return count_; }
    /// First row of band i, and how many it has.
    [[nodiscard]] constexpr std::size_t first(std::size_t i) const { return i * size_; }
    [[nodiscard]] constexpr std::size_t size(std::size_t i) const {
        return std::min(size_, rows_ - first(i));
    }

  private:
    /// Whole tiles of tokens of every kernel: 6 and 16.
    static constexpr std::size_t tile = 48;
    static_assert(band_rows % tile == 0);

    std::size_t rows_, count_, size_ = 0;
};

}  // namespace carat::inline CARAT_ABI::nn

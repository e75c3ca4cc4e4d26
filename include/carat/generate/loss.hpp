/// \file
/// Cross entropy of logits and labels. Source: spec/text.md section 15.
#pragma once

#include "carat/base/abi.hpp"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

namespace carat::inline CARAT_ABI {

/// Mean negative log likelihood of the labels that count. The caller shifts: the logits of position
/// t go with label t + 1.
class Loss {
  public:
    static constexpr std::int32_t ignored = -100;

    /// Counts one prediction and returns its negative log likelihood; 0 for a label that is ignored
    /// or outside the vocabulary, which does not count.
    double add(std::span<const float> logits, std::int32_t label) {
        if (label < 0 || static_cast<std::size_t>(label) >= logits.size()) return 0.0;
        float largest = -HUGE_VALF;  // f32: GCC 12 for Arm does not survive this loop in double
        for (const float z : logits) largest = std::fmax(largest, z);
        const double top = largest;
        double sum = 0.0;
        for (const float z : logits) sum += std::exp(static_cast<double>(z) - top);
        const double nll =
            top + std::log(sum) - static_cast<double>(logits[static_cast<std::size_t>(label)]);
        total_ += nll;
        ++count_;
        return nll;
    }
    [[nodiscard]] std::size_t count() const noexcept { return count_; }
    /// NaN if nothing counted, as in the reference.
    [[nodiscard]] double mean() const noexcept { return total_ / static_cast<double>(count_); }

  private:
    double total_ = 0.0;
    std::size_t count_ = 0;
};

}  // namespace carat::inline CARAT_ABI

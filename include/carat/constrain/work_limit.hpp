/// \file
/// How much work a stranger's form of an answer may make before it is refused.
#pragma once

#include "carat/base/abi.hpp"

#include <cstddef>

namespace carat::inline CARAT_ABI::constrain {

/// What is left of it, in steps of some 50 ns: an edge of an automaton looked at, two values
/// compared. All patterns and alternatives of one grammar share it.
class WorkLimit {
  public:
    static constexpr std::size_t max_work = 20'000'000;  ///< a second or so

    /// Takes n steps; false where fewer were left, and from then on.
    bool take(std::size_t n) noexcept {
        spent_ = spent_ || n > left_;
        if (!spent_) left_ -= n;
        return !spent_;
    }
    [[nodiscard]] bool is_spent() const noexcept { return spent_; }

  private:
    std::size_t left_ = max_work;
    bool spent_ = false;
};

}  // namespace carat::inline CARAT_ABI::constrain

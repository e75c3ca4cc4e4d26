/// \file
/// SoftTokens: what towers turn pictures and sound into, rows of the text model's width.
#pragma once

#include "carat/tensor/view.hpp"

#include <cstddef>
#include <vector>

namespace carat {

/// Owns its rows; a prompt's media append to it in the order of their placeholders, and a session
/// takes it as soft_tokens.
template <std::size_t width>
class SoftTokens {
  public:
    [[nodiscard]] std::size_t rows() const noexcept { return values_.size() / width; }
    [[nodiscard]] Rows<const float, width> view() const {
        return Rows<const float, width>(values_.data(), rows());
    }
    /// Room for more rows behind the others; it stays until the next call.
    Rows<float, width> grow(std::size_t rows) {
        const std::size_t before = values_.size();
        values_.resize(before + rows * width);
        return Rows<float, width>(values_.data() + before, rows);
    }
    void append(const SoftTokens& other) {
        values_.insert(values_.end(), other.values_.begin(), other.values_.end());
    }

  private:
    std::vector<float> values_;
};

}  // namespace carat

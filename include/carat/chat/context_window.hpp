/// \file
/// Which messages of a conversation the context has room for.
#pragma once

#include "carat/format/json.hpp"

#include <cstddef>

namespace carat::inline CARAT_ABI {

/// The system's message and the latest others; the oldest are hidden, whole turns at a time.
class ContextWindow {
  public:
    explicit ContextWindow(std::size_t hidden = 0) : hidden_(hidden) {}

    /// Messages that are hidden.
    [[nodiscard]] std::size_t hidden() const noexcept { return hidden_; }

    [[nodiscard]] Json visible(const JsonValue& messages) const;
    /// Hides the oldest question and what followed. False where only the last one is left.
    bool slide(const JsonValue& messages);
    /// Messages were taken back: where none is left to see, all are seen again.
    void shrink(const JsonValue& messages);

  private:
    static std::size_t systems(const JsonValue& messages);

    std::size_t hidden_;
};

}  // namespace carat::inline CARAT_ABI

#ifndef CARAT_SEPARATE_COMPILATION
#include "carat/chat/context_window.inl.hpp"
#endif

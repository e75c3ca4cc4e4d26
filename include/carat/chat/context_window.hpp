/// \file
/// Which messages of a conversation the context has room for.
#pragma once

#include "carat/base/result.hpp"
#include "carat/format/json.hpp"

#include <cstddef>
#include <vector>

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
    /// The window that hides as few more turns as it takes for fits(window), a Result<bool>, or all
    /// but the last. Asks a few times, however many there are, and takes it that what fits still
    /// does with a turn less. Bad input: an error of fits.
    template <class Fits>
    [[nodiscard]] Result<ContextWindow> slid(const JsonValue& messages, Fits&& fits) const {
        std::vector<std::size_t> hidden;
        for (ContextWindow next = *this; next.slide(messages);) hidden.push_back(next.hidden_);
        if (hidden.empty()) return *this;
        std::size_t first = 0, last = hidden.size() - 1;
        while (first < last) {
            const std::size_t middle = first + (last - first) / 2;
            const Result<bool> enough = fits(ContextWindow(hidden[middle]));
            if (!enough) return enough.error();
            if (*enough) {
                last = middle;
            } else {
                first = middle + 1;
            }
        }
        return ContextWindow(hidden[first]);
    }
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

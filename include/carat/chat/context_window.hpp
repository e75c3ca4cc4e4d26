/// \file
/// Which messages of a conversation the context has room for.
#pragma once

#include "carat/json.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace carat::inline CARAT_ABI {

/// The system's message and the latest others; the oldest are hidden, whole turns at a time.
class ContextWindow {
  public:
    explicit ContextWindow(std::size_t hidden = 0) : hidden_(hidden) {}

    /// Messages that are hidden.
    [[nodiscard]] std::size_t hidden() const noexcept { return hidden_; }

    [[nodiscard]] Json visible(const JsonValue& messages) const {
        Json out(rapidjson::kArrayType);
        const auto all = json::elements(messages);
        const std::size_t first = systems(messages);
        for (std::size_t i = 0; i < all.size(); ++i)
            if (i < first || i >= first + hidden_)
                out.PushBack(JsonValue(all[i], out.GetAllocator()), out.GetAllocator());
        return out;
    }
    /// Hides the oldest question and what followed. False where only the last one is left.
    bool slide(const JsonValue& messages) {
        const auto all = json::elements(messages);
        const std::size_t first = systems(messages);
        for (std::size_t i = first + hidden_ + 1; i < all.size(); ++i) {
            if (json::string(json::find(all[i], "role")) != "user") continue;
            hidden_ = i - first;
            return true;
        }
        return false;
    }
    /// Messages were taken back: where none is left to see, all are seen again.
    void shrink(const JsonValue& messages) {
        if (systems(messages) + hidden_ >= json::elements(messages).size()) hidden_ = 0;
    }

  private:
    static std::size_t systems(const JsonValue& messages) {
        const auto all = json::elements(messages);
        if (all.empty()) return 0;
        const auto role = json::string(json::find(all[0], "role"));
        return role == "system" || role == "developer" ? 1 : 0;
    }

    std::size_t hidden_;
};

}  // namespace carat::inline CARAT_ABI

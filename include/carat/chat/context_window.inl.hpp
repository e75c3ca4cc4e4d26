/// \file
/// What context_window.hpp declares.
#pragma once

#include "carat/chat/context_window.hpp"
#include "carat/format/json.hpp"

#include <cstddef>

namespace carat::inline CARAT_ABI {

CARAT_ONCE Json ContextWindow::visible(const JsonValue& messages) const {
    Json out(rapidjson::kArrayType);
    const auto all = json::elements(messages);
    const std::size_t first = systems(messages);
    for (std::size_t i = 0; i < all.size(); ++i)
        if (i < first || i >= first + hidden_)
            out.PushBack(JsonValue(all[i], out.GetAllocator()), out.GetAllocator());
    return out;
}

CARAT_ONCE bool ContextWindow::slide(const JsonValue& messages) {
    const auto all = json::elements(messages);
    const std::size_t first = systems(messages);
    for (std::size_t i = first + hidden_ + 1; i < all.size(); ++i) {
        if (json::string(json::find(all[i], "role")) != "user") continue;
        hidden_ = i - first;
        return true;
    }
    return false;
}

CARAT_ONCE void ContextWindow::shrink(const JsonValue& messages) {
    if (systems(messages) + hidden_ >= json::elements(messages).size()) hidden_ = 0;
}

CARAT_ONCE std::size_t ContextWindow::systems(const JsonValue& messages) {
    const auto all = json::elements(messages);
    if (all.empty()) return 0;
    const auto role = json::string(json::find(all[0], "role"));
    return role == "system" || role == "developer" ? 1 : 0;
}

}  // namespace carat::inline CARAT_ABI

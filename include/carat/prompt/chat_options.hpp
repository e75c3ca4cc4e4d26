/// \file
/// What a caller decides about a prompt.
#pragma once

#include "carat/base/abi.hpp"

namespace carat::inline CARAT_ABI {

/// The two variants of the chat format. They differ where thinking is off and the model is to
/// speak.
enum class ChatVariant {
    small,  ///< E2B, E4B
    large,  ///< 26B-A4B, 31B: an empty thought is put into the model's mouth, which keeps it from
            ///< thinking
};

struct ChatOptions {
    ChatVariant variant = ChatVariant::small;
    bool enable_thinking = false;
    bool preserve_thinking = false;     ///< keeps the thoughts of earlier turns that called tools
    bool add_generation_prompt = true;  ///< ends with the start of the model's turn
};

}  // namespace carat::inline CARAT_ABI

/// \file
/// What chat_parse.hpp declares.
#pragma once

#include "carat/prompt/call_syntax.hpp"
#include "carat/prompt/chat_parse.hpp"
#include "carat/text/unicode.hpp"

#include <string_view>

namespace carat::inline CARAT_ABI {

CARAT_ONCE Reply parse_reply(std::string_view text, bool starts_in_thought) {
    ReplyParser parser(starts_in_thought);
    parser.push(text);
    return parser.finish();
}

}  // namespace carat::inline CARAT_ABI

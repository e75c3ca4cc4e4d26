/// \file
/// What separate.hpp is for the core, for carat::text: tokenizer, chat format, conversations and
/// the forms of answers. CMake: carat::separate_text.
#pragma once

#ifndef CARAT_SEPARATE_COMPILATION
#error "carat: CARAT_SEPARATE_COMPILATION must be defined for this unit and for all others"
#endif

#include "carat/chat/chat_media.inl.hpp"
#include "carat/chat/chat_prompt.inl.hpp"
#include "carat/chat/context_window.inl.hpp"
#include "carat/constrain/answer_shape.inl.hpp"
#include "carat/constrain/constraint.inl.hpp"
#include "carat/constrain/token_trie.inl.hpp"
#include "carat/prompt/call_syntax.inl.hpp"
#include "carat/prompt/chat_format.inl.hpp"
#include "carat/prompt/chat_parse.inl.hpp"
#include "carat/prompt/chat_variant.inl.hpp"
#include "carat/prompt/conversation.inl.hpp"
#include "carat/prompt/media_expansion.inl.hpp"
#include "carat/prompt/media_parts.inl.hpp"
#include "carat/prompt/tools.inl.hpp"
#include "carat/text/tokenizer.inl.hpp"

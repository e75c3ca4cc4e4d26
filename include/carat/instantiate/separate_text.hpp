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
#include "carat/text/call_syntax.inl.hpp"
#include "carat/text/chat_format.inl.hpp"
#include "carat/text/chat_parse.inl.hpp"
#include "carat/text/chat_variant.inl.hpp"
#include "carat/text/conversation.inl.hpp"
#include "carat/text/media_expansion.inl.hpp"
#include "carat/text/media_parts.inl.hpp"
#include "carat/text/tokenizer.inl.hpp"
#include "carat/text/tools.inl.hpp"

/// \file
/// All that carat::text is for, whose libraries it needs. Programs without text include what they
/// use, most often carat/gemma4.hpp and carat/generate/generate.hpp, and link nothing. Not here:
/// carat/gemma4_drafter.hpp, carat/media_files.hpp, carat/pack.hpp, carat/media/,
/// carat/instantiate/.
#pragma once

#include "carat/chat.hpp"
#include "carat/checkpoint/config/generation_config.hpp"
#include "carat/checkpoint/safetensors_writer.hpp"
#include "carat/config/check.hpp"
#include "carat/config/parameters.hpp"
#include "carat/config/presets.hpp"
#include "carat/format/json_writer.hpp"
#include "carat/gemma4.hpp"
#include "carat/generate/generate.hpp"
#include "carat/generate/loss.hpp"
#include "carat/parallel/thread_pool.hpp"
#include "carat/prompt/chat_encode.hpp"
#include "carat/prompt/chat_parse.hpp"
#include "carat/prompt/chat_variant.hpp"
#include "carat/prompt/conversation.hpp"
#include "carat/prompt/media_parts.hpp"
#include "carat/text/bpe.hpp"
#include "carat/text/stream.hpp"
#include "carat/text/tokenizer.hpp"
#include "carat/version.hpp"

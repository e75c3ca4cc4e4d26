/// \file
/// Which variant of the chat format a model wants, found in its folder.
#pragma once

#include "carat/base/result.hpp"
#include "carat/prompt/chat_options.hpp"

#include <string>
#include <string_view>

namespace carat::inline CARAT_ABI {

/// The variant that a template's text asks for: large if it puts an empty thought somewhere. That
/// is where `<|channel>thought` and `<channel|>` have nothing between them but newlines (real or
/// written `\n`) and what joins strings in a template.
[[nodiscard]] ChatVariant chat_variant_of_template(std::string_view text) noexcept;

/// The variant for a model's folder: that of `chat_template.jinja`, or of `chat_template` inside
/// `tokenizer_config.json` (a string, or a list of `{"name", "template"}` of which any may decide);
/// small where the folder has no template. A folder that is not there, files that cannot be read
/// and a broken tokenizer_config.json are errors that name the file. Source: spec/chat.md,
/// section 1.
/// Where the tokenizer is in a GGUF file (gguf_of_tokenizer), so may be the template: in that of a
/// path which ends in ".gguf", or of a folder without the others.
[[nodiscard]] Result<ChatVariant> chat_variant(const std::string& folder);

}  // namespace carat::inline CARAT_ABI

#ifndef CARAT_SEPARATE_COMPILATION
#include "carat/prompt/chat_variant.inl.hpp"
#endif

/// \file
/// Token ids into text, one at a time, while a model generates.
#pragma once

#include "carat/base/result.hpp"
#include "carat/text/piece_joiner.hpp"
#include "carat/text/tokenizer.hpp"

#include <cstdint>
#include <string>

namespace carat::inline CARAT_ABI {

/// An incremental Tokenizer::decode: what push and finish return, joined, is what decode returns
/// for all the ids. Each part is whole UTF-8; a run of byte pieces is held back until it has ended,
/// because only then it is known to be text. The tokenizer must outlive the stream.
class TextStream {
  public:
    explicit TextStream(const Tokenizer& tokenizer, DecodeOptions options = {})
        : tokenizer_(&tokenizer), options_(options) {}

    /// The text that became certain with this id, often a word, sometimes nothing. An id outside
    /// the vocabulary is an error and leaves the stream as it was.
    [[nodiscard]] Result<std::string> push(std::int32_t id) {
        return tokenizer_->decode_next(joiner_, id, options_);
    }

    /// What was held back. The stream is as new afterwards.
    [[nodiscard]] std::string finish() { return joiner_.finish(); }

  private:
    const Tokenizer* tokenizer_;
    DecodeOptions options_;
    PieceJoiner joiner_;
};

}  // namespace carat::inline CARAT_ABI

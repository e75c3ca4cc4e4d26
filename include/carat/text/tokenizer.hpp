/// \file
/// Text into token ids and back.
///
/// Added tokens are found here; the text between them is merged by sentencepiece, which is linked
/// (`-lsentencepiece`).
#pragma once

#include "carat/base/result.hpp"
#include "carat/text/added_tokens.hpp"
#include "carat/text/piece_joiner.hpp"
#include "carat/text/vocabulary.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sentencepiece {
class SentencePieceProcessor;
}

namespace carat::inline CARAT_ABI {

struct EncodeOptions {
    AddedTokens added_tokens = AddedTokens::all;
    /// Puts `<bos>` first, whether or not the text starts with it. Prompts of the chat format bring
    /// their own.
    bool add_bos = false;
    /// The parts of the text that a user wrote: what spells a special token there stays text.
    /// Ascending, not overlapping. The ids are those of the whole text wherever no special token is
    /// spelled: merges do cross the borders.
    std::span<const TextRange> user_text = {};
};

struct DecodeOptions {
    bool skip_special = false;  ///< leaves special tokens out
};

/// The tokenizer of a model. Movable; const members may be called from several threads.
class Tokenizer {
  public:
    /// The longest text that encode takes at once.
    static constexpr std::size_t max_text_bytes = std::size_t{64} << 20;

    Tokenizer(Tokenizer&&) noexcept;
    Tokenizer& operator=(Tokenizer&&) noexcept;
    ~Tokenizer();

    /// From a model's folder: `tokenizer.json`, or `tokenizer.model` where there is none, and
    /// `tokenizer_config.json` where there is one; or from the metadata of a GGUF file: `path`, if
    /// it ends in ".gguf", or where a folder has neither of those the one in it
    /// (gguf_of_tokenizer). Errors name the file and what was expected of it. Memory that the
    /// system refuses is one of them while a file is read; sentencepiece, which then gets the
    /// vocabulary, ends the program.
    [[nodiscard]] static Result<Tokenizer> open(const std::string& path);

    /// From the text of a `tokenizer.json`.
    [[nodiscard]] static Result<Tokenizer> from_json(std::string_view text);

    /// From the bytes of a sentencepiece model.
    [[nodiscard]] static Result<Tokenizer> from_model(std::string_view bytes);

    /// From a vocabulary; `source` names it in errors and in source().
    [[nodiscard]] static Result<Tokenizer> from_vocabulary(const Vocabulary& v, std::string source);

    /// The ids of a text. Nothing is added to it unless asked for. Bytes that are not UTF-8 count
    /// as one U+FFFD each. Errors: a text longer than max_text_bytes, `add_bos` without a `<bos>`
    /// in the vocabulary, user_text out of order or beyond the text, a system that refuses
    /// 256 bytes of memory for each of the text. Source:
    /// spec/processing.md, 2.1.
    [[nodiscard]] Result<std::vector<std::int32_t>> encode(std::string_view text,
                                                           const EncodeOptions& options = {}) const;

    /// The text of ids. A run of byte pieces that is not UTF-8 becomes one U+FFFD a byte. An id
    /// outside the vocabulary is an error. Source: spec/processing.md, 2.2.
    [[nodiscard]] Result<std::string> decode(std::span<const std::int32_t> ids,
                                             DecodeOptions options = {}) const;

    /// One step of decoding, for streams: the text that is certain once this id is known (see
    /// PieceJoiner).
    [[nodiscard]] Result<std::string> decode_next(PieceJoiner& joiner, std::int32_t id,
                                                  DecodeOptions options) const;

    /// How many ids there are: they are 0 to vocab_size() - 1.
    [[nodiscard]] std::int32_t vocab_size() const noexcept {
        return static_cast<std::int32_t>(kinds_.size());
    }

    /// The piece of an id as the file spells it (`▁the`, `<0x0A>`), empty where the id is out of
    /// range.
    [[nodiscard]] std::string_view piece(std::int32_t id) const;

    /// What an id adds to a text, U+2581 as a space: one byte of a byte piece, which need not be
    /// text by itself. Nothing of what never is text: special, unknown and unused pieces.
    [[nodiscard]] std::optional<std::string> bytes_of(std::int32_t id) const;

    /// The id of a piece, if there is such a piece.
    [[nodiscard]] std::optional<std::int32_t> id_of(std::string_view piece) const;

    /// Whether an id is a control token.
    [[nodiscard]] bool is_special(std::int32_t id) const noexcept {
        return id >= 0 && id < vocab_size() && kinds_[static_cast<std::size_t>(id)] == special;
    }

    /// Whether an id stands for one byte.
    [[nodiscard]] bool is_byte(std::int32_t id) const noexcept {
        return id >= 0 && id < vocab_size() && kinds_[static_cast<std::size_t>(id)] >= 0;
    }

    [[nodiscard]] const std::vector<AddedToken>& added_tokens() const noexcept {
        return added_.tokens();
    }
    /// Whether the files ask for `<bos>` before plain text.
    [[nodiscard]] bool adds_bos() const noexcept { return adds_bos_; }
    /// The file that the pieces came from.
    [[nodiscard]] const std::string& source() const noexcept { return source_; }

  private:
    Tokenizer();

    static Result<Tokenizer> open_path(const std::string& folder);
    /// From a vocabulary that has been checked.
    static Result<Tokenizer> build(const Vocabulary& v, std::string source);

    /// Of a text and options that have been checked.
    Result<std::vector<std::int32_t>> encoded(std::string_view text,
                                              const EncodeOptions& options) const;
    Result<void> merge(std::string_view text, std::vector<std::int32_t>& ids) const;

    static constexpr std::int16_t ordinary = -1, special = -2;  // anything from 0 to 255 is a byte

    std::string source_;
    std::unique_ptr<sentencepiece::SentencePieceProcessor> processor_;
    AddedTokenMatcher added_;
    std::vector<std::int16_t> kinds_;  // by id
    std::optional<std::int32_t> bos_;
    bool adds_bos_ = false;
};

}  // namespace carat::inline CARAT_ABI

#ifndef CARAT_SEPARATE_COMPILATION
#include "carat/text/tokenizer.inl.hpp"
#endif

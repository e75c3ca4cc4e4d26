/// \file
/// Text into token ids and back.
///
/// Added tokens are found here; the text between them is merged by sentencepiece, which is linked
/// (`-lsentencepiece`).
#pragma once

#include "carat/joined.hpp"
#include "carat/result.hpp"
#include "carat/text/added_tokens.hpp"
#include "carat/text/gguf_head.hpp"
#include "carat/text/piece_joiner.hpp"
#include "carat/text/read_file.hpp"
#include "carat/text/sentencepiece_proto.hpp"
#include "carat/text/tokenizer_config.hpp"
#include "carat/text/tokenizer_gguf.hpp"
#include "carat/text/tokenizer_json.hpp"
#include "carat/text/vocabulary.hpp"

#include <sentencepiece_processor.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

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

    /// From a model's folder: `tokenizer.json`, or `tokenizer.model` where there is none, and
    /// `tokenizer_config.json` where there is one; or from the metadata of a GGUF file: `path`, if
    /// it ends in ".gguf", or where a folder has neither of those the one in it
    /// (gguf_of_tokenizer). Errors name the file and what was expected of it. Memory that the
    /// system refuses is one of them while a file is read; sentencepiece, which then gets the
    /// vocabulary, ends the program.
    [[nodiscard]] static Result<Tokenizer> open(const std::string& path) {
        return memory_errors([&] { return open_path(path); });
    }

    /// From the text of a `tokenizer.json`.
    [[nodiscard]] static Result<Tokenizer> from_json(std::string_view text) {
        auto v = read_tokenizer_json(text, "tokenizer.json");
        if (!v) return std::move(v).error();
        return build(*v, "tokenizer.json");
    }

    /// From the bytes of a sentencepiece model.
    [[nodiscard]] static Result<Tokenizer> from_model(std::string_view bytes) {
        auto v = read_sentencepiece_proto(bytes, "tokenizer.model");
        if (!v) return std::move(v).error();
        return build(*v, "tokenizer.model");
    }

    /// From a vocabulary; `source` names it in errors and in source().
    [[nodiscard]] static Result<Tokenizer> from_vocabulary(const Vocabulary& v,
                                                           std::string source) {
        if (auto checked = check_vocabulary(v, source); !checked) return std::move(checked).error();
        return build(v, std::move(source));
    }

    /// The ids of a text. Nothing is added to it unless asked for. Bytes that are not UTF-8 count
    /// as one U+FFFD each. Errors: a text longer than max_text_bytes, `add_bos` without a `<bos>`
    /// in the vocabulary, user_text out of order or beyond the text. Source:
    /// spec/processing.md, 2.1.
    [[nodiscard]] Result<std::vector<std::int32_t>> encode(
        std::string_view text, const EncodeOptions& options = {}) const {
        if (text.size() > max_text_bytes) {
            return Error{Errc::out_of_range, joined({"a text of ", text.size(),
                                                     " bytes, expected at most ", max_text_bytes})};
        }
        std::size_t last = 0;
        for (const TextRange& r : options.user_text) {
            if (r.begin < last || r.end < r.begin || r.end > text.size()) {
                return Error{Errc::invalid_argument,
                             joined({"user_text: [", r.begin, ", ", r.end,
                                     ") overlaps the range before it or leaves the text, expected "
                                     "ascending ranges"})};
            }
            last = r.end;
        }
        std::vector<std::int32_t> ids;
        if (options.add_bos) {
            if (!bos_) return Error{Errc::mismatch, source_ + ": no piece <bos>"};
            ids.push_back(*bos_);
        }
        for (std::size_t at = 0; at < text.size();) {
            const auto match = added_.find(text, at, options.added_tokens, options.user_text);
            const std::size_t end = match ? match->range.begin : text.size();
            if (auto done = merge(text.substr(at, end - at), ids); !done)
                return std::move(done).error();
            if (!match) break;
            ids.push_back(match->id);
            at = match->range.end;
        }
        return ids;
    }

    /// The text of ids. A run of byte pieces that is not UTF-8 becomes one U+FFFD a byte. An id
    /// outside the vocabulary is an error. Source: spec/processing.md, 2.2.
    [[nodiscard]] Result<std::string> decode(std::span<const std::int32_t> ids,
                                             DecodeOptions options = {}) const {
        PieceJoiner joiner;
        std::string out;
        for (const std::int32_t id : ids) {
            auto text = decode_next(joiner, id, options);
            if (!text) return std::move(text).error();
            out += *text;
        }
        return out + joiner.finish();
    }

    /// One step of decoding, for streams: the text that is certain once this id is known (see
    /// PieceJoiner).
    [[nodiscard]] Result<std::string> decode_next(PieceJoiner& joiner, std::int32_t id,
                                                  DecodeOptions options) const {
        if (id < 0 || id >= vocab_size()) {
            return Error{Errc::out_of_range, "token id " + std::to_string(id) + ", expected 0 to " +
                                                 std::to_string(vocab_size() - 1) + " (" + source_ +
                                                 ")"};
        }
        const std::int16_t kind = kinds_[static_cast<std::size_t>(id)];
        if (kind == special && options.skip_special) return std::string();
        if (kind >= 0) {
            joiner.add_byte(static_cast<std::uint8_t>(kind));
            return std::string();
        }
        return joiner.add_piece(processor_->IdToPiece(id));
    }

    /// How many ids there are: they are 0 to vocab_size() - 1.
    [[nodiscard]] std::int32_t vocab_size() const noexcept {
        return static_cast<std::int32_t>(kinds_.size());
    }

    /// The piece of an id as the file spells it (`▁the`, `<0x0A>`), empty where the id is out of
    /// range.
    [[nodiscard]] std::string_view piece(std::int32_t id) const {
        if (id < 0 || id >= vocab_size()) return {};
        return processor_->IdToPiece(id);
    }

    /// What an id adds to a text, U+2581 as a space: one byte of a byte piece, which need not be
    /// text by itself. Nothing of what never is text: special, unknown and unused pieces.
    [[nodiscard]] std::optional<std::string> bytes_of(std::int32_t id) const {
        if (id < 0 || id >= vocab_size() || is_special(id)) return std::nullopt;
        const std::int16_t kind = kinds_[static_cast<std::size_t>(id)];
        if (kind >= 0) return std::string(1, static_cast<char>(static_cast<std::uint8_t>(kind)));
        if (processor_->IsControl(id) || processor_->IsUnknown(id) || processor_->IsUnused(id))
            return std::nullopt;
        return PieceJoiner().add_piece(processor_->IdToPiece(id));
    }

    /// The id of a piece, if there is such a piece.
    [[nodiscard]] std::optional<std::int32_t> id_of(std::string_view piece) const {
        const int id = processor_->PieceToId(piece);  // of unknown text, the unknown piece
        if (id < 0 || id >= vocab_size() || processor_->IdToPiece(id) != piece) return std::nullopt;
        return id;
    }

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
    Tokenizer() = default;

    /// From a vocabulary that has been checked.
    static Result<Tokenizer> open_path(const std::string& folder) {
        const Result<std::string> gguf = gguf_of_tokenizer(folder);
        if (!gguf) return gguf.error();
        if (!gguf->empty()) {
            auto v = read_tokenizer_gguf_file(*gguf);
            if (!v) return std::move(v).error();
            return build(*v, *gguf);
        }
        const std::string json = path_in(folder, "tokenizer.json");
        const std::string model = path_in(folder, "tokenizer.model");
        const std::string config = path_in(folder, "tokenizer_config.json");
        const bool from_json = file_exists(json);
        if (!from_json && !file_exists(model))
            return Error{
                Errc::io,
                folder +
                    ": no tokenizer, expected tokenizer.json, tokenizer.model or a .gguf file"};
        auto text = read_file(from_json ? json : model);
        if (!text) return std::move(text).error();
        auto v =
            from_json ? read_tokenizer_json(*text, json) : read_sentencepiece_proto(*text, model);
        if (!v) return std::move(v).error();
        if (file_exists(config)) {
            auto config_text = read_file(config);
            if (!config_text) return std::move(config_text).error();
            if (auto done = apply_tokenizer_config(*v, *config_text, config); !done)
                return std::move(done).error();
        }
        return build(*v, from_json ? json : model);
    }
    static Result<Tokenizer> build(const Vocabulary& v, std::string source) {
        Tokenizer t;
        t.source_ = std::move(source);
        t.processor_ = std::make_unique<sentencepiece::SentencePieceProcessor>();
        const auto status = t.processor_->LoadFromSerializedProto(write_sentencepiece_proto(v));
        if (!status.ok()) {
            return Error{Errc::bad_format,
                         t.source_ + ": sentencepiece refuses the model: " + status.ToString()};
        }
        t.kinds_.assign(v.pieces.size(), ordinary);
        for (std::size_t id = 0; id < v.pieces.size(); ++id) {
            if (v.types[id] == PieceType::byte) t.kinds_[id] = *byte_of_piece(v.pieces[id]);
        }
        for (const AddedToken& token : v.added) {
            if (token.special) t.kinds_[static_cast<std::size_t>(token.id)] = special;
        }
        t.added_ = AddedTokenMatcher(v.added);
        t.bos_ = t.id_of("<bos>");
        t.adds_bos_ = v.add_bos;
        return t;
    }

    Result<void> merge(std::string_view text, std::vector<std::int32_t>& ids) const {
        if (text.empty()) return {};
        std::vector<int> part;
        const auto status = unicode::is_valid(text)
                                ? processor_->Encode(text, &part)
                                : processor_->Encode(unicode::repaired(text), &part);
        if (!status.ok())
            return Error{Errc::bad_format, source_ + ": sentencepiece: " + status.ToString()};
        ids.insert(ids.end(), part.begin(), part.end());
        return {};
    }

    static constexpr std::int16_t ordinary = -1, special = -2;  // anything from 0 to 255 is a byte

    std::string source_;
    std::unique_ptr<sentencepiece::SentencePieceProcessor> processor_;
    AddedTokenMatcher added_;
    std::vector<std::int16_t> kinds_;  // by id
    std::optional<std::int32_t> bos_;
    bool adds_bos_ = false;
};

}  // namespace carat::inline CARAT_ABI

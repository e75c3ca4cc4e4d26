/// \file
/// What tokenizer.hpp declares.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/printable.hpp"
#include "carat/base/result.hpp"
#include "carat/text/added_tokens.hpp"
#include "carat/text/gguf_head.hpp"
#include "carat/text/piece_joiner.hpp"
#include "carat/text/read_file.hpp"
#include "carat/text/sentencepiece_proto.hpp"
#include "carat/text/tokenizer.hpp"
#include "carat/text/tokenizer_config.hpp"
#include "carat/text/tokenizer_gguf.hpp"
#include "carat/text/tokenizer_json.hpp"
#include "carat/text/vocabulary.hpp"

#include <sentencepiece_processor.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace carat::inline CARAT_ABI {

CARAT_ONCE Tokenizer::Tokenizer() = default;
CARAT_ONCE Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
CARAT_ONCE Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
CARAT_ONCE Tokenizer::~Tokenizer() = default;

CARAT_ONCE Result<Tokenizer> Tokenizer::open(const std::string& path) {
    return memory_errors(path, [&] { return open_path(path); });
}

CARAT_ONCE Result<Tokenizer> Tokenizer::from_json(std::string_view text) {
    return memory_errors("tokenizer.json", [&]() -> Result<Tokenizer> {
        auto v = read_tokenizer_json(text, "tokenizer.json");
        if (!v) return std::move(v).error();
        return build(*v, "tokenizer.json");
    });
}

CARAT_ONCE Result<Tokenizer> Tokenizer::from_model(std::string_view bytes) {
    return memory_errors("tokenizer.model", [&]() -> Result<Tokenizer> {
        auto v = read_sentencepiece_proto(bytes, "tokenizer.model");
        if (!v) return std::move(v).error();
        return build(*v, "tokenizer.model");
    });
}

CARAT_ONCE Result<Tokenizer> Tokenizer::from_vocabulary(const Vocabulary& v, std::string source) {
    return memory_errors([&]() -> Result<Tokenizer> {
        if (auto checked = check_vocabulary(v, source); !checked) return std::move(checked).error();
        return build(v, std::move(source));
    });
}

CARAT_ONCE Result<std::vector<std::int32_t>> Tokenizer::encode(std::string_view text,
                                                               const EncodeOptions& options) const {
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
    return memory_errors("the text's ids", [&] { return encoded(text, options); });
}

CARAT_ONCE Result<std::vector<std::int32_t>> Tokenizer::encoded(
    std::string_view text, const EncodeOptions& options) const {
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

CARAT_ONCE Result<std::string> Tokenizer::decode(std::span<const std::int32_t> ids,
                                                 DecodeOptions options) const {
    return memory_errors("the text of ids", [&]() -> Result<std::string> {
        PieceJoiner joiner;
        std::string out;
        for (const std::int32_t id : ids) {
            auto text = decode_next(joiner, id, options);
            if (!text) return std::move(text).error();
            out += *text;
        }
        return out + joiner.finish();
    });
}

CARAT_ONCE Result<std::string> Tokenizer::decode_next(PieceJoiner& joiner, std::int32_t id,
                                                      DecodeOptions options) const {
    if (id < 0 || id >= vocab_size()) {
        return Error{Errc::out_of_range, "token id " + std::to_string(id) + ", expected 0 to " +
                                             std::to_string(vocab_size() - 1) + " (" + source_ +
                                             ")"};
    }
    const std::int16_t kind = kinds_[static_cast<std::size_t>(id)];
    if (kind == special && options.skip_special) return std::string();
    return memory_errors("the text of ids", [&]() -> Result<std::string> {
        if (kind < 0) return joiner.add_piece(processor_->IdToPiece(id));
        joiner.add_byte(static_cast<std::uint8_t>(kind));
        return std::string();
    });
}

CARAT_ONCE std::string_view Tokenizer::piece(std::int32_t id) const {
    if (id < 0 || id >= vocab_size()) return {};
    return processor_->IdToPiece(id);
}

CARAT_ONCE std::optional<std::string> Tokenizer::bytes_of(std::int32_t id) const {
    if (id < 0 || id >= vocab_size() || is_special(id)) return std::nullopt;
    const std::int16_t kind = kinds_[static_cast<std::size_t>(id)];
    if (kind >= 0) return std::string(1, static_cast<char>(static_cast<std::uint8_t>(kind)));
    if (processor_->IsControl(id) || processor_->IsUnknown(id) || processor_->IsUnused(id))
        return std::nullopt;
    return PieceJoiner().add_piece(processor_->IdToPiece(id));
}

CARAT_ONCE std::optional<std::int32_t> Tokenizer::id_of(std::string_view piece) const {
    const int id = processor_->PieceToId(piece);  // of unknown text, the unknown piece
    if (id < 0 || id >= vocab_size() || processor_->IdToPiece(id) != piece) return std::nullopt;
    return id;
}

CARAT_ONCE Result<Tokenizer> Tokenizer::open_path(const std::string& folder) {
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
            folder + ": no tokenizer, expected tokenizer.json, tokenizer.model or a .gguf file"};
    auto text = read_file(from_json ? json : model);
    if (!text) return std::move(text).error();
    auto v = from_json ? read_tokenizer_json(*text, json) : read_sentencepiece_proto(*text, model);
    if (!v) return std::move(v).error();
    if (file_exists(config)) {
        auto config_text = read_file(config);
        if (!config_text) return std::move(config_text).error();
        if (auto done = apply_tokenizer_config(*v, *config_text, config); !done)
            return std::move(done).error();
    }
    return build(*v, from_json ? json : model);
}

CARAT_ONCE Result<Tokenizer> Tokenizer::build(const Vocabulary& v, std::string source) {
    Tokenizer t;
    t.source_ = std::move(source);
    t.processor_ = std::make_unique<sentencepiece::SentencePieceProcessor>();
    const auto status = t.processor_->LoadFromSerializedProto(write_sentencepiece_proto(v));
    if (!status.ok()) {
        return Error{Errc::bad_format, t.source_ + ": sentencepiece refuses the model: " +
                                           printable(status.ToString(), 400)};
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

CARAT_ONCE Result<void> Tokenizer::merge(std::string_view text,
                                         std::vector<std::int32_t>& ids) const {
    if (text.empty()) return {};
    // sentencepiece crashes where it is refused memory, so the refusal must come before it starts.
    // Most of what it takes are its pieces; measured were 253 bytes for a text of blanks.
    constexpr std::size_t bytes_a_byte = 256;
    ::operator delete(::operator new(text.size() * bytes_a_byte));
    std::vector<int> part;
    const auto status = unicode::is_valid(text)
                            ? processor_->Encode(text, &part)
                            : processor_->Encode(unicode::repaired(text), &part);
    if (!status.ok())
        return Error{Errc::bad_format,
                     source_ + ": sentencepiece: " + printable(status.ToString(), 400)};
    for (const int id : part) {
        if (kinds_[static_cast<std::size_t>(id)] != special) {
            ids.push_back(id);
            continue;
        }
        // Text that spells a special token is text.
        for (const char c : PieceJoiner().add_piece(processor_->IdToPiece(id)))
            ids.push_back(processor_->PieceToId(byte_piece(static_cast<std::uint8_t>(c))));
    }
    return {};
}

}  // namespace carat::inline CARAT_ABI

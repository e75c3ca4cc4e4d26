/// \file
/// The tokenizer that a GGUF file holds in its metadata, read into a Vocabulary. Source:
/// spec/checkpoint.md section 7.2.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/printable.hpp"
#include "carat/base/result.hpp"
#include "carat/base/sip_hash.hpp"
#include "carat/format/gguf.hpp"
#include "carat/text/gguf_head.hpp"
#include "carat/text/vocabulary.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace carat::inline CARAT_ABI {
namespace detail {

class TokenizerGgufReader {
  public:
    TokenizerGgufReader(const Gguf& head, std::string_view what)
        : head_(head), what_(printable(what, 400)) {}

    Result<Vocabulary> read() {
        for (auto step : {&TokenizerGgufReader::read_pieces, &TokenizerGgufReader::read_merges,
                          &TokenizerGgufReader::read_types})
            if (auto done = (this->*step)(); !done) return std::move(done).error();
        v_.add_bos = Gguf::boolean(get("add_bos_token")).value_or(false);
        if (auto checked = check_vocabulary(v_, what_); !checked) return std::move(checked).error();
        return std::move(v_);
    }

  private:
    [[nodiscard]] const Gguf::Value* get(std::string_view key) const {
        return head_.find("tokenizer.ggml." + std::string(key));
    }
    [[nodiscard]] Error fail(const std::string& why, Errc code = Errc::bad_format) const {
        return {code, what_ + ": tokenizer.ggml." + why};
    }
    [[nodiscard]] Error wrong(const std::string& key, const std::string& expected) const {
        return fail(key + " is " + Gguf::describe(get(key)) + ", expected " + expected);
    }

    Result<void> read_pieces() {
        const auto model = Gguf::string(get("model"));
        if (!model) return wrong("model", "a string");
        if (*model != "gemma4" && *model != "llama")
            return fail("model is " + printable(*model, 40) + ", expected gemma4 or llama",
                        Errc::unsupported);
        if (Gguf::boolean(get("add_space_prefix")).value_or(*model == "llama"))
            return fail("add_space_prefix is not false, as it is for every Gemma 4",
                        Errc::unsupported);
        const Gguf::Value* tokens = get("tokens");
        if (tokens == nullptr || tokens->type != Gguf::Type::array ||
            tokens->element != Gguf::Type::string)
            return wrong("tokens", "an array of string");
        if (tokens->count > most_pieces)
            return wrong("tokens", "at most " + std::to_string(most_pieces));
        v_.pieces.reserve(tokens->count);
        Gguf::for_each_string(*tokens, [&](std::size_t, std::string_view piece) {
            v_.pieces.emplace_back(piece);
            return true;
        });
        v_.scores.assign(v_.pieces.size(), 0.0f);
        v_.types.assign(v_.pieces.size(), PieceType::control);
        return {};
    }

    /// Each is "left right"; the pieces hold U+2581 for a space. A file without merges is one of a
    /// sentencepiece model and ranks pieces by their scores.
    Result<void> read_merges() {
        const Gguf::Value* merges = get("merges");
        if (merges == nullptr) {
            const Gguf::Value* scores = get("scores");
            if (scores == nullptr || scores->type != Gguf::Type::array ||
                scores->element != Gguf::Type::f32 || scores->count != v_.pieces.size())
                return wrong("scores",
                             std::to_string(v_.pieces.size()) + " of f32, for there are no merges");
            for (std::size_t i = 0; i < v_.scores.size(); ++i)
                v_.scores[i] = Gguf::load<float>(scores->bytes.data() + i * sizeof(float));
            return {};
        }
        if (merges->type != Gguf::Type::array || merges->element != Gguf::Type::string)
            return wrong("merges", "an array of string");
        std::unordered_map<std::string_view, std::int32_t, KeyedHash> ids;
        ids.reserve(v_.pieces.size());
        for (std::size_t i = 0; i < v_.pieces.size(); ++i)
            ids.emplace(v_.pieces[i], static_cast<std::int32_t>(i));
        const auto id_of = [&](std::string_view piece) {
            const auto it = ids.find(piece);
            return it == ids.end() ? -1 : it->second;
        };
        std::string merged, why;
        Gguf::for_each_string(*merges, [&](std::size_t i, std::string_view text) {
            const std::size_t space = text.find(' ', 1);
            if (space == std::string_view::npos) {
                why = joined({"merges[", i, "] has no space, expected \"left right\""});
                return false;
            }
            const std::string_view left = text.substr(0, space), right = text.substr(space + 1);
            merged.assign(left).append(right);
            const Merge merge{id_of(left), id_of(right)};
            const std::int32_t result = id_of(merged);
            if (merge[0] < 0 || merge[1] < 0 || result < 0) {
                why = joined({"merges[", i, "] (", printable(left), " + ", printable(right),
                              ") names a piece that tokens does not have"});
                return false;
            }
            add_merge(v_, merge, static_cast<std::size_t>(result));
            return v_.merges.size() < most_pieces;
        });
        if (!why.empty()) return fail(why);
        return {};
    }

    Result<void> read_types() {
        const Gguf::Value* types = get("token_type");
        if (types == nullptr || types->type != Gguf::Type::array ||
            types->count != v_.pieces.size())
            return wrong("token_type", std::to_string(v_.pieces.size()) + " numbers from 1 to 6");
        const auto unknown = Gguf::unsigned_integer(get("unknown_token_id"));
        const bool ranked = !v_.merges.empty();
        if (ranked)
            set_piece_types(v_,
                            unknown && *unknown < v_.pieces.size()
                                ? std::string_view(v_.pieces[static_cast<std::size_t>(*unknown)])
                                : "<unk>");
        for (std::size_t i = 0; i < v_.pieces.size(); ++i) {
            const auto type = Gguf::unsigned_integer(*types, i).value_or(0);
            if (type < 1 || type > 6)
                return fail(joined({"token_type[", i, "] is ", type, ", expected 1 to 6"}));
            const auto kind = static_cast<PieceType>(type);
            if (!ranked)
                v_.types[i] =
                    kind == PieceType::user_defined ? type_beside_added(v_.pieces[i]) : kind;
            if (kind != PieceType::control && kind != PieceType::user_defined) continue;
            if (v_.pieces[i].empty()) continue;  // check_vocabulary() says so
            // Channel and tool markers are user-defined here, so that others show them; what they
            // mean is no text of a user's all the same.
            v_.added.push_back({v_.pieces[i], static_cast<std::int32_t>(i),
                                kind == PieceType::control || looks_special(v_.pieces[i])});
        }
        return {};
    }

    static constexpr std::size_t most_pieces = std::size_t{1} << 24;

    const Gguf& head_;
    std::string what_;
    Vocabulary v_;
};

}  // namespace detail

/// The tokenizer in the metadata of a GGUF file; `what` names it in errors. Bad input: another
/// kind of tokenizer than Gemma's, arrays that do not belong together, merges of pieces that are
/// not there: an error that names the key.
[[nodiscard]] inline Result<Vocabulary> read_tokenizer_gguf(const Gguf& head,
                                                            std::string_view what) {
    return memory_errors(what, [&] { return detail::TokenizerGgufReader(head, what).read(); });
}

/// The same for a file, of which the weights are not read.
[[nodiscard]] inline Result<Vocabulary> read_tokenizer_gguf_file(const std::string& path) {
    Vocabulary v;
    const auto read = with_gguf_head(path, [&](const Gguf& head) -> Result<void> {
        auto found = read_tokenizer_gguf(head, path);
        if (!found) return std::move(found).error();
        v = *std::move(found);
        return {};
    });
    if (!read) return read.error();
    return v;
}

}  // namespace carat::inline CARAT_ABI

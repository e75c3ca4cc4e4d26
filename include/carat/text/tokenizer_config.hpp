/// \file
/// `tokenizer_config.json`: which added tokens are special, and whether plain text starts with
/// `<bos>`.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/printable.hpp"
#include "carat/base/result.hpp"
#include "carat/base/sip_hash.hpp"
#include "carat/format/json.hpp"
#include "carat/text/vocabulary.hpp"

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace carat::inline CARAT_ABI {

namespace detail {

/// The added tokens and the pieces of a vocabulary, found in a time that does not depend on how
/// many there are. Nobody else may change the vocabulary meanwhile.
class TokenMarker {
  public:
    /// `more` is how many pieces may be added.
    TokenMarker(Vocabulary& v, std::size_t more) : v_(v) {
        v_.pieces.reserve(v_.pieces.size() + more);  // ids_ looks into them
        for (std::size_t i = 0; i < v_.added.size(); ++i) {
            places_.emplace(v_.added[i].id, i);
            names_.emplace(v_.added[i].text, i);
        }
    }

    /// The id of a piece, if there is such a piece.
    std::optional<std::int32_t> id_of(std::string_view piece) {
        for (; indexed_ < v_.pieces.size(); ++indexed_)
            ids_.emplace(v_.pieces[indexed_], static_cast<std::int32_t>(indexed_));
        const auto it = ids_.find(piece);
        return it == ids_.end() ? std::nullopt : std::optional(it->second);
    }
    /// The added token of an id, in the place of one that is there.
    void put(AddedToken token) {
        const auto [place, is_new] = places_.emplace(token.id, v_.added.size());
        if (is_new) {
            names_.emplace(token.text, v_.added.size());
            v_.added.push_back(std::move(token));
        } else {
            v_.added[place->second] = std::move(token);
        }
    }
    /// Makes `text` a special added token, if it is a piece at all.
    void mark_special(std::string_view text) {
        if (const auto place = names_.find(std::string(text)); place != names_.end()) {
            v_.added[place->second].special = true;
        } else if (const auto id = id_of(text)) {
            put({std::string(text), *id});
        }
    }
    /// A token is given as its text or as an object with `content`.
    void mark_special(const JsonValue& token) {
        const auto text =
            token.IsObject() ? json::string(json::find(token, "content")) : json::string(token);
        if (text) mark_special(*text);
    }

  private:
    Vocabulary& v_;
    std::size_t indexed_ = 0;  // pieces that are in ids_
    std::unordered_map<std::string_view, std::int32_t, KeyedHash> ids_;
    std::unordered_map<std::int32_t, std::size_t, KeyedHash> places_;  // in v_.added, by id
    std::unordered_map<std::string, std::size_t, KeyedHash> names_;    // and by text
};

inline Result<void> apply(const JsonValue& config, Vocabulary& v, std::string_view what) {
    const auto fail = [&](const std::string& why) {
        return Error{Errc::bad_format, std::string(what) + ": " + why};
    };
    if (!config.IsObject())
        return fail(std::string("the file is ") + json::type_name(&config) +
                    ", expected an object");

    std::map<std::size_t, const JsonValue*> decoder;  // by id, so that new pieces come in order
    for (const auto& entry : json::members(json::find(config, "added_tokens_decoder"))) {
        const std::string_view key = json::key(entry);
        std::size_t id = 0;
        const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
        if (error != std::errc{} || end != key.data() + key.size()) {
            return fail("added_tokens_decoder." + printable(key) + " is no id");
        }
        decoder[id] = &entry.value;
    }
    TokenMarker tokens(v, decoder.size());
    for (const auto& [id, entry] : decoder) {
        const auto content = json::string(json::find(entry, "content"));
        const std::string at = "added_tokens_decoder." + std::to_string(id);
        if (!content || content->empty()) return fail(at + " has no content");
        if (id == v.pieces.size()) {
            if (content->size() > max_piece_bytes) {
                return fail(joined(
                    {at, " has ", content->size(), " bytes, expected at most ", max_piece_bytes}));
            }
            if (tokens.id_of(*content)) {
                return fail(at + " is " + printable(*content) + ", a piece with another id");
            }
            v.pieces.emplace_back(*content);
            v.scores.push_back(0.0f);
            v.types.push_back(PieceType::control);
        }
        if (id >= v.pieces.size() || v.pieces[id] != *content) {
            return fail(at + " is " + printable(*content) + ", but that id is " +
                        (id < v.pieces.size() ? printable(v.pieces[id]) : "beyond the vocabulary"));
        }
        const auto flag = [e = entry](const char* key) {
            return json::boolean(json::find(e, key)) == true;
        };
        tokens.put({std::string(*content), static_cast<std::int32_t>(id), flag("special"),
                    flag("lstrip"), flag("rstrip"), flag("single_word")});
    }

    for (const auto& entry : json::members(config)) {
        if (json::key(entry).ends_with("_token")) tokens.mark_special(entry.value);
    }
    for (const char* name : {"extra_special_tokens", "additional_special_tokens"}) {
        const JsonValue* list = json::find(config, name);
        for (const JsonValue& token : json::elements(list)) tokens.mark_special(token);
        for (const auto& entry : json::members(list)) tokens.mark_special(entry.value);
    }
    if (const auto add = json::boolean(json::find(config, "add_bos_token"))) v.add_bos = *add;
    return check_added(v, what);
}

}  // namespace detail

/// Applies a `tokenizer_config.json` to the vocabulary it stands beside; `what` names the file in
/// errors. `added_tokens_decoder` adds tokens (also beyond the last id, without gaps) and says
/// which are special; so do members whose name ends in `_token`, `extra_special_tokens` and
/// `additional_special_tokens`. `add_bos_token` sets Vocabulary::add_bos. An id that belongs to
/// another piece is an error, and so is what check_vocabulary() refuses of added tokens.
[[nodiscard]] inline Result<void> apply_tokenizer_config(Vocabulary& v, std::string_view text,
                                                         std::string_view what) {
    const auto tree = parse_json(text, what);
    if (!tree) return tree.error();
    return memory_errors(what, [&] { return detail::apply(*tree, v, what); });
}

}  // namespace carat::inline CARAT_ABI

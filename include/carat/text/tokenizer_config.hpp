/// \file
/// `tokenizer_config.json`: which added tokens are special, and whether plain text starts with
/// `<bos>`.
#pragma once

#include "carat/json.hpp"
#include "carat/result.hpp"
#include "carat/text/vocabulary.hpp"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace carat::inline CARAT_ABI {

namespace detail {

/// Makes `text` a special added token, if it is a piece at all.
inline void mark_special(Vocabulary& v, std::string_view text) {
    for (AddedToken& token : v.added) {
        if (token.text == text) {
            token.special = true;
            return;
        }
    }
    const auto it = std::find(v.pieces.begin(), v.pieces.end(), text);
    if (it == v.pieces.end()) return;
    v.added.push_back({std::string(text), static_cast<std::int32_t>(it - v.pieces.begin())});
}

/// A token is given as its text or as an object with `content`.
inline void mark_special(Vocabulary& v, const JsonValue& token) {
    const auto text =
        token.IsObject() ? json::string(json::find(token, "content")) : json::string(token);
    if (text && !text->empty()) mark_special(v, *text);
}

}  // namespace detail

/// Applies a `tokenizer_config.json` to the vocabulary it stands beside; `what` names the file in
/// errors. `added_tokens_decoder` adds tokens (also beyond the last id, without gaps) and says
/// which are special; so do members whose name ends in `_token`, `extra_special_tokens` and
/// `additional_special_tokens`. `add_bos_token` sets Vocabulary::add_bos. An id that belongs to
/// another piece is an error.
[[nodiscard]] inline Result<void> apply_tokenizer_config(Vocabulary& v, std::string_view text,
                                                         std::string_view what) {
    auto tree = parse_json(text, what);
    if (!tree) return std::move(tree).error();
    const auto fail = [&](const std::string& why) {
        return Error{Errc::bad_format, std::string(what) + ": " + why};
    };
    if (!tree->IsObject())
        return fail(std::string("the file is ") + json::type_name(&*tree) + ", expected an object");

    std::map<std::size_t, const JsonValue*> decoder;  // by id, so that new pieces come in order
    for (const auto& entry : json::members(json::find(*tree, "added_tokens_decoder"))) {
        const std::string_view key = json::key(entry);
        std::size_t id = 0;
        const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
        if (error != std::errc{} || end != key.data() + key.size()) {
            return fail("added_tokens_decoder." + std::string(key) + " is no id");
        }
        decoder[id] = &entry.value;
    }
    for (const auto& [id, entry] : decoder) {
        const auto content = json::string(json::find(entry, "content"));
        const std::string at = "added_tokens_decoder." + std::to_string(id);
        if (!content || content->empty()) return fail(at + " has no content");
        if (id == v.pieces.size()) {
            if (content->size() > max_piece_bytes) {
                return fail(at + " is longer than " + std::to_string(max_piece_bytes) + " bytes");
            }
            if (std::find(v.pieces.begin(), v.pieces.end(), *content) != v.pieces.end()) {
                return fail(at + " is " + std::string(*content) + ", a piece with another id");
            }
            v.pieces.emplace_back(*content);
            v.scores.push_back(0.0f);
            v.types.push_back(PieceType::control);
        }
        if (id >= v.pieces.size() || v.pieces[id] != *content) {
            return fail(at + " is " + std::string(*content) + ", but that id is " +
                        (id < v.pieces.size() ? v.pieces[id] : "beyond the vocabulary"));
        }
        const auto flag = [e = entry](const char* key) {
            return json::boolean(json::find(e, key)) == true;
        };
        const AddedToken token{std::string(*content), static_cast<std::int32_t>(id),
                               flag("special"),       flag("lstrip"),
                               flag("rstrip"),        flag("single_word")};
        const auto known = std::find_if(v.added.begin(), v.added.end(),
                                        [&](const AddedToken& a) { return a.id == token.id; });
        if (known == v.added.end()) {
            v.added.push_back(token);
        } else {
            *known = token;
        }
    }

    for (const auto& entry : json::members(*tree)) {
        if (json::key(entry).ends_with("_token")) detail::mark_special(v, entry.value);
    }
    for (const char* name : {"extra_special_tokens", "additional_special_tokens"}) {
        const JsonValue* list = json::find(*tree, name);
        for (const JsonValue& token : json::elements(list)) detail::mark_special(v, token);
        for (const auto& entry : json::members(list)) detail::mark_special(v, entry.value);
    }
    if (const auto add = json::boolean(json::find(*tree, "add_bos_token"))) v.add_bos = *add;
    return {};
}

}  // namespace carat::inline CARAT_ABI

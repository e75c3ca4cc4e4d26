/// \file
/// `tokenizer.json`, the format of Hugging Face's tokenizers, read into a Vocabulary.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/printable.hpp"
#include "carat/base/result.hpp"
#include "carat/base/sip_hash.hpp"
#include "carat/format/json.hpp"
#include "carat/text/vocabulary.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace carat::inline CARAT_ABI {

namespace detail {

/// Reads one file; a member function each for what the file holds.
class TokenizerJsonReader {
  public:
    TokenizerJsonReader(const JsonValue& root, std::string_view what)
        : root_(root), model_(json::find(root, "model")), what_(what) {}

    Result<Vocabulary> read() {
        for (auto step : {&TokenizerJsonReader::check_kind, &TokenizerJsonReader::read_pieces,
                          &TokenizerJsonReader::read_added_tokens,
                          &TokenizerJsonReader::read_merges, &TokenizerJsonReader::set_types}) {
            if (auto done = (this->*step)(); !done) return std::move(done).error();
        }
        v_.add_bos = puts_bos_first();
        if (auto checked = check_vocabulary(v_, what_); !checked) return std::move(checked).error();
        return std::move(v_);
    }

  private:
    static constexpr std::int32_t nothing = -1;

    Error fail(const std::string& why, Errc code = Errc::bad_format) const {
        return {code, std::string(what_) + ": " + why};
    }
    Error expected(const std::string& name, const JsonValue* v, const char* type) const {
        return fail(name + " is " + json::type_name(v) + ", expected " + type);
    }
    std::int32_t id_of(std::string_view piece) const {
        const auto it = ids_.find(piece);
        return it == ids_.end() ? nothing : it->second;
    }

    /// carat does what Gemma's files ask for, and does not pretend to do more.
    Result<void> check_kind() {
        if (model_ == nullptr || !model_->IsObject()) return expected("model", model_, "an object");
        const auto type = json::string(json::find(model_, "type")).value_or("BPE");
        if (type != "BPE") {
            return fail("model.type is " + printable(type, 40) + ", expected BPE",
                        Errc::unsupported);
        }
        if (json::boolean(json::find(model_, "byte_fallback")) != true) {
            return fail("model.byte_fallback is not true, expected a BPE with byte pieces",
                        Errc::unsupported);
        }
        for (const char* key :
             {"dropout", "continuing_subword_prefix", "end_of_word_suffix", "ignore_merges"}) {
            if (json::truthy(json::find(model_, key))) {
                return fail("model." + std::string(key) + " is set, expected none",
                            Errc::unsupported);
            }
        }
        if (!only_replaces_spaces(json::find(root_, "normalizer"))) {
            return fail("normalizer is not the replacement of a space by U+2581 alone",
                        Errc::unsupported);
        }
        if (!splits_at_most_at_spaces(json::find(root_, "pre_tokenizer"))) {
            return fail("pre_tokenizer is not a split at spaces, expected that or none",
                        Errc::unsupported);
        }
        return {};
    }

    static bool only_replaces_spaces(const JsonValue* rule) {
        if (json::string(json::find(rule, "type")) == "Sequence") {
            const auto rules = json::elements(json::find(rule, "normalizers"));
            return rules.size() == 1 && only_replaces_spaces(&rules[0]);
        }
        return json::string(json::find(rule, "type")) == "Replace" &&
               json::string(json::find(json::find(rule, "pattern"), "String")) == " " &&
               json::string(json::find(rule, "content")) == "\xE2\x96\x81";
    }

    /// No space is left after the normalizer, so a split at spaces does nothing.
    static bool splits_at_most_at_spaces(const JsonValue* rule) {
        if (rule == nullptr || rule->IsNull()) return true;
        return json::string(json::find(rule, "type")) == "Split" &&
               json::string(json::find(json::find(rule, "pattern"), "String")) == " " &&
               json::boolean(json::find(rule, "invert")) != true;
    }

    Result<void> read_pieces() {
        const JsonValue* vocab = json::find(model_, "vocab");
        if (vocab == nullptr || !vocab->IsObject())
            return expected("model.vocab", vocab, "an object");
        const auto entries = json::members(vocab);
        v_.pieces.resize(entries.size() + json::elements(json::find(root_, "added_tokens")).size());
        ids_.reserve(v_.pieces.size());
        for (const auto& entry : entries) {
            if (auto done = add_piece(json::key(entry), json::unsigned_integer(entry.value)); !done)
                return done;
        }
        return {};
    }

    Result<void> add_piece(std::string_view piece, std::optional<std::uint64_t> id) {
        if (!id || *id >= v_.pieces.size()) {
            return fail(joined({"piece ", printable(piece), " has no id from 0 to ",
                                v_.pieces.size() - 1, ", expected ids without gaps"}));
        }
        const auto index = static_cast<std::size_t>(*id);
        std::string& place = v_.pieces[index];
        if (!place.empty()) {
            return fail(joined(
                {"id ", *id, " belongs to ", printable(place), " and to ", printable(piece)}));
        }
        if (piece.empty()) return fail(joined({"id ", *id, " belongs to an empty piece"}));
        if (!ids_.emplace(piece, static_cast<std::int32_t>(*id)).second) {
            return fail(joined({"piece ", printable(piece), " is there twice"}));
        }
        place = piece;
        size_ = std::max(size_, index + 1);
        return {};
    }

    Result<void> read_added_tokens() {
        const JsonValue* list = json::find(root_, "added_tokens");
        if (list != nullptr && !list->IsNull() && !list->IsArray())
            return expected("added_tokens", list, "an array");
        for (const JsonValue& entry : json::elements(list)) {
            const auto text = json::string(json::find(entry, "content"));
            const auto id = json::unsigned_integer(json::find(entry, "id"));
            const auto at = [&] { return joined({"added_tokens[", v_.added.size(), "]"}); };
            if (!text || text->empty() || !id)
                return fail(at() + " has no content or no id from 0 on");
            const std::int32_t known = id_of(*text);
            if (known == nothing) {
                if (auto done = add_piece(*text, id); !done) return done;
            } else if (static_cast<std::uint64_t>(known) != *id) {
                return fail(joined({at(), " (", printable(*text), ") has the id ", *id,
                                    ", but model.vocab gives it ", std::to_string(known)}));
            }
            const auto flag = [&](const char* key) {
                return json::boolean(json::find(entry, key)) == true;
            };
            v_.added.push_back({std::string(*text), static_cast<std::int32_t>(*id), flag("special"),
                                flag("lstrip"), flag("rstrip"), flag("single_word")});
        }
        v_.pieces.resize(size_);
        return {};
    }

    /// Each entry is `"left right"` or `["left", "right"]`.
    Result<void> read_merges() {
        const JsonValue* list = json::find(model_, "merges");
        if (list == nullptr || !list->IsArray()) return expected("model.merges", list, "an array");
        v_.merges.reserve(list->Size());
        v_.scores.assign(size_, 0.0f);
        v_.types.assign(size_, PieceType::control);
        std::string merged;
        for (const JsonValue& entry : json::elements(list)) {
            const auto refuse = [&](const std::string& why) {
                return fail(joined({"model.merges[", v_.merges.size(), "]", why}));
            };
            std::string_view left;
            std::string_view right;
            if (const auto text = json::string(entry)) {
                const std::size_t space = text->find(' ');
                if (space == std::string_view::npos) {
                    return refuse(" has no space, expected \"left right\"");
                }
                left = text->substr(0, space);
                right = text->substr(space + 1);
            } else {
                const auto pair = json::elements(entry);
                if (pair.size() != 2 || !pair[0].IsString() || !pair[1].IsString()) {
                    return refuse(" is no pair of strings");
                }
                left = *json::string(pair[0]);
                right = *json::string(pair[1]);
            }
            merged.assign(left).append(right);
            const Merge merge{id_of(left), id_of(right)};
            const std::int32_t result = id_of(merged);
            if (merge[0] == nothing || merge[1] == nothing || result == nothing) {
                return refuse(" (" + printable(left) + " + " + printable(right) +
                              ") names a piece that model.vocab does not have");
            }
            add_merge(v_, merge, static_cast<std::size_t>(result));
        }
        return {};
    }

    Result<void> set_types() {
        set_piece_types(v_, json::string(json::find(model_, "unk_token")).value_or("<unk>"));
        return {};
    }

    /// Whether the post-processor's template for a single text starts with `<bos>`.
    bool puts_bos_first() const {
        const auto parts =
            json::elements(json::find(json::find(root_, "post_processor"), "single"));
        return !parts.empty() && json::string(json::find(json::find(parts[0], "SpecialToken"),
                                                         "id")) == std::string_view("<bos>");
    }

    const JsonValue& root_;
    const JsonValue* model_;
    std::string_view what_;
    Vocabulary v_;
    std::unordered_map<std::string_view, std::int32_t, KeyedHash> ids_;  // views into the tree
    std::size_t size_ = 0;  // one more than the largest id
};

}  // namespace detail

/// The content of a `tokenizer.json`; `what` names the file in errors.
/// A file that is broken, or asks for something carat does not do (another model than BPE with byte
/// fallback, another normalizer than space to U+2581, ids with gaps), is an error that names the
/// member. Source: spec/processing.md, 2 and 2.4.
[[nodiscard]] inline Result<Vocabulary> read_tokenizer_json(std::string_view text,
                                                            std::string_view what) {
    auto tree = parse_json(text, what);
    if (!tree) return std::move(tree).error();
    return memory_errors(what, [&] { return detail::TokenizerJsonReader(*tree, what).read(); });
}

}  // namespace carat::inline CARAT_ABI

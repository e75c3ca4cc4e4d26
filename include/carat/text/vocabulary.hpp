/// \file
/// What a tokenizer file says, whatever its format: the pieces by id, their scores and the added
/// tokens.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/printable.hpp"
#include "carat/base/result.hpp"
#include "carat/base/sip_hash.hpp"
#include "carat/text/unicode.hpp"

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

namespace carat::inline CARAT_ABI {

/// What a piece is for; the numbers are those of sentencepiece's file format.
enum class PieceType : std::uint8_t {
    normal = 1,        ///< text that merging can produce
    unknown = 2,       ///< stands for text without a piece; exactly one has this type
    control = 3,       ///< never comes out of text
    user_defined = 4,  ///< matched in text before anything else
    unused = 5,        ///< takes part in merging but is split again
    byte = 6,          ///< one byte of a character that has no piece, `<0x00>` to `<0xFF>`
};

/// A string that is recognised in raw text as a whole, before any merging.
struct AddedToken {
    std::string text;
    std::int32_t id = 0;
    bool special =
        true;  ///< a control token: left out by decode on request, not for users to write
    bool lstrip = false;       ///< swallows the white space before it
    bool rstrip = false;       ///< swallows the white space after it
    bool single_word = false;  ///< only where no letter or digit touches it
};

/// A merge of two pieces, by their ids.
using Merge = std::array<std::int32_t, 2>;

/// The content of a tokenizer file.
struct Vocabulary {
    std::vector<std::string> pieces;  ///< by id
    std::vector<float> scores;        ///< by id; the piece of higher score merges first
    std::vector<PieceType> types;     ///< by id
    std::vector<AddedToken> added;
    std::vector<Merge>
        merges;            ///< by rank, where the file lists them; empty for a sentencepiece file
    bool add_bos = false;  ///< whether the file asks for `<bos>` before plain text
};

/// The piece of a byte: `<0x0A>` for 10.
[[nodiscard]] inline std::string byte_piece(std::uint8_t byte) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    return {'<', '0', 'x', digits[byte >> 4], digits[byte & 15], '>'};
}

/// The byte that a piece of that form stands for; nothing for any other piece.
[[nodiscard]] inline std::optional<std::uint8_t> byte_of_piece(std::string_view piece) noexcept {
    if (piece.size() != 6 || piece.substr(0, 3) != "<0x" || piece[5] != '>') return std::nullopt;
    const auto digit = [](char c) {
        return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
    };
    const int high = digit(piece[3]);
    const int low = digit(piece[4]);
    if (high < 0 || low < 0) return std::nullopt;
    return static_cast<std::uint8_t>(high * 16 + low);
}

/// Whether a string looks like one of Gemma's control tokens: `<|turn>`, `<turn|>`, `<|image|>`,
/// `<mask>`. For files that do not say which added tokens are special.
[[nodiscard]] inline bool looks_special(std::string_view text) noexcept {
    if (text == "<mask>") return true;
    return text.size() >= 4 && text.front() == '<' && text.back() == '>' &&
           (text[1] == '|' || text[text.size() - 2] == '|');
}

/// The next merge of a list, which makes the piece `result`: the first that does gives its rank.
/// Scores and types must be there for all pieces, 0 and control.
inline void add_merge(Vocabulary& v, Merge merge, std::size_t result) {
    if (v.types[result] != PieceType::normal) {
        v.types[result] = PieceType::normal;
        v.scores[result] = -static_cast<float>(v.merges.size());
    }
    v.merges.push_back(merge);
}

/// What no merge makes is a single character, a byte, the unknown piece, or nothing that text could
/// produce.
inline void set_piece_types(Vocabulary& v, std::string_view unknown) {
    for (std::size_t id = 0; id < v.pieces.size(); ++id) {
        const std::string& piece = v.pieces[id];
        if (piece == unknown) {
            v.types[id] = PieceType::unknown;
        } else if (byte_of_piece(piece)) {
            v.types[id] = PieceType::byte;
        } else if (!piece.empty() && unicode::first_code_point(piece).length == piece.size()) {
            v.types[id] = PieceType::normal;
        }
    }
}

/// What a user-defined piece is to sentencepiece. Added tokens are matched before sentencepiece
/// sees the text, and not in a user's; there, only a single character is still a piece.
[[nodiscard]] inline PieceType type_beside_added(std::string_view piece) noexcept {
    return unicode::first_code_point(piece).length == piece.size() ? PieceType::normal
                                                                   : PieceType::control;
}

/// Longer pieces are taken for damage; sentencepiece refuses them from 8000 bytes on.
inline constexpr std::size_t max_piece_bytes = 4096;
/// Longer added tokens too, for at each byte of a text all that begin like it are followed to their
/// ends. The longest of Gemma is a run of 31 spaces, 93 bytes.
inline constexpr std::size_t max_added_token_bytes = 256;

namespace detail {

/// Added tokens are short and name pieces.
inline Result<void> check_added(const Vocabulary& v, std::string_view what) {
    const auto fail = [&](const std::string& why) {
        return Error{Errc::bad_format, std::string(what) + ": " + why};
    };
    for (std::size_t i = 0; i < v.added.size(); ++i) {
        const AddedToken& token = v.added[i];
        if (token.text.size() > max_added_token_bytes)
            return fail(
                joined({"added token ", i, " (", printable(token.text), ") has ", token.text.size(),
                        " bytes, expected at most ", max_added_token_bytes}));
        if (token.id < 0 || static_cast<std::size_t>(token.id) >= v.pieces.size() ||
            v.pieces[static_cast<std::size_t>(token.id)] != token.text) {
            return fail(joined({"added token ", i, " (", printable(token.text), ") has the id ",
                                std::to_string(token.id), ", which is not that piece's"}));
        }
    }
    return {};
}

inline Result<void> check_pieces(const Vocabulary& v, std::string_view what) {
    constexpr std::size_t max_pieces = 1u << 24;  // ranks must be exact as float
    const auto fail = [&](const std::string& why) {
        return Error{Errc::bad_format, std::string(what) + ": " + why};
    };
    const auto name = [&](std::size_t id) {
        return joined({"piece ", id, " (", printable(v.pieces[id]), ")"});
    };

    if (v.scores.size() != v.pieces.size() || v.types.size() != v.pieces.size()) {
        return fail(joined({v.pieces.size(), " pieces with ", v.scores.size(), " scores and ",
                            v.types.size(), " types, expected one of each a piece"}));
    }
    if (v.pieces.size() > max_pieces || v.merges.size() > max_pieces) {
        return fail(joined({v.pieces.size(), " pieces and ", v.merges.size(),
                            " merges, expected at most ", max_pieces}));
    }
    std::unordered_set<std::string_view, KeyedHash> seen;
    seen.reserve(v.pieces.size());
    std::size_t unknown = 0;
    std::size_t bytes = 0;
    for (std::size_t id = 0; id < v.pieces.size(); ++id) {
        const std::string& piece = v.pieces[id];
        if (piece.empty())
            return fail(joined({"no piece has the id ", id, ", expected ids without gaps"}));
        if (piece.size() > max_piece_bytes)
            return fail(joined({"piece ", id, " has ", piece.size(), " bytes, expected at most ",
                                max_piece_bytes}));
        if (!unicode::is_valid(piece)) return fail(joined({"piece ", id, " is not UTF-8"}));
        if (!seen.insert(piece).second) return fail(name(id) + " is there twice");
        if (!std::isfinite(v.scores[id])) return fail(name(id) + " has no finite score");
        if (v.types[id] == PieceType::unknown) ++unknown;
        if (v.types[id] == PieceType::byte) {
            if (!byte_of_piece(piece))
                return fail(name(id) + " is no byte, expected <0x00> to <0xFF>");
            ++bytes;
        }
    }
    if (unknown != 1)
        return fail(joined({unknown, " pieces stand for unknown text, expected one"}));
    if (bytes != 256) return fail(joined({bytes, " byte pieces, expected 256: <0x00> to <0xFF>"}));
    return check_added(v, what);
}

}  // namespace detail

/// Makes sure that a tokenizer can be built: every piece is short, valid UTF-8 and there once, one
/// is unknown, all 256 bytes are there, added tokens name pieces. `what` names the file in the
/// error.
[[nodiscard]] inline Result<void> check_vocabulary(const Vocabulary& v, std::string_view what) {
    return memory_errors(what, [&] { return detail::check_pieces(v, what); });
}

}  // namespace carat::inline CARAT_ABI

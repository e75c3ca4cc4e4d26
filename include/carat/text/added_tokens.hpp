/// \file
/// Finds added tokens (control tokens and other strings with an id of their own) in raw text.
#pragma once

#include "carat/text/unicode.hpp"
#include "carat/text/vocabulary.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace carat::inline CARAT_ABI {

/// A part of a text, in bytes: [begin, end).
struct TextRange {
    std::size_t begin = 0;
    std::size_t end = 0;
    friend constexpr bool operator==(const TextRange&, const TextRange&) = default;
};

/// Which added tokens are recognised in a text.
enum class AddedTokens {
    all,       ///< every one: for text that a program wrote
    ordinary,  ///< those that are not special (runs of newlines, say): for text that a user wrote
    none,      ///< no one: everything goes through merging
};

/// Scans text for added tokens: leftmost match, longest at the same place.
class AddedTokenMatcher {
  public:
    struct Match {
        TextRange range;  ///< with the white space that the token swallows
        std::int32_t id = 0;
    };

    AddedTokenMatcher() = default;
    explicit AddedTokenMatcher(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
        for (std::size_t i = 0; i < tokens_.size(); ++i) {
            const std::string_view text = tokens_[i].text;
            index_.emplace(text, i);
            auto& lengths = lengths_[static_cast<std::uint8_t>(text[0])];
            if (std::find(lengths.begin(), lengths.end(), text.size()) == lengths.end())
                lengths.push_back(text.size());
        }
        for (auto& lengths : lengths_) std::sort(lengths.begin(), lengths.end(), std::greater<>());
    }
    AddedTokenMatcher(AddedTokenMatcher&&) =
        default;  // the index looks into tokens_, which a move leaves in place
    AddedTokenMatcher& operator=(AddedTokenMatcher&&) = default;

    [[nodiscard]] const std::vector<AddedToken>& tokens() const noexcept { return tokens_; }

    /// The first match at or after `from`, or nothing. Special tokens are not seen where they touch
    /// one of `user_text`, ranges in ascending order that do not overlap.
    [[nodiscard]] std::optional<Match> find(std::string_view text, std::size_t from,
                                            AddedTokens which,
                                            std::span<const TextRange> user_text) const {
        if (which == AddedTokens::none) return std::nullopt;
        for (std::size_t at = from; at < text.size(); ++at) {
            for (const std::size_t length : lengths_[static_cast<std::uint8_t>(text[at])]) {
                if (length > text.size() - at) continue;
                const auto found = index_.find(text.substr(at, length));
                if (found == index_.end()) continue;
                const AddedToken& token = tokens_[found->second];
                TextRange range{at, at + length};
                if (token.special && (which == AddedTokens::ordinary || touches(user_text, range)))
                    continue;
                if (token.single_word && in_word(text, range)) continue;
                if (token.lstrip)
                    range.begin = from + unicode::trim_right(text.substr(from, at - from)).size();
                if (token.rstrip)
                    range.end = text.size() - unicode::trim_left(text.substr(range.end)).size();
                return Match{range, token.id};
            }
        }
        return std::nullopt;
    }

  private:
    static bool touches(std::span<const TextRange> ranges, TextRange r) noexcept {
        const auto after = std::upper_bound(
            ranges.begin(), ranges.end(), r.begin,
            [](std::size_t begin, const TextRange& other) { return begin < other.end; });
        return after != ranges.end() && after->begin < r.end;
    }

    static bool in_word(std::string_view text, TextRange r) noexcept {
        const auto after = unicode::first_code_point(text.substr(r.end));
        if (after.length != 0 && unicode::is_word(after.value)) return true;
        if (r.begin == 0) return false;
        std::size_t start = r.begin - 1;
        while (start > 0 && (static_cast<std::uint8_t>(text[start]) & 0xC0) == 0x80) --start;
        const auto before = unicode::first_code_point(text.substr(start, r.begin - start));
        return before.length == r.begin - start && unicode::is_word(before.value);
    }

    std::vector<AddedToken> tokens_;
    std::unordered_map<std::string_view, std::size_t> index_;
    std::array<std::vector<std::size_t>, 256>
        lengths_;  // of the tokens that start with a byte, longest first
};

}  // namespace carat::inline CARAT_ABI

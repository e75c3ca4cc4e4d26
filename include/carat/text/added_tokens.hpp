/// \file
/// Finds added tokens (control tokens and other strings with an id of their own) in raw text.
#pragma once

#include "carat/text/unicode.hpp"
#include "carat/text/vocabulary.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
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
        sorted_.reserve(tokens_.size());
        for (std::size_t i = 0; i < tokens_.size(); ++i)
            if (!tokens_[i].text.empty()) sorted_.push_back(i);
        // By text; where one is there more than once, one that says special counts.
        std::stable_sort(sorted_.begin(), sorted_.end(), [&](std::size_t a, std::size_t b) {
            const int order = tokens_[a].text.compare(tokens_[b].text);
            return order != 0 ? order < 0 : tokens_[a].special && !tokens_[b].special;
        });
        sorted_.erase(std::unique(sorted_.begin(), sorted_.end(),
                                  [&](std::size_t a, std::size_t b) {
                                      return tokens_[a].text == tokens_[b].text;
                                  }),
                      sorted_.end());
        for (std::size_t byte = 0; byte < starts_.size(); ++byte)
            starts_[byte] = static_cast<std::size_t>(
                std::partition_point(sorted_.begin(), sorted_.end(),
                                     [&](std::size_t i) { return byte_at(i, 0) < byte; }) -
                sorted_.begin());
    }

    [[nodiscard]] const std::vector<AddedToken>& tokens() const noexcept { return tokens_; }

    /// The first match at or after `from`, or nothing. Special tokens are not seen where they touch
    /// one of `user_text`, ranges in ascending order that do not overlap.
    [[nodiscard]] std::optional<Match> find(std::string_view text, std::size_t from,
                                            AddedTokens which,
                                            std::span<const TextRange> user_text) const {
        if (which == AddedTokens::none) return std::nullopt;
        for (std::size_t at = from; at < text.size(); ++at) {
            // Tokens that start as the text does here, fewer with each byte, the shortest first.
            const auto byte = static_cast<std::uint8_t>(text[at]);
            auto first = sorted_.begin() + static_cast<std::ptrdiff_t>(starts_[byte]);
            auto last = sorted_.begin() + static_cast<std::ptrdiff_t>(starts_[byte + 1u]);
            const AddedToken* longest = nullptr;
            for (std::size_t length = 1; first != last; ++length) {
                if (const AddedToken& token = tokens_[*first]; token.text.size() == length) {
                    if (seen(token, text, {at, at + length}, which, user_text)) longest = &token;
                    ++first;
                }
                if (at + length == text.size()) break;
                const auto next = static_cast<std::uint8_t>(text[at + length]);
                first = std::partition_point(
                    first, last, [&](std::size_t i) { return byte_at(i, length) < next; });
                last = std::partition_point(
                    first, last, [&](std::size_t i) { return byte_at(i, length) == next; });
            }
            if (longest != nullptr) return widened(*longest, text, from, at);
        }
        return std::nullopt;
    }

  private:
    [[nodiscard]] std::uint8_t byte_at(std::size_t token, std::size_t at) const noexcept {
        return static_cast<std::uint8_t>(tokens_[token].text[at]);
    }

    /// Whether a token that the text spells at `r` is one there.
    static bool seen(const AddedToken& token, std::string_view text, TextRange r, AddedTokens which,
                     std::span<const TextRange> user_text) noexcept {
        if (token.special && (which == AddedTokens::ordinary || touches(user_text, r)))
            return false;
        return !token.single_word || !in_word(text, r);
    }

    /// The match of a token that was found at `at`, with the white space that it swallows.
    static Match widened(const AddedToken& token, std::string_view text, std::size_t from,
                         std::size_t at) {
        TextRange range{at, at + token.text.size()};
        if (token.lstrip)
            range.begin = from + unicode::trim_right(text.substr(from, at - from)).size();
        if (token.rstrip)
            range.end = text.size() - unicode::trim_left(text.substr(range.end)).size();
        return {range, token.id};
    }

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
    std::vector<std::size_t> sorted_;        // tokens, each text once, by its bytes
    std::array<std::size_t, 257> starts_{};  // in sorted_, of the tokens that start with a byte
};

}  // namespace carat::inline CARAT_ABI

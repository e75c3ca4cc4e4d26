/// \file
/// The tokens of a vocabulary by the bytes that they add to a text.
#pragma once

#include "carat/base/result.hpp"
#include "carat/text/tokenizer.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace carat::inline CARAT_ABI::constrain {

/// A tree of tokens: tokens that begin alike share nodes. Built once for a tokenizer, and shared.
class TokenTrie {
  public:
    static constexpr std::int32_t no_token = -1;
    /// Longer tokens take no part: what they say can be said in shorter ones.
    static constexpr std::size_t max_token_bytes = 64;
    /// In preorder, children by byte: a node's subtree is the nodes up to `end`.
    struct Node {
        std::uint32_t end = 0;
        std::int32_t token = no_token;  ///< the one whose bytes end here
        std::uint16_t depth = 0;        ///< bytes up to here, this one included
        std::uint8_t byte = 0;
    };

    /// All tokens of a tokenizer but unknown and unused ones. Of two with the same bytes, the one
    /// that is no byte piece.
    [[nodiscard]] static std::shared_ptr<const TokenTrie> of(const Tokenizer& tokenizer);
    /// From the bytes of each id; none where it takes no part.
    [[nodiscard]] static std::shared_ptr<const TokenTrie> of(
        std::vector<std::string> bytes, const std::map<std::string, std::int32_t>& specials) {
        auto trie = std::make_shared<TokenTrie>();
        for (auto& [text, id] : specials) trie->specials_.emplace(text, id);
        trie->build(std::move(bytes), [](std::int32_t) { return false; });
        return trie;
    }

    [[nodiscard]] std::span<const Node> nodes() const noexcept { return nodes_; }
    [[nodiscard]] std::size_t vocab_size() const noexcept { return bytes_.size(); }
    /// The longest token, in bytes.
    [[nodiscard]] std::size_t longest() const noexcept { return longest_; }
    /// What an id adds to a text; nothing for a special one, or an id that is none.
    [[nodiscard]] std::string_view bytes(std::int32_t id) const noexcept;
    /// The id of a control token such as `<turn|>`.
    [[nodiscard]] std::optional<std::int32_t> special(std::string_view text) const;
    /// Whether every byte has a token of its own, so that every text can be written.
    [[nodiscard]] bool has_all_bytes() const noexcept { return single_bytes_ == 256; }

    /// As few tokens as spell a text, appended to `out`.
    void spell(std::string_view text, std::vector<std::int32_t>& out) const;

  private:
    template <class IsByte>
    void build(std::vector<std::string> bytes, IsByte&& is_byte) {
        bytes_ = std::move(bytes);
        std::vector<std::int32_t> order;
        for (std::size_t id = 0; id < bytes_.size(); ++id) {
            if (bytes_[id].size() > max_token_bytes) bytes_[id].clear();
            if (!bytes_[id].empty()) order.push_back(static_cast<std::int32_t>(id));
        }
        const auto text = [&](std::int32_t id) -> const std::string& {
            return bytes_[static_cast<std::size_t>(id)];
        };
        std::sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
            if (const int c = text(a).compare(text(b)); c != 0) return c < 0;
            return is_byte(a) != is_byte(b) ? is_byte(b) : a < b;
        });
        std::vector<std::size_t> path;  // nodes from the root to the last one
        std::string_view last;
        for (const std::int32_t id : order) {
            const std::string_view now = text(id);
            if (now == last) continue;
            std::size_t shared = 0;
            while (shared < last.size() && shared < now.size() && last[shared] == now[shared])
                ++shared;
            for (; path.size() > shared; path.pop_back())
                nodes_[path.back()].end = static_cast<std::uint32_t>(nodes_.size());
            for (std::size_t i = shared; i < now.size(); ++i) {
                path.push_back(nodes_.size());
                nodes_.push_back({.depth = static_cast<std::uint16_t>(i + 1),
                                  .byte = static_cast<std::uint8_t>(now[i])});
            }
            nodes_.back().token = id;
            if (now.size() == 1) ++single_bytes_;
            longest_ = std::max(longest_, now.size());
            last = now;
        }
        for (const std::size_t node : path)
            nodes_[node].end = static_cast<std::uint32_t>(nodes_.size());
    }

    std::vector<std::string> bytes_;  // by id
    std::map<std::string, std::int32_t, std::less<>> specials_;
    std::vector<Node> nodes_;
    std::size_t longest_ = 0, single_bytes_ = 0;
};

}  // namespace carat::inline CARAT_ABI::constrain

#ifndef CARAT_SEPARATE_COMPILATION
#include "carat/constrain/token_trie.inl.hpp"
#endif

/// \file
/// What token_trie.hpp declares.
#pragma once

#include "carat/base/result.hpp"
#include "carat/constrain/token_trie.hpp"
#include "carat/text/tokenizer.hpp"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace carat::inline CARAT_ABI::constrain {

CARAT_ONCE std::shared_ptr<const TokenTrie> TokenTrie::of(const Tokenizer& tokenizer) {
    auto trie = std::make_shared<TokenTrie>();
    std::vector<std::string> bytes(static_cast<std::size_t>(tokenizer.vocab_size()));
    for (std::int32_t id = 0; id < tokenizer.vocab_size(); ++id) {
        if (tokenizer.is_special(id)) {
            trie->specials_.emplace(tokenizer.piece(id), id);
        } else if (auto text = tokenizer.bytes_of(id)) {
            bytes[static_cast<std::size_t>(id)] = *std::move(text);
        }
    }
    trie->build(std::move(bytes), [&](std::int32_t id) { return tokenizer.is_byte(id); });
    return trie;
}

CARAT_ONCE std::string_view TokenTrie::bytes(std::int32_t id) const noexcept {
    if (id < 0 || static_cast<std::size_t>(id) >= bytes_.size()) return {};
    return bytes_[static_cast<std::size_t>(id)];
}

CARAT_ONCE std::optional<std::int32_t> TokenTrie::special(std::string_view text) const {
    const auto at = specials_.find(text);
    return at == specials_.end() ? std::nullopt : std::optional(at->second);
}

CARAT_ONCE void TokenTrie::spell(std::string_view text, std::vector<std::int32_t>& out) const {
    constexpr std::uint32_t never = std::numeric_limits<std::uint32_t>::max();
    std::vector<std::uint32_t> cost(text.size() + 1, never);  // of the text from here on
    std::vector<std::int32_t> first(text.size() + 1, no_token);
    cost[text.size()] = 0;
    for (std::size_t at = text.size(); at-- > 0;) {
        std::size_t begin = 0, end = nodes_.size();
        for (std::size_t n = at; n < text.size(); ++n) {
            std::size_t child = begin;
            const auto byte = static_cast<std::uint8_t>(text[n]);
            while (child < end && nodes_[child].byte != byte) child = nodes_[child].end;
            if (child >= end) break;
            const Node& node = nodes_[child];
            if (node.token != no_token && cost[n + 1] != never && cost[n + 1] + 1 <= cost[at]) {
                cost[at] = cost[n + 1] + 1;
                first[at] = node.token;
            }
            begin = child + 1;
            end = node.end;
        }
    }
    for (std::size_t at = 0; at < text.size() && first[at] != no_token;) {
        out.push_back(first[at]);
        at += bytes(first[at]).size();
    }
}

}  // namespace carat::inline CARAT_ABI::constrain

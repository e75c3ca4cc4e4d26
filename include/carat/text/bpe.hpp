/// \file
/// Byte pair encoding in plain code: the meaning that the tests hold sentencepiece to.
#pragma once

#include "carat/base/sip_hash.hpp"
#include "carat/text/unicode.hpp"
#include "carat/text/vocabulary.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <queue>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

namespace carat::inline CARAT_ABI {

/// Encodes text between added tokens by a list of merges. Source: spec/processing.md, 2.1, steps 2
/// to 4.
class Bpe {
  public:
    /// From a vocabulary that lists its merges (read_tokenizer_json).
    explicit Bpe(const Vocabulary& v) {
        for (std::size_t id = 0; id < v.pieces.size(); ++id) {
            ids_.emplace(v.pieces[id], static_cast<std::int32_t>(id));
        }
        for (std::size_t rank = 0; rank < v.merges.size(); ++rank) {
            const auto [left, right] = v.merges[rank];
            const std::string merged = v.pieces[static_cast<std::size_t>(left)] +
                                       v.pieces[static_cast<std::size_t>(right)];
            merges_.emplace(pair_key(left, right), std::pair(rank, ids_.at(merged)));
        }
    }

    /// The ids of a text. Bytes that are not UTF-8 count as U+FFFD.
    [[nodiscard]] std::vector<std::int32_t> encode(std::string_view text) const {
        std::vector<Symbol> symbols = split(unicode::repaired(text));
        std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue;
        const auto consider = [&](std::size_t left) {
            const std::size_t right = left < symbols.size() ? symbols[left].next : symbols.size();
            if (right >= symbols.size()) return;
            const auto merge = merges_.find(pair_key(symbols[left].id, symbols[right].id));
            if (merge == merges_.end()) return;
            queue.push({merge->second.first, left, right, symbols[left].id, symbols[right].id,
                        merge->second.second});
        };
        for (std::size_t i = 0; i < symbols.size(); ++i) consider(i);
        while (!queue.empty()) {
            const auto [rank, left, right, left_id, right_id, merged] = queue.top();
            queue.pop();
            // Stale where one side has been merged since.
            if (symbols[left].next != right || symbols[left].id != left_id ||
                symbols[right].id != right_id)
                continue;
            symbols[left].id = merged;
            symbols[left].next = symbols[right].next;
            symbols[right].id = gone;
            if (symbols[left].next < symbols.size()) symbols[symbols[left].next].previous = left;
            consider(left);
            if (left != 0) consider(symbols[left].previous);
        }
        std::vector<std::int32_t> ids;
        for (std::size_t i = 0; i < symbols.size(); i = symbols[i].next)
            ids.push_back(symbols[i].id);
        return ids;
    }

  private:
    static constexpr std::int32_t gone = -1;
    struct Symbol {
        std::int32_t id;
        std::size_t previous, next;
    };
    using Candidate =
        std::tuple<std::size_t, std::size_t, std::size_t, std::int32_t, std::int32_t, std::int32_t>;

    static std::uint64_t pair_key(std::int32_t left, std::int32_t right) noexcept {
        return std::uint64_t{static_cast<std::uint32_t>(left)} << 32 |
               static_cast<std::uint32_t>(right);
    }

    /// Characters, or bytes where a character has no piece.
    std::vector<Symbol> split(std::string_view text) const {
        std::vector<Symbol> symbols;
        const auto add = [&](std::int32_t id) {
            symbols.push_back({id, symbols.size() - 1, symbols.size() + 1});
        };
        for (std::size_t length = 0; !text.empty(); text.remove_prefix(length)) {
            length = unicode::first_code_point(text).length;
            const std::string character(text[0] == ' ' ? "\xE2\x96\x81" : text.substr(0, length));
            if (const auto it = ids_.find(character); it != ids_.end()) {
                add(it->second);
            } else {
                for (const char byte : character)
                    add(ids_.at(byte_piece(static_cast<std::uint8_t>(byte))));
            }
        }
        return symbols;
    }

    std::unordered_map<std::string, std::int32_t, KeyedHash> ids_;
    std::unordered_map<std::uint64_t, std::pair<std::size_t, std::int32_t>, KeyedHash>
        merges_;  // pair -> rank, result
};

}  // namespace carat::inline CARAT_ABI

/// \file
/// A model that knows nothing, for fuzz targets: it chooses among the allowed tokens by chance.
#pragma once

#include "carat/constrain/answer_shape.hpp"
#include "check.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace carat::test {

/// Every byte, some longer tokens, and the control tokens that answers need.
inline std::shared_ptr<const constrain::TokenTrie> small_trie() {
    static const auto trie = [] {
        std::vector<std::string> bytes;
        for (int b = 0; b < 256; ++b) bytes.emplace_back(1, static_cast<char>(b));
        for (const char* text : {"{\"", "\":", "\",\"", "\"}", "]}", "}}", "[[", "true", "null",
                                 "1234", "-1", "0.5", "abc", "aa", "é", "call:f{"})
            bytes.emplace_back(text);
        std::map<std::string, std::int32_t> specials;
        for (const char* text : {"<turn|>", "<eos>", "<|tool_call>", "<tool_call|>", "<|\"|>",
                                 "<|tool_response>", "<|channel>", "<channel|>"}) {
            specials.emplace(text, static_cast<std::int32_t>(bytes.size()));
            bytes.emplace_back();
        }
        return constrain::TokenTrie::of(std::move(bytes), specials);
    }();
    return trie;
}

/// The text of an output of at most `limit` tokens, without control tokens; nothing where the
/// shortest is longer. Whatever is chosen, some token may follow, and the end is complete.
inline std::optional<std::string> play(Constraint& c, std::size_t limit, std::uint64_t seed) {
    if (!good(c.begin(limit))) return std::nullopt;
    const constrain::TokenTrie& trie = *small_trie();
    std::string text;
    for (std::size_t left = limit; left > 0; --left) {
        const TokenMask mask = c.allowed(left);
        std::vector<std::int32_t> all;
        for (std::size_t id = 0; id < trie.vocab_size(); ++id)
            if (mask.allows(id)) all.push_back(static_cast<std::int32_t>(id));
        hold(mask.restricts() && !all.empty(), "a token may follow");
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        const std::int32_t id = all[(seed >> 33) % all.size()];
        c.accept(id);
        hold(c.alive(), "a token that was allowed is accepted");
        text += trie.bytes(id);
        if (id == trie.special("<turn|>") || id == trie.special("<eos>") ||
            id == trie.special("<|tool_response>"))
            break;
    }
    hold(c.complete(), "an output is complete at its limit");
    return text;
}

/// What a seed is made from: the bytes of an input.
inline std::uint64_t seed_of(std::string_view text) {
    std::uint64_t h = 14695981039346656037u;
    for (const char c : text) h = (h ^ static_cast<std::uint8_t>(c)) * 1099511628211u;
    return h;
}

}  // namespace carat::test

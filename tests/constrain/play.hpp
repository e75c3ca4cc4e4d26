// A model that knows nothing: it chooses among the allowed tokens by chance.
#pragma once

#include "carat/constrain/answer_shape.hpp"
#include "carat/text/tokenizer.hpp"
#include "text/fixture.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace carat::test {

inline std::shared_ptr<const constrain::TokenTrie> pocket_trie() {
    static const auto trie = constrain::TokenTrie::of(pocket_tokenizer());
    return trie;
}
inline Result<Constraint> shaped(const AnswerShape& shape, const JsonValue* tools = nullptr) {
    return make_constraint(shape, pocket_trie(), tools);
}
inline Constraint good(const AnswerShape& shape, const JsonValue* tools = nullptr) {
    auto made = shaped(shape, tools);
    REQUIRE_MESSAGE(made, made.error().text);
    return *std::move(made);
}

struct Played {
    std::string text;  ///< control tokens spelled out, the one that ends it left out
    bool stopped = false;
    std::size_t tokens = 0;
};

/// An output of at most `limit` tokens. With `haste`, a chance that a token that ends the output
/// is chosen where there is one.
inline Played play(Constraint& c, std::mt19937& random, std::size_t limit,
                   const std::vector<std::int32_t>& prefer = {}) {
    Played out;
    std::vector<std::int32_t> ids, all;
    const auto stop = [&](std::int32_t id) {
        const auto piece = pocket_tokenizer().piece(id);
        return piece == "<turn|>" || piece == "<eos>" || piece == "<|tool_response>";
    };
    while (ids.size() < limit) {
        const TokenMask mask = c.allowed(limit - ids.size());
        REQUIRE(mask.restricts());
        all.clear();
        std::int32_t chosen = -1;
        for (std::int32_t id = 0; id < pocket_tokenizer().vocab_size(); ++id)
            if (mask.allows(static_cast<std::size_t>(id))) all.push_back(id);
        REQUIRE_MESSAGE(!all.empty(), *pocket_tokenizer().decode(ids));
        for (const std::int32_t id : prefer)
            if (random() % 4 == 0 && mask.allows(static_cast<std::size_t>(id))) chosen = id;
        if (chosen < 0) chosen = all[random() % all.size()];
        c.accept(chosen);
        ++out.tokens;
        if (stop(chosen)) {
            out.stopped = true;
            break;
        }
        ids.push_back(chosen);
    }
    out.text = *pocket_tokenizer().decode(ids);
    return out;
}
/// Tokens that end things, so that chance gets somewhere.
inline std::vector<std::int32_t> closing_tokens() {
    std::vector<std::int32_t> out;
    for (const char* piece : {"\"", "}", "]", "\",", "\"}", "\"]", ",", "<turn|>", "<|\"|>",
                              "<tool_call|>", "<|tool_call>", "<|tool_response>"})
        if (const auto id = pocket_tokenizer().id_of(piece)) out.push_back(*id);
    return out;
}

}  // namespace carat::test

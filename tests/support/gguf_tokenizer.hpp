/// \file
/// A tokenizer in the metadata of a GGUF file made by hand.
#pragma once

#include "carat/text/vocabulary.hpp"
#include "support/gguf_file.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace carat::test {

/// What a converter writes for a tokenizer.json.
inline void add_tokenizer(GgufFile& to, const Vocabulary& v) {
    std::vector<std::int32_t> types;
    for (const PieceType t : v.types) types.push_back(static_cast<std::int32_t>(t));
    for (std::int32_t& t : types)
        if (t == 3) t = 5;  // unused, unless it is an added token
    for (const AddedToken& token : v.added)
        types[static_cast<std::size_t>(token.id)] = token.special ? 3 : 4;
    std::vector<std::string> merges;
    for (const Merge& m : v.merges)
        merges.push_back(v.pieces[static_cast<std::size_t>(m[0])] + " " +
                         v.pieces[static_cast<std::size_t>(m[1])]);
    to.add("tokenizer.ggml.model", "gemma4");
    to.add("tokenizer.ggml.tokens", v.pieces);
    to.add("tokenizer.ggml.token_type", types);
    to.add("tokenizer.ggml.merges", merges);
    to.add("tokenizer.ggml.add_bos_token", v.add_bos);
    to.add("tokenizer.ggml.add_space_prefix", false);
}

}  // namespace carat::test

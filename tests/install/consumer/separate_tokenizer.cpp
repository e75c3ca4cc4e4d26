#include "separate.hpp"

#include <carat/checkpoint/open_files.hpp>
#include <carat/text/tokenizer.hpp>

carat::Result<std::vector<std::int32_t>> ids_of(const std::string& folder, std::string_view text) {
    const auto tokenizer = carat::Tokenizer::open(folder);
    if (!tokenizer) return tokenizer.error();
    return tokenizer->encode(text, {.add_bos = true});
}

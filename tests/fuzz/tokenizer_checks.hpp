/// \file
/// What any tokenizer must do, whatever file it came from.
#pragma once

#include "carat/text/tokenizer.hpp"
#include "check.hpp"

namespace carat::test {

inline void use(const Tokenizer& tokenizer) {
    for (const std::string_view text :
         {std::string_view("Hello, world! \xF0\x9F\x98\x80 \xE2\x96\x81 <bos><eos>  12"),
          std::string_view("\xFF\xC3", 2), std::string_view("a\0b", 3)}) {
        const auto ids = tokenizer.encode(text);
        if (!good(ids)) continue;
        good(tokenizer.decode(*ids));
    }
}

}  // namespace carat::test

// A tokenizer.model.
#include "carat/text/tokenizer.hpp"
#include "tokenizer_checks.hpp"

using namespace carat;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto tokenizer = Tokenizer::from_model(test::text_of(data, size));
    if (test::good(tokenizer)) test::use(*tokenizer);
    return 0;
}

// carat::text: a tokenizer.
#include <carat/text/tokenizer.hpp>

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    const auto tokenizer = carat::Tokenizer::open(argv[1]);
    if (!tokenizer) return 1;
    const auto ids = tokenizer->encode("Hello");
    return ids && !ids->empty() ? 0 : 1;
}

// carat::separate_text: two units that open a model and a tokenizer, and declare most of carat
// only.
#include "separate.hpp"

#include <carat/gemma4.hpp>
#include <carat/models/pocket.hpp>
#include <cstdint>

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    const auto model = carat::Gemma4<carat::models::pocket>::open(argv[1]);
    if (!model) return 1;
    carat::Serial serial;
    auto session = model->session(serial, {.context_tokens = 16});
    const auto ids = ids_of(argv[1], "Hello");
    if (!session || !ids) return 1;
    const auto logits = session->append(*ids);
    return logits && logits->size() == carat::models::pocket.text.vocab_size ? 0 : 1;
}

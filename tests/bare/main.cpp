// The logits of bare.cpp are those that the same checkpoint gives through its folder, bit for bit.
#include "bare.hpp"
#include "carat/gemma4.hpp"
#include "carat/models/pocket.hpp"

#include <cstdio>
#include <vector>

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    const std::string folder = argv[1];
    const auto model = carat::Gemma4<carat::models::pocket>::open(folder);
    const auto file = carat::MappedFile::open(folder + "/model.safetensors");
    if (!model || !file) return std::puts("pocket does not open"), 1;
    carat::Serial serial;
    auto session = model->session(serial, {.context_tokens = 64});
    const std::int32_t ids[] = {2, 105, 107, 9};
    const auto expected = session->append(ids);
    std::vector<float> logits(expected->size());
    const std::size_t n = bare_logits(file->bytes(), ids, logits);
    if (n != logits.size() || !std::equal(logits.begin(), logits.end(), expected->begin()))
        return std::printf("%zu logits, and not those of the folder\n", n), 1;
}

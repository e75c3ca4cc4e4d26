// Prints the config.json that a GGUF file stands for, with one key of its own: carat_weights, the
// weight format that takes its matrices as they are, or nearest. CaratAddModel.cmake builds and
// runs it while it configures.
#include "carat/checkpoint/gguf_config.hpp"

#include "carat/checkpoint/config_writer.hpp"

#include <cstdio>
#include <string_view>

namespace {

std::string_view weights(const carat::CheckpointFiles& files) {
    const auto found = files.find("model.language_model.layers.0.self_attn.q_proj.weight");
    switch (found ? found.tensor->dtype : carat::DType::bf16) {
        case carat::DType::f32:
            return "f32";
        case carat::DType::f16:
            return "f16";
        case carat::DType::bf16:
            return "bf16";
        case carat::DType::q4_0:
            return "q4_0";
        default:
            return "q8_0";  // holds every other block format to within its own rounding
    }
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    const auto files = carat::CheckpointFiles::open(argv[1]);
    if (!files) return std::fprintf(stderr, "%s\n", files.error().text.c_str()), 1;
    const auto config = carat::read_gguf_config(*files);
    if (!config) return std::fprintf(stderr, "%s\n", config.error().text.c_str()), 1;
    std::fputs(carat::write_config(config->text, weights(*files)).c_str(), stdout);
    return 0;
}

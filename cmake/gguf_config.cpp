// gguf_config <file or folder>: prints the config.json that a GGUF file and the file of its towers
// beside it stand for, with a key of its own: carat_weights, the weight format that takes its
// matrices as they are, or nearest. On standard error it names the files that it has read, or says
// what is wrong with them. CaratAddModel.cmake builds and runs it while it configures.
#include "carat/checkpoint/gguf/gguf_config.hpp"

#include "carat/checkpoint/config/config_writer.hpp"
#include "carat/checkpoint/gguf/gguf_towers.hpp"

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
    const auto fail = [](const carat::Error& error) {
        return std::fprintf(stderr, "%s\n", error.text.c_str()), 1;
    };
    if (argc != 2) return 2;
    const auto files = carat::CheckpointFiles::open(argv[1]);
    if (!files) return fail(files.error());
    auto config = carat::read_gguf_config(*files);
    if (!config) return fail(config.error());
    config->multimodal = false;  // a model that only reads, unless there are towers
    if (auto read = carat::read_gguf_towers(*files, *config); !read) return fail(read.error());
    for (const auto& file : files->files()) std::fprintf(stderr, "%s\n", file.name.c_str());
    std::fputs(carat::write_config(*config, weights(*files)).c_str(), stdout);
    return 0;
}

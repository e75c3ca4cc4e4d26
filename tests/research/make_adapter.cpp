// make_adapter FOLDER STRENGTH [rows|rslora|pattern]: an adapter for two layers of pocket as PEFT
// saves it, B multiplied with STRENGTH; with `rows`, its B has one row too many; with `rslora` its
// scale is by the root of the rank, with `pattern` another one for one layer.
#include "carat/checkpoint/safetensors_writer.hpp"
#include "support/random.hpp"

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

int main(int argc, char** argv) {
    if (argc < 3) return 2;
    const std::string folder = argv[1];
    const std::string how = argc > 3 ? argv[3] : "";
    const auto strength = static_cast<float>(std::atof(argv[2]));
    constexpr std::size_t rank = 4, hidden = 256;
    std::ofstream(folder + "/adapter_config.json")
        << R"({"peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["q_proj"], )"
        << R"("use_rslora": )" << (how == "rslora" ? "true" : "false") << R"(, "alpha_pattern": )"
        << (how == "pattern" ? R"({"layers.0.self_attn.q_proj": 16})" : "{}") << "}";
    carat::SafetensorsWriter writer;
    carat::test::Random random(1);
    const auto add = [&](const std::string& name, std::size_t rows, std::size_t columns,
                         float factor) {
        std::vector<float> values(rows * columns);
        for (float& v : values) v = factor * random.number();
        return static_cast<bool>(writer.add(name, {rows, columns}, std::move(values)));
    };
    struct Layer {
        const char* name;
        std::size_t out;
    };
    for (const Layer layer : {Layer{"0", 256}, {"4", 512}}) {
        const std::string module = "base_model.model.model.language_model.layers." +
                                   std::string(layer.name) + ".self_attn.q_proj";
        if (!add(module + ".lora_A.weight", rank, hidden, 1.0f)) return 1;
        if (!add(module + ".lora_B.weight", layer.out + (how == "rows" ? 1 : 0), rank, strength))
            return 1;
    }
    const auto written = writer.write(folder + "/adapter_model.safetensors");
    if (!written) std::fprintf(stderr, "%s\n", written.error().text.c_str());
    return written ? 0 : 1;
}

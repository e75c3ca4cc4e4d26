// A GGUF file: its metadata as a config, its tensors, and every value of what can be read.
#include "carat/checkpoint/bind.hpp"
#include "carat/checkpoint/checkpoint_files.hpp"
#include "carat/checkpoint/gguf/gguf_config.hpp"
#include "carat/checkpoint/gguf/gguf_towers.hpp"
#include "check.hpp"

using namespace carat;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto bytes = test::bytes_of(data, size);
    if (!test::good(Gguf::read(bytes, "fuzz"))) return 0;
    const auto files = CheckpointFiles::view(bytes, "fuzz");
    if (!test::good(files) || files->gguf() == nullptr) return 0;
    for (const auto& file : files->files())
        for (const StoredTensor& t : file.tensors) {
            test::hold(files->find(t.name).tensor == &t, "a tensor is found by its name");
            test::hold(t.bytes <= size, "a tensor lies in the file");
            if (!is_float_stored(t.dtype)) continue;
            float values[most_block_values];
            const std::size_t n = stored_block(t.dtype).values;
            for (std::size_t at = 0; at + n <= t.count(); at += n)
                read_stored(t.dtype, t.data + stored_bytes(t.dtype, at), n, values);
        }
    if (auto config = read_gguf_config(*files); test::good(config))
        static_cast<void>(test::good(read_gguf_towers(*files, *config)));
    static_cast<void>(read_gguf_generation_config(*files->gguf()));
    Binder bind(*files);
    View<const float, 16> f32;
    PanelView<q4_0, 2, 32> panels;
    StoredRows<2, 32> table;
    bind.optional("model.language_model.norm.weight", f32);
    bind("model.language_model.embed_tokens.weight", panels);
    bind("model.language_model.embed_tokens_per_layer.weight", table, Residence::mapped);
    const auto memory = bind.finish();
    if (!test::good(memory)) return 0;
    float sum = panels.at(1, 31);
    table.read(1, 0, 32, [&](std::size_t, const float* v, std::size_t k) { sum += v[k - 1]; });
    test::keep(sum);
    return 0;
}

// A safetensors file: its header, and every byte that it says is a tensor's.
#include "carat/checkpoint/bind.hpp"
#include "carat/checkpoint/checkpoint_files.hpp"
#include "check.hpp"

using namespace carat;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto bytes = test::bytes_of(data, size);
    const auto files = CheckpointFiles::view(bytes, "fuzz");
    if (!test::good(files)) return 0;
    unsigned sum = 0;
    for (const auto& file : files->files())
        for (const StoredTensor& t : file.tensors) {
            test::hold(files->find(t.name).tensor == &t, "a tensor is found by its name");
            test::hold(t.bytes <= size, "a tensor lies in the file");
            for (const std::byte b : t.span()) sum += static_cast<unsigned>(b);
        }
    static_cast<void>(text_prefix(*files));
    Binder bind(*files);
    View<const float, 2, 4> f32;
    View<const bf16, 8> bf16s;
    View<const float, 1> scalar;
    bind.optional("a", f32);
    bind.optional("b", bf16s, Residence::mapped);
    bind.optional("c", scalar);
    if (const auto memory = bind.finish(); test::good(memory)) {
        if (f32.data() != nullptr) sum += f32.data()[7] > 0.0f ? 1u : 0u;
        if (bf16s.data() != nullptr) sum += bf16s.data()[7].bits;
        if (scalar.data() != nullptr) sum += scalar.data()[0] > 0.0f ? 1u : 0u;
    }
    static unsigned sums = 0;  // so that no compiler leaves the reading out
    sums += sum;
    return sums == 1 ? 0 : static_cast<int>(sums & 0u);
}

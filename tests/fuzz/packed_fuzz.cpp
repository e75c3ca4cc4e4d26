// A packed checkpoint, whose head's checksum is made to fit, since no fuzzer guesses it.
#include "carat/checkpoint/bind.hpp"
#include "carat/checkpoint/checkpoint_files.hpp"
#include "check.hpp"

#include <cstring>
#include <vector>

using namespace carat;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::vector<std::byte> file(size);
    if (size > 0) std::memcpy(file.data(), data, size);
    std::uint64_t head = 0;
    if (size >= 24) std::memcpy(&head, file.data() + 16, sizeof head);
    if (head >= sizeof head && head <= size) {
        const std::size_t covered = static_cast<std::size_t>(head) - sizeof head;
        const std::uint64_t sum = checksum(std::span(file).first(covered));
        std::memcpy(file.data() + covered, &sum, sizeof sum);
    }
    for (const bool in_place : {false, true}) {
        const auto files = CheckpointFiles::view(file, "model.carat");
        if (!test::good(files) || files->packed_for() == nullptr) return 0;
        for (const StoredTensor& t : files->files()[0].tensors)
            test::hold(
                t.bytes <= size && t.data >= file.data() && t.data + t.bytes <= file.data() + size,
                "a tensor lies in the file");
        Binder bind(*files, {}, {.in_place = in_place});
        View<const bf16, 3, 5> rows;
        View<const float, 1> scalar;
        PanelView<q4_0, 20, 32> panels;
        PanelStack<q8_0, 2, 18, 32> stack;
        StoredRows<4, 32> table;
        bind("rows", rows);
        bind.optional("scalar", scalar);
        bind("panels", panels);
        bind("stack", stack, FileShape<2, 18, 32>{});
        bind("table", table, Residence::mapped);
        const auto memory = bind.finish();
        if (!test::good(memory)) continue;
        float sum = to_f32(rows(2, 4)) + panels.at(19, 31) + stack.row(1).at(17, 31);
        if (scalar) sum += scalar[0];
        table.read(3, 0, 32, [&](std::size_t, const float* v, std::size_t n) { sum += v[n - 1]; });
        test::keep(sum);
    }
    return 0;
}

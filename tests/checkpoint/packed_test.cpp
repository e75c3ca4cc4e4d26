#include "carat/checkpoint/packed.hpp"

#include "carat/checkpoint/bind.hpp"
#include "carat/checkpoint/config/config_hash.hpp"
#include "carat/checkpoint/unfinished_file.hpp"
#include "support/files.hpp"

#include <doctest/doctest.h>

#include <carat/models/e2b_mini.hpp>
#include <carat/models/e4b_mini.hpp>
#include <cstring>
#include <set>
#include <string>
#include <utility>
#include <vector>

using namespace carat;
using namespace carat::test;

namespace {

/// Rows, panels and a stack of them, something optional that is not there, and a table as stored.
struct Wanted {
    View<const bf16, 3, 5> rows;
    View<const float, 1> scalar, none;
    PanelView<q4_0, 20, 32> panels;
    PanelStack<q8_0, 2, 18, 32> stack;
    StoredRows<4, 32> table;

    void bind(Binder& bind) {
        bind("rows", rows);
        bind("scalar", scalar);
        bind.optional("none", none);
        bind("panels", panels);
        bind("stack", stack, FileShape<2, 18, 32>{});
        bind("table", table, Residence::mapped);
    }
    [[nodiscard]] std::string bytes() const {
        std::string all;
        const auto add = [&all](const void* p, std::size_t n) {
            all.append(static_cast<const char*>(p), n);
        };
        add(rows.data(), 15 * sizeof(bf16));
        add(scalar.data(), sizeof(float));
        add(panels.data(), 2 * sizeof(Panel<q4_0, 32>));
        add(stack.data(), 4 * sizeof(Panel<q8_0, 32>));
        add(table.data(), table.bytes().size());
        return all;
    }
};

/// A safetensors file with all of that as f32.
std::string source() {
    const std::string header =
        R"({"panels":{"dtype":"F32","shape":[20,32],"data_offsets":[0,2560]},)"
        R"("rows":{"dtype":"F32","shape":[3,5],"data_offsets":[2560,2620]},)"
        R"("scalar":{"dtype":"F32","shape":[],"data_offsets":[2620,2624]},)"
        R"("stack":{"dtype":"F32","shape":[2,18,32],"data_offsets":[2624,7232]},)"
        R"("table":{"dtype":"F32","shape":[4,32],"data_offsets":[7232,7744]}})";
    std::string file = safetensors(header, 7744);
    for (std::size_t i = 0; i < 7744; i += 4) {
        const float x = static_cast<float>(i % 97) - 48.0f;
        std::memcpy(file.data() + file.size() - 7744 + i, &x, 4);
    }
    return file;
}
const PackedFor made_for{7, "weights of a test", "its layout"};

/// The source's weights, as bytes and as the file of a packed checkpoint.
std::pair<std::string, std::string> packed() {
    const Folder folder("packed_file");
    const std::string from = source();
    const auto files = CheckpointFiles::view(bytes(from), "source");
    REQUIRE_MESSAGE(files, files.error().text);
    Wanted direct, again;
    Binder binder(*files);
    direct.bind(binder);
    const auto memory = binder.finish();
    REQUIRE_MESSAGE(memory, memory.error().text);
    Binder packer(*files);
    again.bind(packer);
    UnfinishedFile file(folder / "p");
    REQUIRE(packer.pack(file, made_for));
    REQUIRE(file.finish());
    return {direct.bytes(), read_text(folder / "p")};
}

/// What opening and binding says of the file, or its bytes.
std::string outcome(std::string_view file, BindOptions options = {}) {
    const auto files = CheckpointFiles::view(bytes(file), "model.carat");
    if (!files) return files.error().text;
    CHECK(files->packed_for() != nullptr);
    Wanted wanted;
    Binder binder(*files, {}, options);
    wanted.bind(binder);
    const auto memory = binder.finish();
    if (!memory) return memory.error().text;
    return wanted.bytes();
}

/// A head of these tensors as packed_head() makes it, then changed, with a checksum that fits.
template <class Change>
std::string forged(Change change) {
    PackedTensor t{"t", DType::f32, false, {4}, 16};
    auto head = packed_head(made_for, std::span(&t, 1));
    REQUIRE(head);
    change(*head);
    const std::uint64_t sum =
        checksum(bytes(std::string_view(*head)).first(head->size() - sizeof sum));
    std::memcpy(head->data() + head->size() - sizeof sum, &sum, sizeof sum);
    return *head + std::string(64 + 8, '\0');
}
std::string fault_of(const std::string& file) {
    const auto read = read_packed(bytes(file), "model.carat");
    return read ? "accepted" : read.error().text;
}

}  // namespace

TEST_CASE("a packed file holds what binding makes") {
    const auto [expected, file] = packed();
    CHECK(outcome(file) == expected);
    CHECK(outcome(file, {.in_place = true}) == expected);
    CHECK(outcome(file, {.convert = false}) == expected);
    const auto read = read_packed(bytes(file), "f");
    REQUIRE(read);
    CHECK(read->made_for == made_for);
    CHECK(read->tensors.size() == 5);
}

TEST_CASE("every flipped bit is found, in the head, the data, the zeros and the checksums") {
    const auto [expected, file] = packed();
    std::size_t accepted = 0;
    for (std::size_t i = 0; i < file.size(); ++i) {
        std::string broken = file;
        broken[i] = static_cast<char>(broken[i] ^ (1 << (i % 8)));
        const std::string said = outcome(broken);
        accepted += said == expected ? 1u : 0u;
        if (said.find("model.carat: ") != 0) FAIL(i << ": " << said);
    }
    CHECK(accepted == 0);
    // In place, and without looking at what is not copied, the head is still looked at.
    std::string broken = file;
    broken[200] ^= 1;
    CHECK(outcome(broken, {.in_place = true, .verify = false}) ==
          "model.carat: its head is damaged");
}

TEST_CASE("a packed file that is cut off or goes on is refused") {
    const auto [expected, file] = packed();
    std::size_t accepted = 0;
    for (std::size_t n = 1; n < file.size(); ++n) {
        const std::string said = outcome(std::string_view(file).substr(0, n));
        if (said.find("model.carat: ") != 0) FAIL(n << ": " << said);
        accepted += said == expected ? 1u : 0u;
    }
    CHECK(accepted == 0);
    for (const std::size_t more : {1u, 8u, 4096u})
        CHECK(contains(outcome(file + std::string(more, '\0')), "the file is cut off or too long"));
}

TEST_CASE("a head whose checksum fits is still not believed") {
    const auto at_name = [](const std::string& head) {
        return head.find(std::string("\1\0\0\0t", 5));
    };
    const auto number = [](std::string& head, std::size_t at, std::uint64_t n) {
        std::memcpy(head.data() + at, &n, sizeof n);
    };
    CHECK(fault_of(forged([](std::string&) {})) == "accepted");
    // The tensor's entry: name 5, type 7, panels 1, rank 1, one extent 8, bytes 8.
    const auto entry = [&](std::size_t offset, std::uint64_t n) {
        return fault_of(
            forged([&](std::string& head) { number(head, at_name(head) + offset, n); }));
    };
    CHECK(contains(entry(14, 5), "is F32 [5], but has 16 bytes"));
    CHECK(contains(entry(14, std::uint64_t{1} << 62), "which no memory could hold"));
    CHECK(contains(entry(14, static_cast<std::uint64_t>(-1)), "which no memory could hold"));
    CHECK(contains(entry(22, 12), "is F32 [4], but has 12 bytes"));
    CHECK(contains(entry(22, static_cast<std::uint64_t>(-1)), "which no memory could hold"));
    const auto byte = [&](std::size_t offset, char value) {
        return fault_of(forged([&](std::string& head) { head[at_name(head) + offset] = value; }));
    };
    CHECK(contains(byte(13, 9), "tensor t is cut off"));  // axes
    CHECK(contains(byte(13, 0), "but has"));              // none
    CHECK(contains(byte(9, 'X'), "expected a type of numbers"));
    CHECK(byte(0, 127) != "accepted");            // a name of 127 bytes: what follows is odd
    CHECK(contains(byte(3, 127), "is cut off"));  // of two gigabytes
    // Panels of any size are a matter of who wants them, but not beyond the data.
    CHECK(contains(fault_of(forged([&](std::string& head) {
                       head[at_name(head) + 12] = 1;
                       number(head, at_name(head) + 22, 1 << 20);
                   })),
                   "has 1048576 bytes, but only 64 are left"));
    // Counts and sizes in front.
    const auto front = [&](std::size_t offset, std::uint64_t n) {
        return fault_of(forged([&](std::string& head) { number(head, offset, n); }));
    };
    CHECK(contains(front(16, 0), "the file is cut off or damaged"));
    CHECK(contains(front(16, 4097), "the file is cut off or damaged"));
    CHECK(contains(front(16, std::uint64_t{1} << 40), "the file is cut off or damaged"));
    CHECK(contains(front(24, static_cast<std::uint64_t>(-1)), "the file is cut off or damaged"));
    CHECK(contains(front(24, 0), "has 16 bytes, but only 0 are left"));
    CHECK(contains(front(24, 128), "the file is cut off or damaged"));
    for (const char n : {'\2', '\x7f'})
        CHECK(fault_of(forged([&](std::string& head) { head[12] = n; })) != "accepted");
    CHECK(contains(fault_of(forged([](std::string& head) { head[12] = 0; })),
                   "bytes [0, 64] of the data belong to no tensor"));
    // Names in no order.
    std::vector<PackedTensor> two(2, {"a", DType::f32, false, {4}, 16});
    const auto twice = packed_head(made_for, two);
    REQUIRE(twice);
    CHECK(contains(fault_of(*twice + std::string(128 + 16, '\0')), "tensor a does not stand in"));
}

TEST_CASE("panels are nothing for who wants rows, and the other way round") {
    const auto [expected, file] = packed();
    const auto files = CheckpointFiles::view(bytes(file), "model.carat");
    REQUIRE(files);
    Binder bind(*files);
    View<const float, 20, 32> panels;
    PanelView<q8_0, 20, 32> others;
    PanelStack<q8_0, 3, 12, 32> stack;
    PanelView<q4_0, 4, 32> table;
    View<const float, 3, 5> rows;
    bind("panels", panels);
    bind("panels", others);
    bind("stack", stack, FileShape<2, 18, 32>{});
    bind("table", table);
    bind("rows", rows);
    const auto memory = bind.finish();
    REQUIRE_FALSE(memory);
    const std::string& text = memory.error().text;
    CHECK(memory.error().code == Errc::mismatch);
    CHECK(contains(text, "tensor panels is packed as Q4_0 in panels of 576 bytes, expected F32"));
    CHECK(contains(text, "expected Q8_0 in panels"));
    CHECK(contains(text, "tensor table is packed as F32 of 512 bytes, expected Q4_0 in panels"));
    CHECK(contains(text, "tensor rows is packed as BF16 of 30 bytes, expected F32"));
    CHECK(panels.data() == nullptr);
}

TEST_CASE("a name wanted in two forms cannot be packed") {
    const Folder folder("packed_file");
    const std::string from = source();
    const auto files = CheckpointFiles::view(bytes(from), "source");
    REQUIRE(files);
    Binder bind(*files);
    View<const float, 3, 5> a;
    View<const bf16, 3, 5> b;
    bind("rows", a);
    bind("rows", b);
    UnfinishedFile file(folder / "p");
    const auto done = bind.pack(file, made_for);
    REQUIRE_FALSE(done);
    CHECK(done.error().text ==
          "source: tensor rows is wanted twice, which a packed checkpoint cannot say");
}

TEST_CASE("a checksum sees one changed bit anywhere, and the length") {
    for (const std::size_t n : {0u, 1u, 7u, 8u, 63u, 64u, 65u, 200u}) {
        std::string text(n, 'x');
        std::set<std::uint64_t> seen{checksum(bytes(text)), checksum(bytes(text + '\0'))};
        for (std::size_t bit = 0; bit < 8 * n; ++bit) {
            text[bit / 8] = static_cast<char>(text[bit / 8] ^ (1 << (bit % 8)));
            seen.insert(checksum(bytes(text)));
            text[bit / 8] = static_cast<char>(text[bit / 8] ^ (1 << (bit % 8)));
        }
        CHECK(seen.size() == 2 + 8 * n);
    }
}

TEST_CASE("configs that differ have different hashes, idle fields do not count") {
    const ModelConfig base = models::e2b_mini;
    std::set<std::uint64_t> seen{config_hash(base), config_hash(models::e4b_mini),
                                 config_hash(ModelConfig{})};
    std::size_t made = seen.size();
    const auto differs = [&](auto change) {
        ModelConfig c = base;
        change(c);
        seen.insert(config_hash(c));
        CHECK(seen.size() == ++made);
    };
    differs([](ModelConfig& c) { c.text.sliding_window += 1; });
    differs([](ModelConfig& c) { c.text.full_attention = {}; });
    differs([](ModelConfig& c) { c.text.rms_norm_eps *= 2; });
    differs([](ModelConfig& c) { c.text.full_rope.theta += 1; });
    differs([](ModelConfig& c) { c.text.sliding_rope.theta += 1; });
    differs([](ModelConfig& c) { c.text.hidden_activation = Activation::relu; });
    differs([](ModelConfig& c) { c.text.attention_k_eq_v = true; });
    differs([](ModelConfig& c) { c.tokens.image += 1; });
    differs([](ModelConfig& c) { c.multimodal = false; });
    differs([](ModelConfig& c) { c.vision.standardize = !c.vision.standardize; });
    differs([](ModelConfig& c) { c.vision.num_hidden_layers = 0; });
    differs([](ModelConfig& c) { c.audio.gradient_clipping += 1; });
    differs([](ModelConfig& c) { c.audio.subsampling_conv_channels[1] += 1; });
    ModelConfig idle = base;
    idle.text.num_experts += 1;
    idle.text.num_global_key_value_heads = idle.text.full_kv_heads();
    idle.text.eos_token_id += 1;
    idle.text.bos_token_id += 1;
    idle.text.max_position_embeddings += 1;
    idle.vision.default_output_length += 1;
    CHECK(config_hash(idle) == config_hash(base));
}

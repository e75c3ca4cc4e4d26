#include "carat/checkpoint/bind.hpp"

#include "carat/checkpoint/packed.hpp"
#include "carat/checkpoint/safetensors_writer.hpp"
#include "support/files.hpp"

#include <doctest/doctest.h>

#include <numeric>

using namespace carat;
using namespace carat::test;

namespace {

/// Tensors of each float type, one of an odd byte in front of them so that alignment is not given.
std::string small_file(const Folder& folder) {
    SafetensorsWriter writer;
    std::vector<float> numbers(6);
    std::iota(numbers.begin(), numbers.end(), 1.0f);
    std::vector<bf16> bf16s;
    std::vector<f16> f16s;
    for (const float x : numbers) bf16s.push_back(to_bf16(x)), f16s.push_back(to_f16(-x));
    REQUIRE(writer.add("f", {2, 3}, numbers));
    REQUIRE(writer.add("b", {2, 3}, bf16s));
    REQUIRE(writer.add("h", {6}, f16s));
    REQUIRE(writer.add("scalar", {}, std::vector<bf16>{to_bf16(0.5f)}));
    REQUIRE(writer.add("p.inner", {1}, std::vector<float>{9.0f}));
    REQUIRE(writer.add("ids", {2}, std::vector<std::int64_t>{1, 2}));
    const std::string path = folder / "small.safetensors";
    REQUIRE(writer.write(path));
    return path;
}
CheckpointFiles open(const std::string& path) {
    auto files = CheckpointFiles::open(path);
    REQUIRE_MESSAGE(files, files.error().text);
    return std::move(*files);
}

}  // namespace

TEST_CASE("bound views show the tensors, converted to the type that was asked for") {
    const Folder folder("bind");
    const CheckpointFiles files = open(small_file(folder));
    View<const float, 2, 3> f, b_as_f;
    View<const bf16, 2, 3> b, f_as_b;
    View<const f16, 6> h;
    View<const float, 1> scalar, inner;
    View<const float, 6> h_as_f;
    View<const float, 4> absent(reinterpret_cast<const float*>(&files));
    Binder bind(files);
    bind("f", f);
    bind("b", b);
    bind("b", b_as_f);
    bind("f", f_as_b);
    bind("h", h);
    bind("h", h_as_f);
    bind("scalar", scalar);
    bind.optional("absent", absent);
    bind.set_prefix("p.");
    bind("inner", inner);

    const auto planned = bind.plan();
    REQUIRE_MESSAGE(planned, planned.error().text);
    CHECK(*planned == 8 * planned_alignment);
    CHECK_FALSE(f);
    const auto memory = bind.finish();
    REQUIRE_MESSAGE(memory, memory.error().text);
    CHECK(memory->size() == *planned);
    for (std::size_t i = 0; i < 6; ++i) {
        const auto x = static_cast<float>(i + 1);
        CHECK(f.data()[i] == x);
        CHECK(b_as_f.data()[i] == x);
        CHECK(to_f32(b.data()[i]) == x);
        CHECK(to_f32(f_as_b.data()[i]) == x);
        CHECK(to_f32(h.data()[i]) == -x);
        CHECK(h_as_f.data()[i] == -x);
    }
    CHECK(scalar[0] == 0.5f);
    CHECK(inner[0] == 9.0f);
    CHECK_FALSE(absent);
    CHECK(reinterpret_cast<std::uintptr_t>(b.data()) % planned_alignment == 0);
}

TEST_CASE(
    "a mapped tensor is the file itself where type and alignment allow, and a copy elsewhere") {
    // The data begins at a multiple of 8, so that f is at 0 and u at an odd address.
    const std::string text =
        safetensors(R"({"f":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                    R"("o":{"dtype":"U8","shape":[1],"data_offsets":[8,9]},)"
                    R"("u":{"dtype":"F32","shape":[2],"data_offsets":[9,17]}}        )",
                    17);
    std::vector<std::byte> memory(text.size());
    std::memcpy(memory.data(), text.data(), text.size());
    REQUIRE((text.size() - 17) % 8 == 0);
    const auto files = CheckpointFiles::view(memory, "view");
    REQUIRE_MESSAGE(files, files.error().text);
    View<const float, 2> f, u, resident;
    View<const bf16, 2> narrow;
    Binder bind(*files);
    bind("f", f, Residence::mapped);
    bind("u", u, Residence::mapped);
    bind("f", narrow, Residence::mapped);
    bind("f", resident);
    const auto planned = bind.plan();
    REQUIRE(planned);
    CHECK(*planned == 3 * planned_alignment);
    const auto arena = bind.finish();
    REQUIRE(arena);
    CHECK(static_cast<const void*>(f.data()) == files->find("f").tensor->data);
    CHECK(static_cast<const void*>(u.data()) != files->find("u").tensor->data);
    CHECK(std::memcmp(u.data(), files->find("u").tensor->data, 8) == 0);
    CHECK(narrow[0] == to_bf16(f[0]));
    CHECK(static_cast<const void*>(resident.data()) != static_cast<const void*>(f.data()));
    CHECK(resident[1] == f[1]);
}

TEST_CASE("nothing but mapped tensors takes no memory") {
    const Folder folder("bind");
    const CheckpointFiles files = open(small_file(folder));
    View<const float, 2, 3> f;
    Binder bind(files);
    bind("f", f, Residence::mapped);
    CHECK(*bind.plan() == 0);
    const auto arena = bind.finish();
    REQUIRE(arena);
    CHECK(arena->size() == 0);
    CHECK(f(1, 2) == 6.0f);
}

TEST_CASE("a tensor wanted twice is copied once") {
    const Folder folder("bind");
    const CheckpointFiles files = open(small_file(folder));
    View<const float, 2, 3> embedding, head;
    View<const bf16, 2, 3> other;
    Binder bind(files);
    bind("f", embedding);
    bind("f", other);
    bind("f", head);
    CHECK(*bind.plan() == 2 * planned_alignment);
    const auto arena = bind.finish();
    REQUIRE(arena);
    CHECK(embedding.data() == head.data());
    CHECK(to_f32(other(1, 1)) == 5.0f);
}

TEST_CASE("everything that does not fit is said at once, and no slot changes") {
    const Folder folder("bind");
    const std::string path = small_file(folder);
    const CheckpointFiles files = open(path);
    View<const float, 2, 3> good;
    View<const float, 3, 2> turned;
    View<const float, 6> flat, missing;
    View<const float, 2> ids;
    View<const float, 2> scalar;
    Binder bind(files);
    bind("f", good);
    bind("f", turned);
    bind("b", flat);
    bind("none", missing);
    bind("ids", ids);
    bind.optional("scalar", scalar);
    const auto memory = bind.finish();
    REQUIRE_FALSE(memory);
    CHECK(memory.error().code == Errc::mismatch);
    CHECK(memory.error().text ==
          path + ": tensor f is [2, 3], expected [3, 2]\n" + path +
              ": tensor b is [2, 3], expected [6]\n" + path + ": tensor none is missing\n" + path +
              ": tensor ids is I64, expected F32 or another of F32, BF16, F16\n" + path +
              ": tensor scalar is [], expected [2]");
    CHECK_FALSE(good);
}

TEST_CASE("conversion can be refused") {
    const Folder folder("bind");
    const CheckpointFiles files = open(small_file(folder));
    View<const float, 2, 3> f, b;
    Binder bind(files, {}, {.convert = false});
    bind("f", f);
    CHECK(bind.plan());
    bind("b", b);
    const auto planned = bind.plan();
    REQUIRE_FALSE(planned);
    CHECK(contains(planned.error().text, "tensor b is BF16, expected F32"));
}

TEST_CASE("progress reaches the plan, and false cancels") {
    const Folder folder("bind");
    const std::string path = folder / "big.safetensors";
    constexpr std::size_t n = 5'000'001;
    {
        SafetensorsWriter writer;
        std::vector<bf16> numbers(n);
        for (std::size_t i = 0; i < n; ++i) numbers[i] = to_bf16(static_cast<float>(i % 251));
        REQUIRE(writer.add("w", {n}, std::move(numbers)));
        REQUIRE(writer.add("x", {2}, std::vector<float>{1.0f, 2.0f}));
        REQUIRE(writer.write(path));
    }
    const CheckpointFiles files = open(path);
    View<const float, n> w;
    View<const float, 2> x;
    std::size_t calls = 0, last = 0, total = 0;
    {
        Binder bind(files);
        bind("w", w);
        bind("x", x);
        const auto arena = bind.finish([&](std::size_t done, std::size_t all) {
            CHECK(done > last);
            ++calls, last = done, total = all;
            return true;
        });
        REQUIRE(arena);
        constexpr std::size_t piece = detail::packed_piece / sizeof(bf16);  // as the binder cuts
        CHECK(calls == (n + piece - 1) / piece + 1);
        CHECK(last == total);
        CHECK(total == 4 * n + 8);
        std::size_t wrong = 0;
        for (std::size_t i = 0; i < n; ++i) wrong += w[i] == static_cast<float>(i % 251) ? 0u : 1u;
        CHECK(wrong == 0);
    }
    View<const float, n> untouched;
    Binder bind(files);
    bind("w", untouched);
    const auto cancelled = bind.finish([](std::size_t, std::size_t) { return false; });
    REQUIRE_FALSE(cancelled);
    CHECK(cancelled.error().code == Errc::cancelled);
    CHECK_FALSE(untouched);
}

TEST_CASE("tensors of a sharded checkpoint come from the shards they are in") {
    const CheckpointFiles files = open(fixtures + "31b-mini");
    const auto prefix = text_prefix(files);
    REQUIRE(prefix);
    View<const float, 512, 96> embed;
    View<const float, 96> norm;
    View<const bf16, 160, 96> up;
    Binder bind(files, *prefix);
    bind("embed_tokens.weight", embed);
    bind("norm.weight", norm);
    bind("layers.5.mlp.up_proj.weight", up);
    const auto arena = bind.finish();
    REQUIRE_MESSAGE(arena, arena.error().text);
    const auto stored = files.find(*prefix + "layers.5.mlp.up_proj.weight");
    CHECK(std::memcmp(up.data(), stored.tensor->data, stored.tensor->bytes) == 0);
    CHECK(embed.data()[0] != 0.0f);
}

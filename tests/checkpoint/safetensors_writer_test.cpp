#include "carat/checkpoint/safetensors_writer.hpp"

#include "carat/checkpoint/mapped_file.hpp"
#include "carat/checkpoint/safetensors.hpp"
#include "support/files.hpp"

#include <doctest/doctest.h>

#include <cstring>

using namespace carat;
using namespace carat::test;

TEST_CASE("what is written is read back, sorted by element size and then name") {
    const Folder folder("writer");
    const std::string path = folder / "out.safetensors";
    const float floats[] = {1.5f, -2.0f, 3.0f, 4.0f, 5.0f, 6.0f};
    const bf16 scalar = to_bf16(0.5f);
    SafetensorsWriter writer;
    REQUIRE(writer.add_metadata("format", "pt \"quoted\"\n"));
    REQUIRE(writer.add("b", DType::bf16, {}, &scalar));
    REQUIRE(writer.add("z", DType::f32, {2, 3}, floats));
    REQUIRE(writer.add("mask", {3}, std::vector<std::uint8_t>{1, 0, 1}));
    REQUIRE(writer.add("a\"\\\n\xc3\xa9", {2}, std::vector<float>{7.0f, 8.0f}));
    REQUIRE(writer.add("ids", {1, 2}, std::vector<std::int64_t>{-1, 1LL << 60}));
    REQUIRE(writer.add("nothing", DType::f32, {0, 5}, nullptr));
    REQUIRE(writer.write(path));
    CHECK(folder.files() == 1);

    const auto map = MappedFile::open(path);
    REQUIRE(map);
    const auto file = Safetensors::read(map->bytes(), path);
    REQUIRE_MESSAGE(file, file.error().text);
    REQUIRE(file->tensors().size() == 6);
    CHECK(file->metadata()[0].second == "pt \"quoted\"\n");
    const StoredTensor* z = file->find("z");
    REQUIRE(z != nullptr);
    CHECK(z->shape == std::vector<std::size_t>{2, 3});
    CHECK(std::memcmp(z->data, floats, sizeof floats) == 0);
    const StoredTensor* ids = file->find("ids");
    REQUIRE(ids != nullptr);
    CHECK((ids->data - map->bytes().data()) % 8 == 0);
    const StoredTensor* a = file->find("a\"\\\n\xc3\xa9");
    REQUIRE(a != nullptr);
    CHECK(ids->data < a->data);
    CHECK(a->data < z->data);
    CHECK(z->data < file->find("b")->data);
    CHECK(file->find("b")->data < file->find("mask")->data);
    CHECK(file->find("b")->shape.empty());
    CHECK(file->find("nothing")->shape == std::vector<std::size_t>{0, 5});
}

TEST_CASE("a file without tensors is a file") {
    const Folder folder("writer");
    REQUIRE(SafetensorsWriter().write(folder / "none"));
    const auto map = MappedFile::open(folder / "none");
    REQUIRE(map);
    CHECK(map->bytes().size() % 8 == 0);
    CHECK(Safetensors::read(map->bytes(), "none"));
}

TEST_CASE("a tensor that cannot be written is refused when it is added") {
    SafetensorsWriter writer;
    const float x = 1.0f;
    REQUIRE(writer.add("x", DType::f32, {1}, &x));
    const auto text = [](const Result<void>& r) { return r ? "no error" : r.error().text; };
    CHECK(text(writer.add("x", DType::f32, {1}, &x)) == "tensor x is added twice");
    CHECK(contains(text(writer.add("__metadata__", DType::f32, {1}, &x)), "what is no tensor"));
    CHECK(contains(text(writer.add("y", DType::unknown, {1}, &x)), "unknown type"));
    CHECK(contains(text(writer.add("y", DType::f32, {1}, nullptr)), "has no data"));
    CHECK(contains(text(writer.add("y", DType::f32, {~std::size_t{0}, 2}, &x)), "overflows"));
    CHECK(contains(text(writer.add("y", {3}, std::vector<float>{1.0f})),
                   "tensor y has shape [3] but 1 values"));
    for (const char* name : {"\xff", "\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                             "\xc3", "a\xe2\x82"})
        CHECK(contains(text(writer.add(name, DType::f32, {1}, &x)), "not UTF-8"));
}

TEST_CASE("a file that cannot be written leaves nothing behind and the old one in place") {
    const Folder folder("writer");
    SafetensorsWriter writer;
    REQUIRE(writer.add("x", {1}, std::vector<float>{1.0f}));
    const auto missing = writer.write(folder / "no/such/folder");
    REQUIRE_FALSE(missing);
    CHECK(missing.error().code == Errc::io);
    CHECK(contains(missing.error().text, "cannot create"));

    std::filesystem::create_directories(folder / "taken/inside");
    const auto taken = writer.write(folder / "taken");
    REQUIRE_FALSE(taken);
    CHECK(taken.error().code == Errc::io);
    CHECK(folder.files() == 1);

    write_text(folder / "old", "old");
    write_text(folder / "old.partial", "somebody else's");
    REQUIRE(writer.write(folder / "old"));
    CHECK(read_text(folder / "old").size() > 8);
    CHECK(read_text(folder / "old.partial") == "somebody else's");
    CHECK(folder.files() == 3);
}

#include "carat/checkpoint/checkpoint_files.hpp"

#include "carat/checkpoint/safetensors_writer.hpp"
#include "carat/format/model_path.hpp"
#include "support/files.hpp"
#include "support/gguf_file.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

using namespace carat;
using namespace carat::test;

namespace {

/// A shard with one-element tensors of these names.
void write_shard(const std::string& path, std::initializer_list<const char*> names) {
    SafetensorsWriter writer;
    for (const char* name : names) REQUIRE(writer.add(name, {1}, std::vector<float>{1.0f}));
    REQUIRE(writer.write(path));
}
std::string error_of(const std::string& path) {
    const auto files = CheckpointFiles::open(path);
    return files ? "no error" : files.error().text;
}

}  // namespace

TEST_CASE("a folder is opened by its single file, by its index, or the file by its name") {
    struct Case {
        std::string path;
        std::size_t files;
        const char* prefix;
    };
    for (const Case& c :
         {Case{pocket, 1, "model.language_model."},
          Case{fixtures + "e2b-mini", 1, "model.language_model."},
          Case{fixtures + "31b-mini/", 2, "model.language_model."},
          Case{fixtures + "assistant-31b-mini", 1, "model."},
          Case{fixtures + "a4b-mini/model.safetensors", 1, "model.language_model."}}) {
        CAPTURE(c.path);
        const auto opened = CheckpointFiles::open(c.path);
        REQUIRE_MESSAGE(opened, opened.error().text);
        CHECK(opened->files().size() == c.files);
        const auto found = text_prefix(*opened);
        REQUIRE(found);
        CHECK(*found == c.prefix);
        std::size_t tensors = 0;
        for (const auto& file : opened->files()) {
            for (const StoredTensor& t : file.tensors) {
                const auto located = opened->find(t.name);
                CHECK(located.tensor == &t);
                CHECK(located.file == &file);
                ++tensors;
            }
        }
        CHECK(opened->size() == tensors);
        CHECK_FALSE(opened->find("no such tensor"));
    }
}

TEST_CASE("weights in the program's own memory need no file") {
    const std::string file = safetensors(R"({"language_model.model.embed_tokens.weight":)"
                                         R"({"dtype":"U8","shape":[3],"data_offsets":[0,3]}})",
                                         3);
    auto opened = CheckpointFiles::view(bytes(file), "built in");
    REQUIRE(opened);
    const CheckpointFiles files = std::move(*opened);
    CHECK(*text_prefix(files) == "language_model.model.");
    CHECK(files.find("language_model.model.embed_tokens.weight").file->name == "built in");
    CHECK_FALSE(CheckpointFiles::view(bytes("xx"), "built in"));
}

TEST_CASE("a text model is found under every prefix that writers give it") {
    for (const std::string prefix :
         {"model.language_model.", "language_model.model.", "language_model.", "model."}) {
        const std::string file = safetensors(
            "{\"" + prefix +
                R"(embed_tokens.weight":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}})",
            3);
        const auto files = CheckpointFiles::view(bytes(file), "f");
        REQUIRE(files);
        const auto found = text_prefix(*files);
        REQUIRE_MESSAGE(found, found.error().text);
        CHECK(*found == prefix);
    }
}

TEST_CASE("a checkpoint without a text model is told which names were looked for") {
    const std::string file = safetensors("{}", 0);
    const auto files = CheckpointFiles::view(bytes(file), "f");
    REQUIRE(files);
    const auto prefix = text_prefix(*files);
    REQUIRE_FALSE(prefix);
    CHECK(prefix.error().code == Errc::mismatch);
    CHECK(prefix.error().text ==
          "f: no text model: there is none of model.language_model.embed_tokens.weight, "
          "language_model.model.embed_tokens.weight, language_model.embed_tokens.weight, "
          "model.embed_tokens.weight");
}

TEST_CASE("a folder that holds no checkpoint is an error") {
    const Folder folder("files");
    CHECK(contains(error_of(folder.path()),
                   "neither model.safetensors nor model.safetensors.index.json"));
    CHECK(contains(error_of(folder / "none"), "neither"));
    CHECK(contains(error_of(folder / "none.safetensors"), "cannot open: No such file"));
    write_text(folder / "model.safetensors", "garbage");
    CHECK(contains(error_of(folder.path()), "too few for a safetensors file"));
}

TEST_CASE("a file that is not what its name says is told so") {
    const Folder folder("files");
    write_shard(folder / "m.gguf", {"a"});
    const auto refused = CheckpointFiles::open(folder / "m.gguf");
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Errc::bad_format);
    CHECK(contains(error_of(folder / "m.gguf"), "m.gguf: does not begin with \"GGUF\""));
    CHECK(contains(error_of(folder.path()), "not a GGUF file"));  // found there, not named
    const std::string pointer =
        "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n";
    for (const char* name : {"m.gguf", "model.safetensors"}) {
        write_text(folder / name, pointer);
        CHECK(error_of(folder / name) ==
              (folder / name) + ": is a Git LFS pointer, not the file itself");
    }
}

TEST_CASE("a folder is a GGUF file's where that is what opens, and nothing else is there") {
    const Folder folder("files");
    write_text(folder / "x.gguf", GgufFile().bytes());
    CHECK(is_gguf_folder(folder.path()));
    CHECK(CheckpointFiles::open(folder.path())->gguf() != nullptr);
    for (const char* name : {"model.safetensors.index.json", "model.safetensors", "model.carat"}) {
        CAPTURE(name);
        write_text(folder / name, "");
        CHECK(weights_in(folder.path()) == name);
        CHECK_FALSE(is_gguf_folder(folder.path()));
        CHECK(contains(error_of(folder.path()), folder / name));
        std::filesystem::remove(folder / name);
    }
    write_text(folder / "config.json", "");
    CHECK_FALSE(is_gguf_folder(folder.path()));
}

TEST_CASE("a GGUF file may be named in capitals") {
    const Folder folder("files");
    write_text(folder / "M.GGUF", GgufFile().bytes());
    CHECK(error_of(folder / "M.GGUF") == "no error");
    CHECK(error_of(folder.path()) == "no error");
    write_text(folder / "MMPROJ.GGUF", "junk");
    CHECK(contains(error_of(folder.path()), "MMPROJ.GGUF: "));
    CHECK(is_gguf_path("a.GgUf"));
    for (const char* other : {"gguf", "a.gguf/", "a.gg5f", "a.bin", ""})
        CHECK_FALSE(is_gguf_path(other));
}

TEST_CASE("the parts of a split GGUF file are opened by the first, which leads to the others") {
    const Folder folder("files");
    const auto write = [&](const std::string& name, std::uint16_t number, std::uint16_t count,
                           const char* tensor) {
        GgufFile part;
        part.add("split.no", 2, GgufFile::raw(number));
        part.add("split.count", 2, GgufFile::raw(count));
        part.tensor(tensor, {1}, 0, "1234");
        write_text(folder / name, part.bytes());
    };
    const std::string first = "m-00001-of-00003.gguf", second = "m-00002-of-00003.gguf",
                      third = "m-00003-of-00003.gguf";
    write(first, 0, 3, "a");
    write(third, 2, 3, "c");
    CHECK(contains(error_of(folder.path()), second + ": cannot open"));
    write(second, 1, 3, "b");
    for (const std::string& path : {folder.path(), folder / first}) {
        const auto files = CheckpointFiles::open(path);
        REQUIRE_MESSAGE(files, files.error().text);
        CHECK(files->size() == 3);
        for (const char* tensor : {"a", "b", "c"}) CHECK(files->find(tensor));
        CHECK(contains(files->find("b").file->name, second));
        CHECK(files->projector() == nullptr);
    }
    CHECK(contains(error_of(folder / third),
                   third + ": is part 3 of 3 of a split file, expected its first"));
    write(second, 2, 3, "b");
    CHECK(contains(error_of(folder / first),
                   second + ": is part 3 of 3 of a split file, expected part 2 of 3"));
    write(second, 1, 4, "b");
    CHECK(contains(error_of(folder / first), "is part 2 of 4 of a split file, expected part 2 of"));
    write(second, 1, 3, "c");
    CHECK(contains(error_of(folder / first), "tensor c is both in "));
    write_text(folder / second, "GGUF");
    CHECK(contains(error_of(folder / first), second + ": has 4 bytes, too few"));
    write("n.gguf", 0, 3, "a");
    CHECK(contains(error_of(folder / "n.gguf"),
                   "n.gguf: is part 1 of 3 of a split file, whose others are found by its name"));
    CHECK(contains(error_of(folder.path()), "there are several .gguf files"));
    write("n-00001-of-00003.GGUF", 0, 3, "a");  // its ending is the others' too
    CHECK(contains(error_of(folder / "n-00001-of-00003.GGUF"), "n-00002-of-00003.GGUF: cannot"));
    std::filesystem::remove(folder / "n.gguf");
    const std::string text = read_text(folder / first);
    const auto alone = CheckpointFiles::view(bytes(text), "in memory");
    REQUIRE_FALSE(alone);
    CHECK(alone.error().code == Errc::unsupported);
    CHECK(contains(alone.error().text, "in memory: is part 1 of 3 of a split file: merge"));
}

TEST_CASE("broken towers beside a GGUF file stop only who wants them") {
    const Folder folder("files");
    write_text(folder / "m.gguf", GgufFile().bytes());
    CHECK(error_of(folder / "m.gguf") == "no error");
    write_text(folder / "mmproj.gguf", "junk, and more of it");
    CHECK(contains(error_of(folder / "m.gguf"), "mmproj.gguf: does not begin with \"GGUF\""));
    write_shard(folder / "mmproj.gguf", {"a"});
    CHECK(contains(error_of(folder / "m.gguf"), "not a GGUF file"));
    CHECK(CheckpointFiles::open(folder / "m.gguf", /*towers=*/false));
}

TEST_CASE("an index is believed only as far as the shards agree") {
    const Folder folder("files");
    write_shard(folder / "1.safetensors", {"a", "b"});
    write_shard(folder / "2.safetensors", {"c"});
    write_shard(folder / "2b.safetensors", {"b", "c"});
    const auto with_index = [&](std::string_view text) {
        write_text(folder / "model.safetensors.index.json", text);
        return error_of(folder.path());
    };
    const auto with_map = [&](const std::string& map) {
        return with_index(R"({"metadata":{"total_size":12},"weight_map":)" + map + "}");
    };
    CHECK(with_map(R"({"a":"1.safetensors","b":"1.safetensors","c":"2.safetensors"})") ==
          "no error");
    CHECK(with_map(R"({"a":"1.safetensors"})") == "no error");

    for (const char* name :
         {"../x", "..", ".", "", "a/b", "/etc/passwd", "..\\\\x", "C:x", "x\\u0000", "x\\n"}) {
        CAPTURE(name);
        const std::string text =
            with_map(std::string(R"({"a":")") + name + R"(","b":"1.safetensors"})");
        CHECK_MESSAGE(contains(text, "tensor a is said to be in \""), text);
        CHECK(contains(text, "expected the name of a file in the folder"));
    }
    CHECK(contains(with_map(R"({"a":"missing-1","b":"1.safetensors","c":"missing-2"})"),
                   "missing-1: cannot open: No such file"));
    CHECK(contains(with_map(R"({"a":"missing-1","b":"1.safetensors","c":"missing-2"})"),
                   "missing-2: cannot open: No such file"));
    CHECK(contains(with_map(R"({"a":"2.safetensors","b":"1.safetensors"})"),
                   "tensor a is said to be in 2.safetensors, but is not"));
    CHECK(
        contains(with_map(R"({"a":"1.safetensors","c":"2b.safetensors"})"), "tensor b is both in"));
    CHECK(contains(with_map(R"({"a":"model.safetensors.index.json"})"), "not a safetensors file"));
    CHECK(contains(with_map(R"({"a":1})"), "tensor a is said to be in an integer"));
    CHECK(contains(with_map(R"({"a":null})"), "null"));
    CHECK(contains(with_map("{}"), "weight_map is empty"));
    CHECK(contains(with_map("[]"), "weight_map is an array"));
    CHECK(contains(with_index("{}"), "weight_map is missing"));
    CHECK(contains(with_index("[]"), "weight_map is missing"));
    CHECK(contains(with_index("{"), "not JSON"));
    CHECK(contains(with_index(""), "is empty"));
    CHECK(contains(with_index(std::string(100'000, '[')), "nested deeper"));
    CHECK(contains(with_index(std::string((std::size_t{1} << 24) + 1, ' ')), "expected at most"));
}

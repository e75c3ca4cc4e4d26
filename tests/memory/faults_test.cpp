// The system refuses: memory, space on the disk, a mapping.
#include "support/faults.hpp"

#include "carat/checkpoint/safetensors_writer.hpp"
#include "carat/gemma4.hpp"
#include "carat/generate/sampler.hpp"
#include "carat/pack.hpp"
#include "carat/text/tokenizer.hpp"
#include "carat/text/tokenizer_json.hpp"
#include "support/files.hpp"
#include "support/fixture.hpp"
#include "support/gguf_file.hpp"

#include <doctest/doctest.h>

#include <carat/models/e2b_mini.hpp>
#include <cstddef>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#if defined(__unix__)
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

namespace carat::test {
namespace {

using Gemma = Gemma4<models::e2b_mini>;

#if defined(__cpp_exceptions)
TEST_CASE("whichever allocation fails, opening a model is an error and no exception") {
    const std::string folder = fixture_path("e2b-mini");
    CHECK(fail_until_good([&] { return Gemma::open(folder); }) > 20);
}
TEST_CASE("whichever allocation fails, opening a file and a sampler is an error") {
    const std::string file =
        safetensors(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 4);
    GgufFile gguf;
    gguf.add("tokenizer.ggml.tokens", std::vector<std::string>{"a", "b"});
    gguf.tensor("a", {1}, 0, "1234");
    const std::string other = gguf.bytes();
    const Folder folder("no_memory");
    const std::string inside = folder.path(), path = folder / "m.gguf";
    write_text(path, other);
    CHECK(fail_until_good([&] { return CheckpointFiles::view(bytes(file), "x"); }) > 5);
    CHECK(fail_until_good([&] { return CheckpointFiles::view(bytes(other), "x"); }) > 5);
    CHECK(fail_until_good([&] { return CheckpointFiles::open(path); }) > 10);
    CHECK(fail_until_good([&] { return CheckpointFiles::open(inside); }) > 10);
    CHECK(fail_until_good([] { return Sampler::create(1000, {}); }) > 3);
}
TEST_CASE("whichever allocation fails, seeing, hearing and placing is an error") {
    const auto model = Gemma::open(fixture_path("e2b-mini"));
    REQUIRE_MESSAGE(model, model.error().text);
    Serial serial;
    std::vector<float> patches(9 * Gemma::Vision::patch, 0.5f), mel(40 * 128, 0.1f);
    std::vector<std::int32_t> places;
    for (std::int32_t i = 0; i < 9; ++i) places.insert(places.end(), {i % 3, i / 3});
    const Gemma::Picture picture{Rows<const float, Gemma::Vision::patch>(patches.data(), 9),
                                 nn::vision::Positions(places.data(), 9)};
    MediaSoftTokens<Gemma::Text::hidden> media;
    CHECK(fail_until_good([&] {
              auto seen = model->see(std::span(&picture, 1), serial);
              allocations_left = never;  // the test's own
              if (seen) media.image = *seen;
              return seen;
          }) > 0);
    CHECK(fail_until_good([&] {
              return model->hear(Rows<const float, nn::audio::mel_bins>(mel.data(), 40), {},
                                 serial);
          }) > 0);
    const std::vector<std::int32_t> ids(media.image.rows(), Gemma::config.tokens.image);
    REQUIRE(ids.size() == 1);
    CHECK(fail_until_good([&] {
              MediaSoftTokens<Gemma::Text::hidden>::Used used;
              return media.in_order(ids, Gemma::config.tokens, used);
          }) > 0);
}
TEST_CASE("whichever allocation fails, packing is an error that leaves nothing behind") {
    const Folder folder("no_memory");
    const std::string source = fixture_path("e2b-mini"), to = folder / "p";
    CHECK(fail_until_good([&] {
              auto done = pack_checkpoint<Gemma>(source, to);
              allocations_left = never;  // the test's own
              if (!done) CHECK(folder.files() == 0);
              return done;
          }) > 20);
    CHECK(fail_until_good([&] { return Gemma::open(to); }) > 20);
}
/// Two threads that get no memory while they work.
struct WithoutMemory {
    [[nodiscard]] std::size_t concurrency() const noexcept { return 2; }
    template <class F>
    void run(F&& f) {
        allocations_left = 0;
        f(std::size_t{0});
        f(std::size_t{1});
        allocations_left = never;
        ++runs;
    }
    std::size_t runs = 0;
};
TEST_CASE("threads that bring in weights need no memory of their own") {
    constexpr std::size_t rows = 2048, in = 512;
    const std::string file = safetensors(R"({"a":{"dtype":"F32","shape":[2048,512],)"
                                         R"("data_offsets":[0,4194304]},"b":{"dtype":"BF16",)"
                                         R"("shape":[2048,512],"data_offsets":[4194304,6291456]}})",
                                         rows * in * 6);
    auto files = CheckpointFiles::view(bytes(file), "f");
    REQUIRE_MESSAGE(files, files.error().text);
    WithoutMemory executor;
    Binder bind(*files, {}, {.executor = executor});
    PanelView<q8_0, rows, in> a, b;
    bind("a", a);
    bind("b", b);
    const auto done = memory_errors([&] { return bind.finish(); });
    allocations_left = never;
    REQUIRE_MESSAGE(done, done.error().text);
    CHECK(executor.runs == 1);
}
TEST_CASE("whichever allocation fails, reading a tokenizer is an error and no exception") {
    // As far as it is ours: sentencepiece, which gets what was read, ends the program itself.
    const std::string text = read_text(fixtures + "tokenizer/tokenizer.json");
    const auto read = [&] {
        return memory_errors([&] { return read_tokenizer_json(text, "tokenizer.json"); });
    };
    CHECK(fail_until_good(read) > 20);
}
#endif

#if defined(__unix__)
TEST_CASE("a full disk is an error, and leaves no partial file and the old one as it was") {
    const Folder folder("full");
    write_text(folder / "old", "old");
    for (const std::size_t floats : {2'000u, 20'000u, 2'000'000u}) {
        CAPTURE(floats);
        const int answer = in_child([&] {
            if (!limit_files(4096)) return 2;
            SafetensorsWriter writer;
            if (!writer.add("x", {floats}, std::vector<float>(floats))) return 3;
            const auto written = writer.write(folder / "old");
            if (written) return 4;
            return written.error().code == Errc::io ? 0 : 5;
        });
        CHECK(answer == 0);
        CHECK(folder.files() == 1);
        CHECK(read_text(folder / "old") == "old");
    }
}

/// Names and bytes of the files in a folder.
std::map<std::string, std::string> contents(const std::string& folder) {
    std::map<std::string, std::string> all;
    for (const auto& entry : std::filesystem::directory_iterator(folder))
        all[entry.path().filename().string()] = read_text(entry.path().string());
    return all;
}

TEST_CASE("packing that fails at any text leaves the checkpoint that was there as it was") {
    const Folder folder("as_it_was");
    std::filesystem::copy(fixture_path("e2b-mini"), folder / "from");
    REQUIRE(pack_checkpoint<Gemma>(folder / "from", folder / "to"));
    for (const char* name : {"config.json", "generation_config.json", "tokenizer.json",
                             "tokenizer_config.json", "processor_config.json"}) {
        CAPTURE(name);
        write_text(folder / "to/" + name, "{}");  // another than the source's
        const auto before = contents(folder / "to");
        const std::string unread = folder / "from/processor_config.json";  // is copied last
        const std::string text = read_text(unread);
        std::filesystem::remove(unread);
        std::filesystem::create_directory(unread);
        CHECK_FALSE(pack_checkpoint<Gemma>(folder / "from", folder / "to"));
        std::filesystem::remove(unread);
        write_text(unread, text);
        CHECK(contents(folder / "to") == before);
    }
    REQUIRE(pack_checkpoint<Gemma>(folder / "from", folder / "to"));
    CHECK(Gemma::open(folder / "to"));
}

TEST_CASE("a disk that is full while a checkpoint is packed is an error, and leaves nothing") {
    const Folder folder("full");
    const std::string source = fixture_path("e2b-mini");
    REQUIRE(pack_checkpoint<Gemma>(source, folder / "good"));
    const std::string before = read_text(folder / "good/model.carat");
    const auto all = contents(folder / "good");
    // Limits below the head, in the middle of the data, and at the last byte of the checksums.
    for (const std::size_t limit : {std::size_t{100}, before.size() / 2, before.size() - 1})
        for (const char* to : {"new", "good"}) {
            CAPTURE(limit);
            CAPTURE(to);
            const int answer = in_child([&] {
                if (!limit_files(limit)) return 2;
                const auto done = pack_checkpoint<Gemma>(source, folder / to);
                if (done) return 4;
                return done.error().code == Errc::io ? 0 : 5;
            });
            CHECK(answer == 0);
            CHECK(folder.files() == 1);
            CHECK(contents(folder / "good") == all);
            CHECK(Gemma::open(folder / "good"));
        }
}

TEST_CASE("a text that cannot be read is an error of packing, and leaves nothing") {
    const Folder folder("unreadable");
    std::filesystem::copy(fixture_path("e2b-mini"), folder / "from");
    std::filesystem::remove(folder / "from/tokenizer.json");
    std::filesystem::create_directory(folder / "from/tokenizer.json");  // reads as EISDIR
    const auto done = pack_checkpoint<Gemma>(folder / "from", folder / "to");
    REQUIRE_FALSE(done);
    CHECK(done.error().code == Errc::io);
    CHECK(contains(done.error().text, "tokenizer.json"));
    CHECK(folder.files() == 1);
}

#if !defined(__EMSCRIPTEN__)
TEST_CASE("whichever file of a checkpoint is a pipe, opening and packing do not wait for it") {
    for (const char* name : {"config.json", "generation_config.json", "model.safetensors",
                             "model.safetensors.index.json", "model.carat", "tokenizer.json",
                             "tokenizer.model", "tokenizer_config.json", "chat_template.jinja",
                             "processor_config.json", "m.gguf", "mmproj.gguf"}) {
        CAPTURE(name);
        const Folder folder("pipes");
        const std::string from = folder / "from", pipe = folder / "from/" + name;
        std::filesystem::copy(fixture_path("e2b-mini"), from);
        std::filesystem::remove(pipe);
        if (pipe.ends_with("index.json")) std::filesystem::remove(from + "/model.safetensors");
        REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
        const bool unused = pipe.ends_with("m.gguf") || pipe.ends_with("mmproj.gguf");
        const int answer = in_child([&] {
            ::alarm(60);  // ends the child where it waits
            static_cast<void>(Gemma::open(from));
            static_cast<void>(Gemma::open(pipe));
            return pack_checkpoint<Gemma>(from, folder / "to").has_value() ? 1 : 0;
        });
        CHECK(answer == (unused ? 1 : 0));
        CHECK(folder.files() == (unused ? 2 : 1));
    }
}
#endif

TEST_CASE("a text that is no text's size is an error of packing, and leaves nothing") {
    const Folder folder("large");
    std::filesystem::copy(fixture_path("e2b-mini"), folder / "from");
    std::filesystem::resize_file(folder / "from/tokenizer.json", std::uintmax_t{1} << 32);
    const auto done = pack_checkpoint<Gemma>(folder / "from", folder / "to");
    REQUIRE_FALSE(done);
    CHECK(done.error().code == Errc::out_of_range);
    CHECK(contains(done.error().text, "tokenizer.json: larger than 1073741824 bytes"));
    CHECK(folder.files() == 1);
}

#if defined(MADV_POPULATE_READ) && !defined(CARAT_EMULATED)
TEST_CASE("experts in two tensors, of which one is no longer there, are an error, and no signal") {
    constexpr std::size_t experts = 4, inner = 16, hidden = 1024;
    const Folder folder("halves");
    GgufFile file;
    for (const char* half : {"gate", "up"})
        file.tensor(std::string("blk.0.ffn_") + half + "_exps.weight", {experts, inner, hidden}, 30,
                    std::string(experts * inner * hidden * sizeof(bf16), '\0'));
    const std::string path = folder / "m.gguf", whole = file.bytes();
    for (const std::size_t left : {whole.size() / 4, whole.size() * 3 / 4}) {
        CAPTURE(left);
        write_text(path, whole);
        const int answer = in_child([&] {
            auto files = CheckpointFiles::open(path);
            if (!files) return 2;
            Binder bind(*files, "model.language_model.");
            View<const bf16, 2 * experts, inner, hidden> slot;
            bind("layers.0.experts.gate_up_proj", slot, FileShape<experts, 2 * inner, hidden>{});
            std::filesystem::resize_file(path, left);
            const auto memory = bind.finish();
            if (memory) return 3;
            return memory.error().code == Errc::io ? 0 : 4;
        });
        CHECK(answer == 0);
    }
}

TEST_CASE("a fingerprint of a file that has been shortened is another one, and no signal") {
    const Folder folder("fingerprint");
    std::filesystem::copy(fixture_path("e2b-mini"), folder / "m");
    const std::string path = folder / "m/model.safetensors";
    CHECK(in_child([&] {
              const auto model = Gemma::open(folder / "m");
              if (!model) return 2;
              const std::uint64_t before = model->fingerprint();
              std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2);
              return model->fingerprint() != before ? 0 : 3;
          }) == 0);
}

TEST_CASE("a file that is shortened before it is read is an error, and no signal") {
    const Folder folder("shortened");
    REQUIRE(pack_checkpoint<Gemma>(fixture_path("e2b-mini"), folder / "packed"));
    std::filesystem::copy(fixture_path("e2b-mini"), folder / "plain");
    for (const std::string file : {"packed/model.carat", "plain/model.safetensors"})
        for (const bool in_place : {false, true}) {
            CAPTURE(file);
            const std::string path = folder / file, whole = read_text(path);
            const int answer = in_child([&] {
                auto files = CheckpointFiles::open(path.substr(0, path.rfind('/')));
                if (!files) return 2;
                std::filesystem::resize_file(path, whole.size() / 2);
                const auto model = Gemma::from(*std::move(files), {}, {.in_place = in_place});
                if (model) return 3;
                return model.error().code == Errc::io &&
                               contains(model.error().text, "which has been shortened")
                           ? 0
                           : 4;
            });
            CHECK(answer == 0);
            write_text(path, whole);
        }
}
#endif

// Without exceptions a string that finds no memory ends the program: see memory_errors.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && \
    defined(__cpp_exceptions) && !defined(CARAT_EMULATED)
TEST_CASE("a mapping or an arena that the system refuses is an error") {
    // Limits between nothing and plenty: the first refuses the map, later ones the arena.
    std::size_t refused = 0, opened = 0;
    for (std::size_t more = 0; more < (std::size_t{64} << 20); more += std::size_t{1} << 20) {
        const int answer = in_child([&] {
            if (!spare_address_space(more)) return 2;
            const auto model = Gemma::open(fixture_path("e2b-mini"));
            if (model) return 0;
            const Errc code = model.error().code;
            return code == Errc::out_of_memory || code == Errc::io ? 1 : 4;
        });
        CAPTURE(more);
        CHECK(answer <= 1);
        refused += answer == 1 ? 1u : 0u;
        opened += answer == 0 ? 1u : 0u;
    }
    CHECK(refused > 0);
    CHECK(opened > 0);
}

TEST_CASE("a mapping or a buffer that the system refuses while packing leaves nothing behind") {
    std::size_t refused = 0, packed = 0;
    for (std::size_t more = 0; more < (std::size_t{64} << 20); more += std::size_t{1} << 20) {
        const Folder folder("refused");
        const int answer = in_child([&] {
            if (!spare_address_space(more)) return 2;
            const auto done = pack_checkpoint<Gemma4<models::e2b_mini, weights::f32>>(
                fixture_path("e2b-mini"), folder / "p");
            if (done) return 0;
            const Errc code = done.error().code;
            return code == Errc::out_of_memory || code == Errc::io ? 1 : 4;
        });
        CAPTURE(more);
        CHECK(answer <= 1);
        CHECK(folder.files() == (answer == 0 ? 1 : 0));
        refused += answer == 1 ? 1u : 0u;
        packed += answer == 0 ? 1u : 0u;
    }
    CHECK(refused > 0);
    CHECK(packed > 0);
}

#endif

TEST_CASE("a file takes no more memory than it is long, whatever it says") {
    // Headers that promise exabytes, or a gigabyte.
    const std::string promises[] = {
        R"({"a":{"dtype":"F32","shape":[4611686018427387903],"data_offsets":[0,4]}})",
        R"({"a":{"dtype":"U8","shape":[9223372036854775807],"data_offsets":[0,9223372036854775807]}})",
        R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}})",
        R"({"a":{"dtype":"U8","shape":[1073741824],"data_offsets":[0,1073741824]}})",
    };
    for (const std::string& header : promises) {
        CAPTURE(header);
        const std::string file = safetensors(header, 4);
        const auto refused = [&] {
            const auto read = CheckpointFiles::view(bytes(file), "promises");
            return !read && read.error().code == Errc::bad_format;
        };
        CHECK(refused());
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
        // Whoever believed one would ask for more than there is.
        CHECK(in_child([&] {
                  return spare_address_space(std::size_t{16} << 20) && refused() ? 0 : 1;
              }) == 0);
#endif
    }
}
#endif

}  // namespace
}  // namespace carat::test

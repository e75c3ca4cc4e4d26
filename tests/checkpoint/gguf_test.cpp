#include "carat/format/gguf.hpp"

#include "carat/checkpoint/config/config_difference.hpp"
#include "carat/checkpoint/gguf/gguf_config.hpp"
#include "carat/checkpoint/gguf/gguf_tensors.hpp"
#include "support/files.hpp"
#include "support/gguf_file.hpp"

#include <doctest/doctest.h>

#include <carat/models/a4b_mini.hpp>
#include <carat/models/e2b_mini.hpp>
#include <carat/models/gemma4_31b_mini.hpp>
#include <carat/models/pocket.hpp>

using namespace carat;
using namespace carat::test;

namespace {

std::string fault_of(std::string_view file) {
    const auto files = CheckpointFiles::view(bytes(file), "f.gguf");
    if (files) return "accepted";
    return files.error().text;
}
std::string fault_of(const GgufFile& file) { return fault_of(file.bytes()); }

/// A file with an entry of this value.
GgufFile with_entry(std::uint32_t type, const std::string& value) {
    GgufFile file;
    file.add("k", type, value);
    return file;
}

template <class T>
std::string raw(T x) {
    return GgufFile::raw(x);
}

}  // namespace

TEST_CASE("metadata of every type is read, tensors lie where the file says") {
    GgufFile file;
    file.add("u8", 0, raw(std::uint8_t{200}));
    file.add("i8", 1, raw(std::int8_t{-3}));
    file.add("u16", 2, raw(std::uint16_t{65535}));
    file.add("i64", 11, raw(std::int64_t{1} << 40));
    file.add("f32", 1.5f);
    file.add("yes", true);
    file.add("text", "gemma");
    file.add("numbers", std::vector<std::int32_t>{1, -2, 3});
    file.add("words", std::vector<std::string>{"a", "", "bcd"});
    file.add("nested", 9,
             raw(std::uint32_t{9}) + raw(std::uint64_t{2}) + raw(std::uint32_t{0}) +
                 raw(std::uint64_t{1}) + "x" + raw(std::uint32_t{8}) + raw(std::uint64_t{1}) +
                 GgufFile::string("y"));
    file.tensor("w", {2, 3}, 30, "abcdefghijkl");
    file.tensor("q", {1, 32}, 8, std::string(34, 'q'));
    const std::string all = file.bytes();
    const auto head = Gguf::read(bytes(all), "f.gguf");
    REQUIRE_MESSAGE(head, head.error().text);
    CHECK(Gguf::unsigned_integer(head->find("u8")) == 200);
    CHECK_FALSE(Gguf::unsigned_integer(head->find("i8")));
    CHECK(Gguf::unsigned_integer(head->find("u16")) == 65535);
    CHECK(Gguf::unsigned_integer(head->find("i64")) == std::uint64_t{1} << 40);
    CHECK(Gguf::real(head->find("f32")) == 1.5f);
    CHECK(Gguf::boolean(head->find("yes")) == true);
    CHECK(Gguf::string(head->find("text")) == "gemma");
    CHECK_FALSE(Gguf::string(head->find("f32")));
    CHECK(head->find("none") == nullptr);
    CHECK(Gguf::unsigned_integer(*head->find("numbers"), 2) == 3);
    CHECK_FALSE(Gguf::unsigned_integer(*head->find("numbers"), 1));
    CHECK_FALSE(Gguf::unsigned_integer(*head->find("numbers"), 3));
    std::string words;
    Gguf::for_each_string(*head->find("words"), [&](std::size_t i, std::string_view w) {
        words += std::to_string(i) + std::string(w);
        return true;
    });
    CHECK(words == "0a12bcd");

    const auto files = CheckpointFiles::view(bytes(all), "f.gguf");
    REQUIRE_MESSAGE(files, files.error().text);
    const auto w = files->find("w");
    REQUIRE(w);
    CHECK(w.tensor->shape == std::vector<std::size_t>{2, 3});
    CHECK(w.tensor->dtype == DType::bf16);
    CHECK(std::memcmp(w.tensor->data, "abcdefghijkl", 12) == 0);
    CHECK(files->find("q").tensor->bytes == 34);
}

TEST_CASE("what a head says is known after the file has changed or gone") {
    const Folder folder("head");
    const std::string path = folder / "m.gguf";
    GgufFile file;
    file.add("tokenizer.ggml.eos_token_id", std::uint32_t{7});
    file.add("tokenizer.ggml.tokens", std::vector<std::string>{"a", "b", "<turn|>"});
    const std::string all = file.bytes();
    std::string other = all;
    const std::size_t length = all.find('b') - sizeof(std::uint64_t);
    other.replace(length, sizeof(std::uint64_t), raw(std::uint64_t{1} << 40));
    for (const std::string& now : {other, std::string()}) {
        write_text(path, all);
        const auto files = CheckpointFiles::open(path);
        REQUIRE_MESSAGE(files, files.error().text);
        write_text(path, now);
        CHECK(read_gguf_generation_config(*files->gguf()).eos_token_ids ==
              std::vector<std::int32_t>{7, 2});
        CHECK(files->gguf()->bytes().size() == all.size());
    }
#if defined(MADV_POPULATE_READ) && !defined(CARAT_EMULATED)
    write_text(path, gguf_of(fixtures + "e2b-mini", models::e2b_mini.text).bytes());
    const auto files = CheckpointFiles::open(path);
    REQUIRE_MESSAGE(files, files.error().text);
    write_text(path, "");
    const auto config = read_gguf_config(*files);
    REQUIRE_FALSE(config);
    CHECK(config.error().code == Errc::io);
    CHECK(config.error().text ==
          path + ": tensor rope_freqs.weight is no longer in the file, which has been shortened");
#endif
}

TEST_CASE("a model of a GGUF file stops where it waits for what a tool returns") {
    const auto stops = [](const std::vector<std::int32_t>& types) {
        GgufFile file;
        file.add("tokenizer.ggml.eos_token_id", std::uint32_t{1});
        file.add("tokenizer.ggml.tokens",
                 std::vector<std::string>{"a", "<eos>", "<turn|>", "<|tool_response>"});
        if (!types.empty()) file.add("tokenizer.ggml.token_type", types);
        const std::string all = file.bytes();
        const auto head = Gguf::read(bytes(all), "f.gguf");
        REQUIRE_MESSAGE(head, head.error().text);
        return read_gguf_generation_config(*head).eos_token_ids;
    };
    using Ids = std::vector<std::int32_t>;
    CHECK(stops({1, 3, 3, 3}) == Ids{1, 2, 3});
    CHECK(stops({1, 3, 3, 4}) == Ids{1, 2, 3});  // as converters mark it
    CHECK(stops({1, 3, 3, 1}) == Ids{1, 2});     // a word that is spelled so
    CHECK(stops({1, 3, 3}) == Ids{1, 2});
    CHECK(stops({}) == Ids{1, 2});
}

#if !defined(__EMSCRIPTEN__)
TEST_CASE("a head of more than 256 MB is refused, not copied") {
    const Folder folder("head");
    const std::string path = folder / "m.gguf";
    GgufFile file;
    file.add("k", 9, raw(std::uint32_t{0}) + raw(std::uint64_t{Gguf::most_head_bytes}));
    write_text(path, file.bytes());
    std::filesystem::resize_file(path, Gguf::most_head_bytes + 1024);
    const auto files = CheckpointFiles::open(path);
    REQUIRE_FALSE(files);
    CHECK(files.error().code == Errc::unsupported);
    CHECK(files.error().text ==
          path + ": has a head of 268435520 bytes, expected at most 268435456");
}
#endif

TEST_CASE("a file cut off anywhere is refused, whatever is missing") {
    const std::string all = gguf_of(fixtures + "e2b-mini", models::e2b_mini.text).bytes();
    const std::size_t head = 20'000;  // more than the head: some of the data too
    std::size_t accepted = 0;
    for (std::size_t n = 0; n < head; n += n < 2000 ? 1 : 97)
        accepted += fault_of(std::string_view(all).substr(0, n)) == "accepted" ? 1u : 0u;
    CHECK(accepted == 0);
    CHECK(fault_of(all) == "accepted");
}

TEST_CASE("numbers that a file makes up are measured against what is there") {
    GgufFile file;
    CHECK(contains(fault_of(""), "f.gguf: "));
    file.version = 1;
    CHECK(fault_of(file) == "f.gguf: is GGUF version 1, expected 2 or 3");
    file.version = 3;
    file.entry_count = std::uint64_t{1} << 60;
    CHECK(contains(fault_of(file), "1152921504606846976 metadata entries, expected at most"));
    file.entry_count = 60'000;
    CHECK(contains(fault_of(file), "metadata entry 0 has a key of 0 bytes"));
    file.entry_count = 0;
    file.tensor_count = static_cast<std::uint64_t>(-1);
    CHECK(contains(fault_of(file), "tensors, expected at most"));

    const auto huge = raw(static_cast<std::uint64_t>(-1));
    CHECK(contains(fault_of(with_entry(8, huge)), "metadata key k takes 18446744073709551615"));
    CHECK(contains(fault_of(with_entry(13, "")), "has the value type 13, expected 0 to 12"));
    for (const std::uint32_t element : {0u, 6u, 8u, 9u, 12u})
        CHECK(contains(fault_of(with_entry(9, raw(element) + huge)),
                       "metadata key k is an array of 18446744073709551615"));
    CHECK(contains(fault_of(with_entry(9, raw(std::uint32_t{77}) + raw(std::uint64_t{0}))),
                   "value type 77"));
    std::string deep;
    for (int i = 0; i < 100'000; ++i) deep += raw(std::uint32_t{9}) + raw(std::uint64_t{1});
    CHECK(contains(fault_of(with_entry(9, deep)), "nests arrays deeper than 4"));
    GgufFile twice;
    twice.add("k", true);
    twice.add("k", 1.0f);
    CHECK(contains(fault_of(twice), "metadata key k is there twice"));
    GgufFile no_key;
    no_key.add("", true);
    CHECK(contains(fault_of(no_key), "a key of 0 bytes"));
    for (const std::uint32_t alignment : {0u, 1u, 12u, 1u << 30}) {
        GgufFile odd;
        odd.add("general.alignment", alignment);
        CHECK(contains(fault_of(odd), "general.alignment is " + std::to_string(alignment)));
    }
}

TEST_CASE("tensors that cannot be are refused, all at once") {
    const auto one = [](const std::vector<std::uint64_t>& dims, std::uint32_t type,
                        std::uint64_t offset, const std::string& name = "t") {
        GgufFile file;
        file.infos = GgufFile::string(name) + raw(static_cast<std::uint32_t>(dims.size()));
        for (const std::uint64_t d : dims) file.infos += raw(d);
        file.infos += raw(type) + raw(offset);
        file.tensor_count = 1;
        file.data.assign(64, 'd');
        return file;
    };
    CHECK(fault_of(one({16}, 0, 0)) == "accepted");
    CHECK(contains(fault_of(one({17}, 0, 0)),
                   "takes 68 bytes, but behind its offset 0 there are "
                   "only 64"));
    CHECK(contains(fault_of(one({16}, 0, 32)), "behind its offset 32 there are only 32"));
    CHECK(contains(fault_of(one({16}, 0, 4)), "is at offset 4, expected a multiple of 32"));
    CHECK(contains(fault_of(one({16}, 0, std::uint64_t{1} << 63)), "but the data has only 64"));
    CHECK(contains(fault_of(one({16}, 0, static_cast<std::uint64_t>(-32))), "has only 64 bytes"));
    CHECK(contains(fault_of(one({std::uint64_t{1} << 32, std::uint64_t{1} << 32}, 0, 0)),
                   "more values than any memory could hold"));
    CHECK(contains(fault_of(one({std::uint64_t{1} << 62}, 0, 0)), "which no memory could hold"));
    CHECK(contains(fault_of(one({33}, 8, 0)), "rows of Q8_0 are multiples of 32 values"));
    CHECK(contains(fault_of(one({128, 2}, 14, 0)), "rows of Q6_K are multiples of 256 values"));
    CHECK(contains(fault_of(one({}, 0, 0)), "has 0 axes, expected 1 to 4"));
    CHECK(contains(fault_of(one({1, 1, 1, 1, 1}, 0, 0)), "has 5 axes, expected 1 to 4"));
    CHECK(contains(fault_of(one({16}, 0, 0, std::string(65, 'n'))), "a name of 65 bytes"));
    CHECK(contains(fault_of(one({16}, 0, 0, "")), "a name of 0 bytes"));
    CHECK(fault_of(one({0}, 0, 0)) == "accepted");    // nothing at all, for nobody
    CHECK(fault_of(one({16}, 99, 0)) == "accepted");  // a fault where somebody wants it

    GgufFile overlapping;
    overlapping.tensor("a", {16}, 0, std::string(64, 'a'));
    overlapping.tensor("b", {8}, 0, std::string(32, 'b'));
    overlapping.infos.replace(overlapping.infos.size() - 8, 8, raw(std::uint64_t{32}));
    CHECK(fault_of(overlapping) == "f.gguf: tensors a and b overlap");
    GgufFile named_twice;
    named_twice.tensor("a", {8}, 0, std::string(32, 'a'));
    named_twice.tensor("a", {8}, 0, std::string(32, 'b'));
    CHECK(contains(fault_of(named_twice), "tensor a is there twice"));
    GgufFile two;
    two.tensor("a", {33}, 8, std::string(68, 'a'));
    two.tensor("b", {100}, 12, std::string(32, 'b'));
    CHECK(contains(fault_of(two), "tensor a is Q8_0"));
    CHECK(contains(fault_of(two), "\nf.gguf: tensor b is Q4_K"));
}

TEST_CASE("the metadata says what config.json says") {
    const auto read = [](const std::string& folder, const ModelConfig& c) {
        const std::string all = gguf_of(folder, c.text).bytes();
        const auto files = CheckpointFiles::view(bytes(all), "f.gguf");
        REQUIRE_MESSAGE(files, files.error().text);
        auto config = read_gguf_config(*files);
        REQUIRE_MESSAGE(config, config.error().text);
        config->text.use_bidirectional_attention = c.text.use_bidirectional_attention;
        return describe_difference(c.text, config->text);
    };
    CHECK(read(fixtures + "e2b-mini", models::e2b_mini) == "");
    CHECK(read(fixtures + "a4b-mini", models::a4b_mini) == "");
    CHECK(read(fixtures + "31b-mini", models::gemma4_31b_mini) == "");
    CHECK(read(pocket, models::pocket) == "");
}

TEST_CASE("divisors of rotation that are no Gemma 4's are refused, not read as if they were") {
    const TextConfig& c = models::e2b_mini.text;
    const GgufFile good = gguf_of(fixtures + "e2b-mini", c);
    const std::size_t pairs = c.global_head_dim / 2;
    const std::size_t at = good.data.size() - (pairs * sizeof(float) + 31) / 32 * 32;
    const auto fault = [&](std::size_t pair, float divisor) {
        GgufFile file = good;
        std::memcpy(file.data.data() + at + pair * sizeof(float), &divisor, sizeof divisor);
        const std::string all = file.bytes();
        const auto files = CheckpointFiles::view(bytes(all), "f.gguf");
        REQUIRE(files);
        const auto config = read_gguf_config(*files);
        return config ? std::string("accepted") : config.error().text;
    };
    CHECK(fault(0, 1.0f) == "accepted");
    CHECK(fault(pairs - 1, 1e10f) == "accepted");
    CHECK(contains(fault(0, 8.0f),
                   "tensor rope_freqs.weight has 8.000000 at 0, expected ones and then numbers of "
                   "1e10 and more"));
    for (const float bad : {8.0f, 0.5f, 1.0f, 0.0f, -1.0f, std::nanf("")})
        CHECK(contains(fault(pairs - 1, bad), "tensor rope_freqs.weight has "));
}

TEST_CASE("metadata that makes no Gemma 4 is refused, everything at once") {
    const auto fault = [](const GgufFile& file) {
        const std::string all = file.bytes();
        const auto files = CheckpointFiles::view(bytes(all), "f.gguf");
        REQUIRE(files);
        const auto config = read_gguf_config(*files);
        return config ? std::string("accepted") : config.error().text;
    };
    GgufFile other;
    other.add("general.architecture", "llama");
    CHECK(fault(other) == "f.gguf: general.architecture is \"llama\", expected \"gemma4\"");
    CHECK(fault(GgufFile{}) == "f.gguf: general.architecture is missing, expected \"gemma4\"");
    GgufFile bare;
    bare.add("general.architecture", "gemma4");
    bare.add("gemma4.block_count", 4u);
    const std::string all = fault(bare);
    CHECK(contains(all, "gemma4.embedding_length is missing, expected a whole number"));
    CHECK(contains(all, "gemma4.attention.head_count is missing"));
    CHECK(contains(all, "gemma4.attention.sliding_window_pattern is missing, expected 4 of bool"));
    GgufFile endless;
    endless.add("general.architecture", "gemma4");
    endless.add("gemma4.block_count", 0xffffffffu);
    CHECK(contains(fault(endless), "gemma4.block_count is of type u32, expected"));
    GgufFile untied = gguf_of(fixtures + "e2b-mini", models::e2b_mini.text);
    CHECK(fault(untied) == "accepted");
    untied.tensor("output.weight", {1}, 0, "1234");
    CHECK(contains(fault(untied), "tensor output.weight is an output head of its own"));
}

#include "carat/checkpoint/safetensors.hpp"

#include "carat/checkpoint/mapped_file.hpp"
#include "support/files.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <random>

using namespace carat;
using namespace carat::test;

namespace {

/// Three tensors in 14 bytes, one of them with an escape in its name.
const std::string small = safetensors(
    R"({"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
    R"("b\u002ec":{"dtype":"BF16","shape":[],"data_offsets":[8,10]},)"
    R"("d":{"shape":[2,2],"data_offsets":[10,14],"dtype":"U8"}}  )",
    14);

/// Reads a file from memory of exactly its size, so that a sanitizer sees the first byte too many.
Result<Safetensors> read_exact(std::string_view file) {
    std::vector<std::byte> exact(file.size());
    if (!file.empty()) std::memcpy(exact.data(), file.data(), file.size());
    Result<Safetensors> read = Safetensors::read(exact, "f");
    if (read) {
        unsigned sum = 0;
        for (const StoredTensor& t : read->tensors()) {
            CHECK(read->find(t.name) == &t);
            if (t.dtype != DType::unknown) CHECK(t.count() * size_of(t.dtype) == t.bytes);
            for (const std::byte b : t.span()) sum += std::to_integer<unsigned>(b);
        }
        CHECK(sum < 0xffffffffu);
    } else {
        CHECK_FALSE(read.error().text.empty());
    }
    return read;
}

std::string error_of(std::string_view header, std::size_t data_bytes) {
    const std::string file = safetensors(header, data_bytes);
    const auto read = read_exact(file);
    return read ? "no error" : read.error().text;
}

}  // namespace

TEST_CASE("a small file is read as it was written") {
    const auto file = Safetensors::read(bytes(small), "small");
    REQUIRE(file);
    REQUIRE(file->tensors().size() == 3);
    REQUIRE(file->metadata().size() == 1);
    CHECK(file->metadata()[0].first == "format");
    CHECK(file->metadata()[0].second == "pt");
    const StoredTensor* a = file->find("a");
    REQUIRE(a != nullptr);
    CHECK(a->dtype == DType::f32);
    CHECK(a->shape == std::vector<std::size_t>{2});
    CHECK(a->bytes == 8);
    CHECK(a->data == bytes(small).data() + small.size() - 14);
    const StoredTensor* scalar = file->find("b.c");
    REQUIRE(scalar != nullptr);
    CHECK(scalar->shape.empty());
    CHECK(scalar->count() == 1);
    CHECK(file->find("d")->shape == std::vector<std::size_t>{2, 2});
    CHECK(file->find("") == nullptr);
    CHECK(file->find("b") == nullptr);
    CHECK(file->find("zz") == nullptr);
}

TEST_CASE("the fixtures and the pocket model are read whole") {
    for (const std::string& path :
         {fixtures + "e2b-mini/model.safetensors", fixtures + "e4b-mini/model.safetensors",
          fixtures + "a4b-mini/model.safetensors", fixtures + "31b-mini/text.safetensors",
          fixtures + "assistant-e2b-mini/model.safetensors", pocket + "model.safetensors",
          pocket + "expected_logits.safetensors"}) {
        CAPTURE(path);
        const auto map = MappedFile::open(path);
        REQUIRE(map);
        const auto file = Safetensors::read(map->bytes(), path);
        REQUIRE_MESSAGE(file, file.error().text);
        std::size_t total = 0;
        for (const StoredTensor& t : file->tensors()) {
            total += t.bytes;
            CHECK(file->find(t.name) == &t);
        }
        CHECK(file->tensors().size() > 0);
        CHECK(total < map->bytes().size());
    }
}

TEST_CASE("an empty tensor takes no place, and a file may have no tensor at all") {
    CHECK(read_exact(safetensors("{}", 0)));
    CHECK(read_exact(safetensors(R"({"a":{"dtype":"F32","shape":[0,7],"data_offsets":[0,0]},)"
                                 R"("b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                                 R"("c":{"dtype":"I64","shape":[3,0],"data_offsets":[1,1]}})",
                                 1)));
}

TEST_CASE("a type that carat does not know keeps its place and its name") {
    const auto file = Safetensors::read(
        bytes(safetensors(R"({"q":{"dtype":"F4","shape":[3],"data_offsets":[0,2]}})", 2)), "f");
    REQUIRE(file);
    CHECK(file->find("q")->dtype == DType::unknown);
    CHECK(file->find("q")->dtype_name == "F4");
    CHECK(file->find("q")->bytes == 2);
}

TEST_CASE("a header that lies about places, shapes or types is refused with the reason") {
    struct Case {
        const char* header;
        std::size_t data_bytes;
        const char* reason;
    };
    for (const Case& c : {
             Case{R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 4,
                  "f: tensor a has data_offsets [0, 8], but the data has only 4 bytes"},
             Case{R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})", 8,
                  "end before they begin"},
             Case{
                 R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4,
                 "f: tensor a is F32 [2], which takes 8 bytes, but its data_offsets [0, 4] hold 4"},
             Case{R"({"a":{"dtype":"F64","shape":[2],"data_offsets":[0,8]}})", 8, "takes 16 bytes"},
             Case{R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
                  R"("b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})",
                  3, "tensors a and b overlap at byte 1"},
             Case{R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
                  R"("b":{"dtype":"U8","shape":[1],"data_offsets":[1,2]},)"
                  R"("c":{"dtype":"U8","shape":[1],"data_offsets":[3,4]}})",
                  4, "tensors a and c overlap at byte 3"},
             Case{R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                  R"("b":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}})",
                  3, "bytes [1, 2] of the data belong to no tensor"},
             Case{R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 2,
                  "bytes [1, 2] of the data belong to no tensor"},
             Case{"{}", 1, "bytes [0, 1] of the data belong to no tensor"},
             Case{R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}})",
                  0, "which no memory could hold"},
             Case{R"({"a":{"dtype":"F32","shape":[9223372036854775807,2],"data_offsets":[0,0]}})",
                  0, "which no memory could hold"},
             Case{R"({"a":{"dtype":"XX","shape":[9223372036854775807,4],"data_offsets":[0,0]}})", 0,
                  "which no memory could hold"},
             Case{R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                  R"("\u0061":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
                  2, "tensor a is there twice"},
             Case{R"({"a":{"dtype":"U8","shape":[18446744073709551616],"data_offsets":[0,1]}})", 1,
                  "a number that is not whole"},
             Case{R"({"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}})", 1,
                  "tensor a: shape is the negative number -1"},
             Case{R"({"a":{"dtype":"U8","shape":[1.0],"data_offsets":[0,1]}})", 1, "not whole"},
             Case{R"({"a":{"dtype":"U8","shape":"1","data_offsets":[0,1]}})", 1, "a string"},
             Case{R"({"a":{"dtype":"U8","shape":[[1]],"data_offsets":[0,1]}})", 1, "an array"},
             Case{R"({"a":{"dtype":8,"shape":[1],"data_offsets":[0,1]}})", 1,
                  "tensor a: dtype is the number 8, expected the name of a type"},
             Case{R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0]}})", 1, "shorter"},
             Case{R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1,1]}})", 1, "longer"},
             Case{R"({"a":{"dtype":"U8","shape":[1],"data_offsets":{"0":1}}})", 1, "an object"},
             Case{R"({"a":{"dtype":"U8","shape":[1]}})", 1, "tensor a has no data_offsets"},
             Case{R"({"a":{"dtype":"U8","data_offsets":[0,1]}})", 1, "tensor a has no shape"},
             Case{R"({"a":{"shape":[1],"data_offsets":[0,1]}})", 1, "tensor a has no dtype"},
             Case{R"({"a":{}})", 0, "tensor a has no dtype"},
             Case{R"({"a":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 1,
                  "the key dtype, which stands there twice"},
             Case{R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":1}})", 1,
                  "the key x, which is none of"},
             Case{R"({"a":null})", 0, "tensor a is null, expected an object"},
             Case{R"({"a":[]})", 0, "tensor a is an array"},
             Case{R"({"__metadata__":{"a":1}})", 0,
                  "__metadata__: a is the number 1, expected a string"},
             Case{R"({"__metadata__":{"a":{}}})", 0, "an object, expected a string"},
             Case{R"({"__metadata__":"x"})", 0, "__metadata__ is a string"},
             Case{R"({"__metadata__":{},"__metadata__":{}})", 0, "there twice"},
             Case{R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]})", 1, "not JSON"},
             Case{R"({}{})", 0, "not JSON"},
             Case{R"([])", 0, "does not begin with '{'"},
             Case{R"( {})", 0, "does not begin with '{'"},
             Case{"", 0, "does not begin with '{'"},
             Case{"{\"a\n\":1}", 0, "not JSON"},
             Case{"{\"\xff\":1}", 0, "not JSON"},
         }) {
        CAPTURE(c.header);
        const std::string text = error_of(c.header, c.data_bytes);
        CHECK_MESSAGE(contains(text, c.reason), text);
    }
    const std::string zero = std::string("{}") + '\0' + "x";
    CHECK(contains(error_of(zero, 0), "zero byte"));
}

TEST_CASE("all misplaced tensors are named at once, but not thousands of them") {
    std::string header = "{";
    for (int i = 0; i < 500; ++i)
        header += (i > 0 ? ",\"t" : "\"t") + std::to_string(i) +
                  R"(":{"dtype":"U8","shape":[2],"data_offsets":[0,1]})";
    const std::string text = error_of(header + "}", 1);
    CHECK(contains(text, "tensor t0 is"));
    CHECK(contains(text, "tensor t19 is"));
    CHECK_FALSE(contains(text, "tensor t20 is"));
    CHECK(contains(text, "and 480 more"));
}

TEST_CASE("a header length beyond the file or beyond all reason is refused before it is believed") {
    std::string file = safetensors("{}", 0);
    for (std::size_t i = 0; i < 8; ++i) {
        std::string longer = file;
        longer[i] = '\xff';
        CHECK_FALSE(read_exact(longer));
    }
    CHECK_FALSE(read_exact(""));
    CHECK_FALSE(read_exact("1234567"));
    CHECK_FALSE(read_exact(std::string(8, '\0')));
}

TEST_CASE("deep nesting and endless shapes are refused, not followed") {
    const std::string deep(1'000'000, '[');
    CHECK(contains(error_of(R"({"a":)" + deep, 0), "tensor a is an array"));
    CHECK(contains(error_of(R"({"a":{"dtype":"U8","shape":)" + deep, 0), "shape is an array"));
    std::string ones = "1";
    for (int i = 0; i < 100'000; ++i) ones += ",1";
    CHECK(contains(error_of(R"({"a":{"dtype":"U8","shape":[)" + ones + "]", 0), "32 axes"));
}

TEST_CASE("names out of a file cannot break the lines of an error") {
    const std::string text = error_of(R"({"a\nb\u0007\u0000":1})", 0);
    CHECK(contains(text, "tensor a\\x0ab\\x07\\x00 is"));
    const std::string name(100'000, 'n');
    CHECK(error_of("{\"" + name + "\":1}", 0).size() < 300);
}

TEST_CASE("every truncation of a file is an error") {
    for (std::size_t length = 0; length < small.size(); ++length) {
        CAPTURE(length);
        CHECK_FALSE(read_exact(std::string_view(small).substr(0, length)));
    }
    CHECK(read_exact(small));
}

TEST_CASE("whatever bytes change, a file is read or refused") {
    std::mt19937 random(7);
    std::size_t refused = 0;
    for (int round = 0; round < 20'000; ++round) {
        std::string file = small;
        for (auto changes = 1 + random() % 3; changes-- > 0;)
            file[random() % (file.size() - 14)] = static_cast<char>(random() % 256);
        refused += read_exact(file) ? 0u : 1u;
    }
    CHECK(refused > 10'000);
    // Digits and punctuation only: more of these get past the JSON.
    constexpr std::string_view alphabet = "0123456789,:[]{}\"-e. ";
    for (int round = 0; round < 20'000; ++round) {
        std::string file = small;
        for (auto changes = 1 + random() % 2; changes-- > 0;)
            file[8 + random() % (file.size() - 22)] = alphabet[random() % alphabet.size()];
        refused += read_exact(file) ? 0u : 1u;
    }
    CHECK(refused < 40'000);
}

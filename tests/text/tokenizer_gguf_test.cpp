#include "carat/text/tokenizer_gguf.hpp"

#include "carat/text/read_file.hpp"
#include "carat/text/tokenizer_json.hpp"
#include "support/gguf_file.hpp"

#include <doctest/doctest.h>

using namespace carat;

namespace {

/// The metadata that a converter writes for a tokenizer.json.
test::GgufFile gguf_of(const Vocabulary& v) {
    test::GgufFile file;
    std::vector<std::int32_t> types;
    for (const PieceType t : v.types) types.push_back(static_cast<std::int32_t>(t));
    for (std::int32_t& t : types)
        if (t == 3) t = 5;  // unused, unless it is an added token
    for (const AddedToken& token : v.added)
        types[static_cast<std::size_t>(token.id)] = token.special ? 3 : 4;
    std::vector<std::string> merges;
    for (const Merge& m : v.merges)
        merges.push_back(v.pieces[static_cast<std::size_t>(m[0])] + " " +
                         v.pieces[static_cast<std::size_t>(m[1])]);
    file.add("tokenizer.ggml.model", "gemma4");
    file.add("tokenizer.ggml.tokens", v.pieces);
    file.add("tokenizer.ggml.token_type", types);
    file.add("tokenizer.ggml.merges", merges);
    file.add("tokenizer.ggml.add_bos_token", v.add_bos);
    file.add("tokenizer.ggml.add_space_prefix", false);
    return file;
}
Result<Vocabulary> read(const test::GgufFile& file) {
    const std::string all = file.bytes();
    const auto head = Gguf::read(std::as_bytes(std::span(all)), "f.gguf");
    REQUIRE_MESSAGE(head, head.error().text);
    return read_tokenizer_gguf(*head, "f.gguf");
}

}  // namespace

TEST_CASE("the tokenizer of a GGUF file is that of the tokenizer.json it was made from") {
    const std::string path = CARAT_SOURCE_DIR "/tests/fixtures/hf/tokenizer/tokenizer.json";
    const auto text = read_file(path);
    REQUIRE(text);
    const auto json = read_tokenizer_json(*text, path);
    REQUIRE_MESSAGE(json, json.error().text);
    const auto gguf = read(gguf_of(*json));
    REQUIRE_MESSAGE(gguf, gguf.error().text);
    CHECK(gguf->pieces == json->pieces);
    CHECK(gguf->scores == json->scores);
    CHECK(gguf->merges == json->merges);
    CHECK(gguf->add_bos == json->add_bos);
    CHECK(gguf->types == json->types);
    CHECK(gguf->added.size() == json->added.size());
}

TEST_CASE("a tokenizer that is not there, or does not fit together, is refused in words") {
    test::GgufFile none;
    CHECK(read(none).error().text == "f.gguf: tokenizer.ggml.model is missing, expected a string");
    test::GgufFile odd;
    odd.add("tokenizer.ggml.model", "gemma4");
    odd.add("tokenizer.ggml.tokens", std::vector<std::string>{"<unk>", "a"});
    odd.add("tokenizer.ggml.merges", std::vector<std::string>{"a b"});
    CHECK(read(odd).error().text ==
          "f.gguf: tokenizer.ggml.merges[0] (a + b) names a piece that tokens does not have");
    test::GgufFile other;
    other.add("tokenizer.ggml.model", "gpt2");
    CHECK(read(other).error().code == Errc::unsupported);
}

#include "carat/text/tokenizer_gguf.hpp"

#include "carat/prompt/chat_variant.hpp"
#include "carat/text/read_file.hpp"
#include "carat/text/tokenizer.hpp"
#include "carat/text/tokenizer_json.hpp"
#include "support/files.hpp"
#include "support/gguf_file.hpp"
#include "support/gguf_tokenizer.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

using namespace carat;

namespace {

test::GgufFile gguf_of(const Vocabulary& v) {
    test::GgufFile file;
    test::add_tokenizer(file, v);
    return file;
}
Vocabulary vocabulary() {
    const std::string path = CARAT_SOURCE_DIR "/tests/fixtures/hf/tokenizer/tokenizer.json";
    const auto text = read_file(path);
    REQUIRE(text);
    auto json = read_tokenizer_json(*text, path);
    REQUIRE_MESSAGE(json, json.error().text);
    return *std::move(json);
}
Result<Vocabulary> read(const test::GgufFile& file) {
    const std::string all = file.bytes();
    const auto head = Gguf::read(std::as_bytes(std::span(all)), "f.gguf");
    REQUIRE_MESSAGE(head, head.error().text);
    return read_tokenizer_gguf(*head, "f.gguf");
}

}  // namespace

TEST_CASE("the tokenizer of a GGUF file is that of the tokenizer.json it was made from") {
    const Vocabulary json = vocabulary();
    const auto gguf = read(gguf_of(json));
    REQUIRE_MESSAGE(gguf, gguf.error().text);
    CHECK(gguf->pieces == json.pieces);
    CHECK(gguf->scores == json.scores);
    CHECK(gguf->merges == json.merges);
    CHECK(gguf->add_bos == json.add_bos);
    CHECK(gguf->types == json.types);
    CHECK(gguf->added.size() == json.added.size());
}

TEST_CASE(
    "with scores for merges the ids are the same, and users spell no added token there either") {
    const Vocabulary json = vocabulary();
    std::vector<std::int32_t> types;
    for (const PieceType t : json.types) types.push_back(static_cast<std::int32_t>(t));
    for (const AddedToken& token : json.added)
        if (auto& type = types[static_cast<std::size_t>(token.id)]; type != 2) type = 4;
    test::GgufFile file;
    file.add("tokenizer.ggml.model", "llama");
    file.add("tokenizer.ggml.tokens", json.pieces);
    file.add("tokenizer.ggml.scores", json.scores);
    file.add("tokenizer.ggml.token_type", types);
    file.add("tokenizer.ggml.add_space_prefix", false);
    const auto gguf = read(file);
    REQUIRE_MESSAGE(gguf, gguf.error().text);
    CHECK(gguf->types == json.types);
    const auto expected = Tokenizer::from_vocabulary(json, "json");
    const auto tokenizer = Tokenizer::from_vocabulary(*gguf, "gguf");
    REQUIRE(expected);
    REQUIRE_MESSAGE(tokenizer, tokenizer.error().text);
    for (const std::string text : {"Hello, world!", "<|turn>model", "a <|image|> <b>\n\n\n"}) {
        CAPTURE(text);
        CHECK(*tokenizer->encode(text) == *expected->encode(text));
        CHECK(*tokenizer->encode(text, {.added_tokens = AddedTokens::none}) ==
              *expected->encode(text, {.added_tokens = AddedTokens::none}));
        const TextRange all{0, text.size()};
        CHECK(*tokenizer->encode(text, {.user_text = {&all, 1}}) ==
              *expected->encode(text, {.user_text = {&all, 1}}));
    }
}

TEST_CASE("a folder of a GGUF file has its tokenizer and its template") {
    const Vocabulary v = vocabulary();
    test::GgufFile file = gguf_of(v);
    file.add("tokenizer.chat_template", "<|channel>thought\\n<channel|>");
    const test::Folder folder("gguf");
    test::write_text(folder / "m.gguf", file.bytes());
    test::write_text(folder / "m.mmproj-f16.gguf", "towers");  // which nobody opens for a text
    const auto expected =
        Tokenizer::open(CARAT_SOURCE_DIR "/tests/fixtures/hf/tokenizer")->encode("Hello, world!");
    const auto tokenizer = Tokenizer::open(folder.path());
    REQUIRE_MESSAGE(tokenizer, tokenizer.error().text);
    CHECK(tokenizer->source() == folder / "m.gguf");
    CHECK(*tokenizer->encode("Hello, world!") == *expected);
    const auto variant = chat_variant(folder.path());
    REQUIRE_MESSAGE(variant, variant.error().text);
    CHECK(*variant == ChatVariant::large);

    // What the folder has itself comes first, and a choice is not made for the caller.
    test::write_text(folder / "chat_template.jinja", "");
    CHECK(*chat_variant(folder.path()) == ChatVariant::small);
    test::write_text(folder / "tokenizer.gguf", gguf_of(v).bytes());
    CHECK(Tokenizer::open(folder.path())->source() == folder / "tokenizer.gguf");
    std::filesystem::remove(folder / "tokenizer.gguf");
    std::filesystem::remove(folder / "chat_template.jinja");
    test::write_text(folder / "n.gguf", file.bytes());
    const std::string several =
        folder.path() + ": there are several .gguf files, m.gguf and n.gguf: name one";
    CHECK(Tokenizer::open(folder.path()).error().text == several);
    CHECK(chat_variant(folder.path()).error().text == several);
    const test::Folder empty("gguf");
    CHECK(Tokenizer::open(empty.path()).error().text ==
          empty.path() +
              ": no tokenizer, expected tokenizer.json, tokenizer.model or a .gguf file");
    CHECK(*chat_variant(empty.path()) == ChatVariant::small);
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

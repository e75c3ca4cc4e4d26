#include "carat/text/tokenizer_json.hpp"

#include "fixture.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

using namespace carat;

namespace {

/// A whole, small tokenizer.json: `<unk>`, the bytes, a, b, ab, and what a test adds.
std::string small(const std::string& merges = R"(["a b"])", const std::string& more_pieces = "",
                  const std::string& more = "") {
    std::string vocab = R"("<unk>":0)";
    for (int b = 0; b < 256; ++b) {
        vocab += ",\"" + byte_piece(static_cast<std::uint8_t>(b)) + "\":" + std::to_string(b + 1);
    }
    vocab += R"(,"a":257,"b":258,"ab":259)" + more_pieces;
    return R"({"normalizer":{"type":"Replace","pattern":{"String":" "},"content":"▁"},)" + more +
           R"("model":{"type":"BPE","byte_fallback":true,"unk_token":"<unk>","vocab":{)" + vocab +
           R"(},"merges":)" + merges + "}}";
}

std::string replaced(std::string text, const std::string& what, const std::string& with) {
    const auto at = text.find(what);
    REQUIRE(at != std::string::npos);
    return text.replace(at, what.size(), with);
}

std::string error_of(const std::string& text) {
    const auto v = read_tokenizer_json(text, "t.json");
    REQUIRE_FALSE(v);
    CHECK(v.error().text.rfind("t.json: ", 0) == 0);
    return v.error().text.substr(8);
}

}  // namespace

TEST_CASE("pieces get the type and the rank that the merges give them") {
    const auto v = read_tokenizer_json(
        small(
            R"([["a","b"],"b a",["a","ba"],["ab","a"]])",
            R"(,"ba":260,"aba":261,"<x>":262,"xyz":263)",
            R"("added_tokens":[{"id":262,"content":"<x>","special":true},{"id":264,"content":"  ","special":false}],)"),
        "t.json");
    REQUIRE_MESSAGE(v, v.error().text);
    REQUIRE(v->pieces.size() == 265);
    CHECK(v->types[0] == PieceType::unknown);
    CHECK(v->types[1] == PieceType::byte);
    CHECK(v->types[257] == PieceType::normal);
    CHECK(v->types[259] == PieceType::normal);
    CHECK(v->scores[260] == -1.0f);
    CHECK(v->scores[261] == -2.0f);  // the lowest rank of the two merges that make it
    CHECK(v->types[262] == PieceType::control);
    CHECK(v->types[263] == PieceType::control);
    CHECK(v->types[264] == PieceType::control);
    CHECK(v->merges.size() == 4);
    REQUIRE(v->added.size() == 2);
    CHECK(v->added[0].special);
    CHECK_FALSE(v->added[1].special);
    CHECK_FALSE(v->add_bos);
}

TEST_CASE("a tokenizer.json that carat cannot follow is an error that names the member") {
    CHECK(read_tokenizer_json(small(), "t.json"));
    CHECK(error_of("{") != "");
    CHECK(error_of("[]") == "model is missing, expected an object");
    CHECK(error_of(replaced(small(), "\"BPE\"", "\"Unigram\"")) ==
          "model.type is Unigram, expected BPE");
    CHECK(error_of(replaced(small(), "byte_fallback\":true", "byte_fallback\":false"))
              .find("byte_fallback") == 6);
    CHECK(
        error_of(replaced(small(), "\"content\":\"▁\"", "\"content\":\"_\"")).find("normalizer") ==
        0);
    CHECK(error_of(small("[\"a b\"]", "", R"("pre_tokenizer":{"type":"ByteLevel"},)"))
              .find("pre_tokenizer") == 0);
    CHECK(error_of(replaced(small(), "\"a\":257", "\"a\":300")).find("piece a has no id") == 0);
    CHECK(error_of(replaced(small(), "\"a\":257", "\"a\":-1")).find("piece a has no id") == 0);
    CHECK(error_of(replaced(small(), "\"a\":257", "\"a\":\"x\"")).find("piece a has no id") == 0);
    CHECK(error_of(replaced(small(), "\"a\":257", "\"a\":258"))
              .find("id 258 belongs to a and to b") == 0);
    CHECK(error_of(replaced(small(), "\"a\":257", "\"b\":257")).find("piece b is there twice") ==
          0);
    CHECK(error_of(replaced(small(), "\"a\":257", "\"\":257"))
              .find("id 257 belongs to an empty piece") == 0);
    CHECK(error_of(replaced(small(), "\"<0x41>\"", "\"A\"")).find("255 byte pieces") == 0);
    CHECK(error_of(replaced(small(), "\"<unk>\":0", "\"unk\":0"))
              .find("0 pieces stand for unknown") == 0);
    CHECK(error_of(small("{}")).find("model.merges is an object") == 0);
    CHECK(error_of(small("[\"ab\"]")).find("model.merges[0] has no space") == 0);
    CHECK(error_of(small("[[\"a\"]]")).find("model.merges[0] is no pair") == 0);
    CHECK(error_of(small("[[\"a\",1]]")).find("model.merges[0] is no pair") == 0);
    CHECK(error_of(small("[\"a b\",\"b b\"]")).find("model.merges[1] (b + b) names a piece") == 0);
    CHECK(error_of(small("[\"\\u001b[2Ja b\"]"))
              .find("model.merges[0] (\\x1b[2Ja + b) names a piece") == 0);
    CHECK(error_of(small("[\"a " + std::string(100'000, 'b') + "\"]")).size() < 300);
    CHECK(error_of(small("[]", "", R"("added_tokens":{},)")).find("added_tokens is an object") ==
          0);
    CHECK(error_of(small("[]", "", R"("added_tokens":[{"id":257,"content":"a"},1],)"))
              .find("added_tokens[1] has no content or no id") == 0);
    CHECK(error_of(small("[]", "", R"("added_tokens":[{"id":258,"content":"a"}],)"))
              .find("added_tokens[0] (a) has the id 258, but model.vocab gives it 257") == 0);
    CHECK(error_of(small("[]", "", R"("added_tokens":[{"id":4000000000,"content":"x"}],)"))
              .find("piece x has no id from 0 to 260, expected") == 0);
}

TEST_CASE("no damage to a tokenizer.json does more than give an error") {
    const std::string whole = file_text("tests/fixtures/hf/tokenizer/tokenizer.json");
    std::mt19937 random(2);
    int accepted = 0;
    for (int i = 0; i < 300; ++i) {
        std::string text = whole;
        for (std::size_t k = random() % 4 + 1; k > 0; --k) {
            text[random() % text.size()] =
                static_cast<char>(static_cast<unsigned char>(random() % 256));
        }
        if (i % 10 == 0) text.resize(random() % text.size());
        const auto t = Tokenizer::from_json(text);
        if (!t) {
            CHECK_FALSE(t.error().text.empty());
            continue;
        }
        ++accepted;
        CHECK(t->encode(random_text(random)));
    }
    CHECK(accepted < 300);
}

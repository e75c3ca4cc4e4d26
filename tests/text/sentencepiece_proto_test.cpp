#include "carat/text/sentencepiece_proto.hpp"

#include "fixture.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <string>

using namespace carat;

namespace {

Vocabulary small() {
    Vocabulary v;
    const auto add = [&](std::string piece, PieceType type, float score = 0) {
        v.pieces.push_back(std::move(piece));
        v.types.push_back(type);
        v.scores.push_back(score);
    };
    add("<unk>", PieceType::unknown);
    for (int b = 0; b < 256; ++b) add(byte_piece(static_cast<std::uint8_t>(b)), PieceType::byte);
    add("a", PieceType::normal);
    add("b", PieceType::normal);
    add("ab", PieceType::normal, -0.5f);
    add("<s>", PieceType::control);
    return v;
}

std::string error_of(const std::string& bytes) {
    const auto v = read_sentencepiece_proto(bytes, "t.model");
    REQUIRE_FALSE(v);
    return v.error().text;
}

}  // namespace

TEST_CASE("what was written reads back") {
    const Vocabulary v = small();
    const auto back = read_sentencepiece_proto(write_sentencepiece_proto(v), "t.model");
    REQUIRE_MESSAGE(back, back.error().text);
    CHECK(back->pieces == v.pieces);
    CHECK(back->scores == v.scores);
    CHECK(back->types == v.types);
    REQUIRE(back->added.size() == 2);  // <unk> and <s>
    CHECK(back->added[1].text == "<s>");
}

TEST_CASE("what sentencepiece would stop the program over is an error") {
    CHECK(error_of("").find("no pieces") != std::string::npos);
    CHECK(error_of("not a model").find("not a sentencepiece model") != std::string::npos);
    const auto broken = [](auto&& change) {
        Vocabulary v = small();
        change(v);
        return error_of(write_sentencepiece_proto(v));
    };
    CHECK(broken([](Vocabulary& v) { v.pieces[257] = "b"; }).find("there twice") !=
          std::string::npos);
    CHECK(broken([](Vocabulary& v) { v.pieces[257] = ""; }).find("no piece has the id 257") !=
          std::string::npos);
    CHECK(broken([](Vocabulary& v) { v.pieces[257] = "\xFF"; }).find("not UTF-8") !=
          std::string::npos);
    CHECK(broken([](Vocabulary& v) {
              v.pieces[257].assign(5000, 'x');
          }).find("5000 bytes, expected at most 4096") != std::string::npos);
    CHECK(broken([](Vocabulary& v) {
              v.types[257] = PieceType::unknown;
          }).find("2 pieces stand for") != std::string::npos);
    CHECK(broken([](Vocabulary& v) { v.types[1] = PieceType::normal; }).find("255 byte pieces") !=
          std::string::npos);
    CHECK(broken([](Vocabulary& v) { v.types[257] = PieceType::byte; }).find("is no byte") !=
          std::string::npos);
    CHECK(broken([](Vocabulary& v) {
              v.types[257] = static_cast<PieceType>(9);
          }).find("broken after") != std::string::npos);
    CHECK(broken([](Vocabulary& v) {
              v.scores[257] = std::numeric_limits<float>::quiet_NaN();
          }).find("score") != std::string::npos);
    // A later field of the same number counts: a normalizer with a dummy prefix, a unigram model.
    const std::string whole = write_sentencepiece_proto(small());
    CHECK(error_of(whole + std::string("\x1A\x02\x18\x01", 4)).find("normalizer") !=
          std::string::npos);
    CHECK(error_of(whole + std::string("\x12\x02\x18\x01", 4)).find("model_type is 1") !=
          std::string::npos);
    CHECK(error_of(whole + std::string("\x12\x03\x98\x02\x00", 5)).find("byte_fallback") !=
          std::string::npos);
}

TEST_CASE("no damage to a model file does more than give an error") {
    const std::string whole = file_text("examples/pocket/tokenizer.model");
    std::mt19937 random(4);
    int accepted = 0;
    for (int i = 0; i < 1000; ++i) {
        std::string bytes = whole;
        for (std::size_t k = random() % 3 + 1; k > 0; --k) {
            bytes[random() % bytes.size()] =
                static_cast<char>(static_cast<unsigned char>(random() % 256));
        }
        if (i % 10 == 0) bytes.resize(random() % bytes.size());
        const auto t = Tokenizer::from_model(bytes);
        if (!t) continue;
        ++accepted;
        CHECK(t->encode(random_text(random)));
    }
    CHECK(accepted > 0);
    CHECK(accepted < 1000);
}

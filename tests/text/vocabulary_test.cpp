#include "carat/text/vocabulary.hpp"

#include <doctest/doctest.h>

using namespace carat;

TEST_CASE("a byte and its piece name each other") {
    for (int b = 0; b < 256; ++b)
        CHECK(byte_of_piece(byte_piece(static_cast<std::uint8_t>(b))) == b);
    CHECK(byte_piece(10) == "<0x0A>");
    for (const char* piece : {"", "<0x0a>", "<0x0G>", "<0x0A>>", "0x0A", "<0X0A>"})
        CHECK_FALSE(byte_of_piece(piece));
}

TEST_CASE("control tokens look special, tags and text do not") {
    for (const char* text : {"<|turn>", "<turn|>", "<|\"|>", "<mask>"}) CHECK(looks_special(text));
    for (const char* text : {"", "<>", "<b>", "</b>", "\n", "<|", "|>", "<unused7>"})
        CHECK_FALSE(looks_special(text));
}

TEST_CASE("an added token must be the piece of its id") {
    Vocabulary v;
    v.pieces = {"<unk>"};
    for (int b = 0; b < 256; ++b) v.pieces.push_back(byte_piece(static_cast<std::uint8_t>(b)));
    v.scores.assign(257, 0.0f);
    v.types.assign(257, PieceType::byte);
    v.types[0] = PieceType::unknown;
    CHECK(check_vocabulary(v, "v"));
    for (const AddedToken& token :
         {AddedToken{"x", 0}, AddedToken{"<unk>", -1}, AddedToken{"<unk>", 257}}) {
        v.added = {AddedToken{"<unk>", 0}, token};
        const auto checked = check_vocabulary(v, "v");
        REQUIRE_FALSE(checked);
        CHECK(checked.error().text.find("v: added token 1 (") == 0);
    }
    for (const std::size_t size : {256u, 257u}) {
        CAPTURE(size);
        v.pieces.emplace_back(size, ' ');
        v.scores.push_back(0.0f);
        v.types.push_back(PieceType::normal);
        v.added = {{v.pieces.back(), static_cast<std::int32_t>(v.pieces.size() - 1)}};
        const auto checked = check_vocabulary(v, "v");
        CHECK(checked.has_value() == (size == 256));
        if (!checked) CHECK(checked.error().text.ends_with("257 bytes, expected at most 256"));
    }
}

TEST_CASE("a vocabulary whose lists differ in length is refused") {
    Vocabulary v;
    v.pieces = {"a", "b"};
    v.scores = {0.0f};
    v.types = {PieceType::normal, PieceType::normal};
    CHECK(check_vocabulary(v, "v").error().text ==
          "v: 2 pieces with 1 scores and 2 types, expected one of each a piece");
    v.scores = {0.0f, 0.0f};
    v.types.pop_back();
    CHECK_FALSE(check_vocabulary(v, "v"));
}

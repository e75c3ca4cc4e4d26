#include "carat/text/tokenizer_config.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace carat;

namespace {

Vocabulary three() {
    Vocabulary v;
    v.pieces = {"<unk>", "<a>", "b"};
    v.scores = {0, 0, 0};
    v.types = {PieceType::unknown, PieceType::control, PieceType::normal};
    v.added = {{"<a>", 1, false}};
    return v;
}

}  // namespace

TEST_CASE("the config says which tokens are special and adds what is missing") {
    Vocabulary v = three();
    REQUIRE(apply_tokenizer_config(v, R"({"add_bos_token": true, "added_tokens_decoder": {
        "4": {"content": "<d>", "special": false}, "3": {"content": "<c>", "special": true},
        "1": {"content": "<a>", "special": false}}})",
                                   "c.json"));
    CHECK(v.add_bos);
    REQUIRE(v.pieces.size() == 5);
    CHECK(v.pieces[4] == "<d>");
    REQUIRE(v.added.size() == 3);
    CHECK_FALSE(v.added[0].special);
    CHECK(v.added[1].special);
    CHECK(v.added[1].id == 3);

    for (const std::string text :
         {R"({"eot_token": "<a>"})", R"({"eot_token": {"content": "<a>"}})",
          R"({"extra_special_tokens": {"x": "<a>"}})", R"({"extra_special_tokens": ["<a>"]})",
          R"({"additional_special_tokens": ["<z>", 1, "<a>"]})"}) {
        v = three();
        REQUIRE(apply_tokenizer_config(v, text, "c.json"));
        CHECK(v.added.size() == 1);
        CHECK(v.added[0].special);
    }
    v = three();
    REQUIRE(apply_tokenizer_config(v, R"({"unk_token": "<unk>"})", "c.json"));
    REQUIRE(v.added.size() == 2);
    CHECK(v.added[1].id == 0);
}

TEST_CASE("a config that contradicts the vocabulary is an error") {
    for (const std::string text :
         {R"({"added_tokens_decoder": {"1": {"content": "<b>"}}})",
          R"({"added_tokens_decoder": {"4": {"content": "<b>"}}})",
          R"({"added_tokens_decoder": {"-1": {"content": "<b>"}}})",
          R"({"added_tokens_decoder": {"1x": {"content": "<b>"}}})",
          R"({"added_tokens_decoder": {"1": 5}})",
          R"({"added_tokens_decoder": {"3": {"content": "b"}}})", "[]", "{"}) {
        Vocabulary v = three();
        CAPTURE(text);
        const auto done = apply_tokenizer_config(v, text, "c.json");
        REQUIRE_FALSE(done);
        CHECK(done.error().text.find("c.json: ") == 0);
    }
    Vocabulary v = three();
    const auto done = apply_tokenizer_config(
        v, R"({"added_tokens_decoder": {"1": {"content": "\u001b[2J"}}})", "c.json");
    CHECK(done.error().text == "c.json: added_tokens_decoder.1 is \\x1b[2J, but that id is <a>");
}

TEST_CASE("an added token is no longer than in a tokenizer's own file") {
    const std::string most(max_added_token_bytes, 'x'), longer = most + 'x';
    const std::string decoder = R"({"added_tokens_decoder": {"3": {"content": ")";
    Vocabulary v = three();
    CHECK(apply_tokenizer_config(v, decoder + most + R"("}}})", "c.json"));
    v = three();
    const auto added = apply_tokenizer_config(v, decoder + longer + R"("}}})", "c.json");
    REQUIRE_FALSE(added);
    CHECK(added.error().code == Errc::bad_format);
    CHECK(added.error().text.starts_with("c.json: added token 1 (xxx"));
    CHECK(added.error().text.ends_with(") has 257 bytes, expected at most 256"));
    v = three();
    v.pieces[2] = longer;  // a long piece may be there, but not as an added token
    CHECK(apply_tokenizer_config(v, "{}", "c.json"));
    CHECK_FALSE(apply_tokenizer_config(v, R"({"eot_token": ")" + longer + R"("})", "c.json"));
}

TEST_CASE("fifty thousand names of tokens are looked up, not compared with each other") {
    Vocabulary v = three();
    for (int i = 0; i < 50'000; ++i) {
        v.pieces.push_back("p" + std::to_string(i));
        v.scores.push_back(0);
        v.types.push_back(PieceType::normal);
    }
    std::string decoder, names;
    for (int i = 0; i < 50'000; ++i) {
        const std::string n = std::to_string(i);
        decoder += (i > 0 ? ",\"" : "\"") + std::to_string(50'003 + i) + R"(":{"content":"d)" + n +
                   R"("})";
        names += (i > 0 ? ",\"x" : "\"x") + n + '"';
    }
    REQUIRE(apply_tokenizer_config(
        v,
        R"({"added_tokens_decoder":{)" + decoder + R"(},"extra_special_tokens":[)" + names + "]}",
        "c.json"));
    CHECK(v.pieces.size() == 100'003);
    CHECK(v.added.size() == 50'001);
}

#include "carat/text/tokenizer.hpp"

#include "fixture.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

using namespace carat;

static_assert(std::is_nothrow_move_constructible_v<Tokenizer>);
static_assert(!std::is_copy_constructible_v<Tokenizer>);

namespace {

using Ids = std::vector<std::int32_t>;

Ids encode(const Tokenizer& t, std::string_view text, EncodeOptions options = {}) {
    auto ids = t.encode(text, options);
    REQUIRE_MESSAGE(ids, ids.error().text);
    return *std::move(ids);
}

std::string decode(const Tokenizer& t, const Ids& ids, DecodeOptions options = {}) {
    auto text = t.decode(ids, options);
    REQUIRE_MESSAGE(text, text.error().text);
    return *std::move(text);
}

}  // namespace

TEST_CASE("ids and text are those of the reference tokenizer") {
    const auto t = Tokenizer::open(source_path("tests/fixtures/hf/tokenizer"));
    REQUIRE_MESSAGE(t, t.error().text);
    CHECK(t->adds_bos());
    const Json cases = json_file("tests/fixtures/hf/tokenizer/tokenizer_expected.json");
    REQUIRE(cases.Size() > 10);
    for (const auto& c : json::elements(cases)) {
        const std::string text = text_of(c, "text");
        CAPTURE(text);
        CHECK(encode(*t, text, {.add_bos = true}) == ids_of(c, "ids"));
        CHECK(encode(*t, text) == ids_of(c, "ids_no_special"));
        CHECK(decode(*t, ids_of(c, "ids")) == text_of(c, "decoded"));
        CHECK(decode(*t, ids_of(c, "ids"), {.skip_special = true}) == text_of(c, "decoded_skip"));
    }
}

TEST_CASE("prompts and answers of pocket have the ids they were recorded with") {
    const Json records = json_file("examples/pocket/expected.json");
    const Tokenizer& t = pocket_tokenizer();
    int prompts = 0;
    for (const auto& record : json::elements(records)) {
        for (const auto& step : json::elements(json::find(record, "steps"))) {
            const std::string prompt = text_of(step, "prompt");
            CAPTURE(prompt);
            Ids ids = ids_of(step, "output_ids");
            std::string answer = decode(t, ids);
            if (answer.ends_with("<turn|>")) answer.resize(answer.size() - 7);
            CHECK(answer == text_of(step, "output_text"));
            if (!json::elements(json::find(step, "soft_tokens")).empty()) continue;
            CHECK(encode(t, prompt) == ids_of(step, "input_ids"));
            ++prompts;
        }
    }
    CHECK(prompts >= 20);
}

TEST_CASE("tokenizer.json and tokenizer.model of one model give the same ids") {
    const Tokenizer& json = pocket_tokenizer();
    const auto model = Tokenizer::from_model(file_text("examples/pocket/tokenizer.model"));
    REQUIRE_MESSAGE(model, model.error().text);
    REQUIRE(json.vocab_size() == model->vocab_size());
    CHECK(json.source().ends_with("tokenizer.json"));
    CHECK(model->source() == "tokenizer.model");
    for (std::int32_t id = 0; id < json.vocab_size(); ++id) {
        CHECK(json.piece(id) == model->piece(id));
        CHECK(json.is_special(id) == model->is_special(id));
        CHECK(json.id_of(json.piece(id)) == id);
    }
    std::mt19937 random(7);
    for (int i = 0; i < 2000; ++i) {
        const std::string text =
            random_text(random) + (i % 3 == 0 ? "<|turn>" : "") + random_text(random);
        CAPTURE(text);
        CHECK(encode(json, text) == encode(*model, text));
        CHECK(encode(json, text, {.added_tokens = AddedTokens::none}) ==
              encode(*model, text, {.added_tokens = AddedTokens::none}));
    }
}

TEST_CASE("decoding takes encoding back") {
    const Tokenizer& t = pocket_tokenizer();
    std::mt19937 random(11);
    for (int i = 0; i < 2000; ++i) {
        std::string text = random_text(random, true);
        for (const auto which : {AddedTokens::all, AddedTokens::ordinary, AddedTokens::none}) {
            std::string expected;
            for (std::string_view rest = text;
                 !rest.empty();) {  // U+2581 and space are one to the tokenizer
                const bool space = rest.starts_with("\xE2\x96\x81");
                expected += space ? ' ' : rest[0];
                rest.remove_prefix(space ? 3 : 1);
            }
            CHECK(decode(t, encode(t, text, {.added_tokens = which})) == expected);
        }
    }
    CHECK(decode(t, encode(t,
                           "a\xFF"
                           "b")) ==
          "a\xEF\xBF\xBD"
          "b");
    CHECK(encode(t, "").empty());
}

TEST_CASE("special tokens are recognised only where they may be") {
    const Tokenizer& t = pocket_tokenizer();
    const auto turn = t.id_of("<|turn>");
    REQUIRE(turn);
    const std::string text = "<|turn>user\nSay <|turn>user<turn|>\n";
    const auto count = [&](const Ids& ids) { return std::count(ids.begin(), ids.end(), *turn); };
    CHECK(count(encode(t, text)) == 2);
    CHECK(count(encode(t, text, {.added_tokens = AddedTokens::ordinary})) == 0);
    CHECK(count(encode(t, text, {.added_tokens = AddedTokens::none})) == 0);
    const std::vector<TextRange> user = {{12, 27}};
    const Ids ids = encode(t, text, {.user_text = user});
    CHECK(count(ids) == 1);
    CHECK(ids.front() == *turn);
    CHECK(ids[ids.size() - 2] == t.id_of("<turn|>"));
    CHECK(decode(t, ids) == text);
    // A token that only begins or ends in user text is none either.
    for (const TextRange r : {TextRange{0, 1}, TextRange{6, 8}, TextRange{3, 4}}) {
        CHECK(count(encode(t, "<|turn>x", {.user_text = std::vector{r}})) == 0);
    }
    CHECK(count(encode(t, "<|turn>x", {.user_text = std::vector{TextRange{7, 8}}})) == 1);
}

TEST_CASE("merging makes no special token, be it a single character or what a merge gives") {
    Vocabulary v;
    const auto add = [&](const std::string& piece, PieceType type) {
        v.pieces.push_back(piece);
        v.types.push_back(type);
        v.scores.push_back(0.0f);
    };
    add("<unk>", PieceType::unknown);
    for (int b = 0; b < 256; ++b) add(byte_piece(static_cast<std::uint8_t>(b)), PieceType::byte);
    for (const char* piece : {"a", "b", "ab", "c"}) add(piece, PieceType::normal);
    const std::int32_t ab = 259, c = 260;
    const Ids bytes{1 + 'a', 1 + 'b', 1 + 'c'};
    const std::vector<TextRange> user{{0, 3}};
    const auto plain = Tokenizer::from_vocabulary(v, "test");
    REQUIRE_MESSAGE(plain, plain.error().text);
    CHECK(encode(*plain, "abc", {.user_text = user}) == Ids{ab, c});

    v.added = {{"ab", ab, true}, {"c", c, true}};
    const auto t = Tokenizer::from_vocabulary(v, "test");
    REQUIRE_MESSAGE(t, t.error().text);
    CHECK(encode(*t, "abc") == Ids{ab, c});
    CHECK(encode(*t, "abc", {.user_text = user}) == bytes);
    CHECK(encode(*t, "abc", {.added_tokens = AddedTokens::none}) == bytes);
    CHECK(decode(*t, bytes) == "abc");

    v.pieces[static_cast<std::size_t>(c)] = v.added[1].text = "\xE2\x96\x81";  // U+2581, a space
    const auto spaced = Tokenizer::from_vocabulary(v, "test");
    REQUIRE_MESSAGE(spaced, spaced.error().text);
    CHECK(encode(*spaced, "a b", {.user_text = user}) == Ids{257, 1 + ' ', 258});
}

TEST_CASE("marking user text changes no id where it spells no special token") {
    const Tokenizer& t = pocket_tokenizer();
    std::mt19937 random(5);
    for (int i = 0; i < 2000; ++i) {
        std::string text = "<bos>" + random_text(random);
        const std::size_t begin = text.size();
        text += random_text(random);
        const std::size_t end = text.size();
        text += "<turn|>\n";
        if (text.find("<|turn>") != std::string::npos) continue;
        const std::vector<TextRange> user = {
            {begin, begin}, {begin, (begin + end) / 2}, {(begin + end) / 2, end}};
        CHECK(encode(t, text, {.user_text = user}) == encode(t, text));
    }
}

TEST_CASE("a wrong call is an error with a reason") {
    const Tokenizer& t = pocket_tokenizer();
    for (const std::int32_t id : {-1, t.vocab_size(), INT32_MIN, INT32_MAX}) {
        const auto text = t.decode(Ids{2, id});
        REQUIRE_FALSE(text);
        CHECK(text.error().code == Errc::out_of_range);
        CHECK(text.error().text.find("token id " + std::to_string(id) + ", expected 0 to 2047") ==
              0);
        CHECK(t.piece(id).empty());
        CHECK_FALSE(t.is_special(id));
    }
    CHECK_FALSE(t.id_of("no such piece"));
    CHECK_FALSE(t.id_of(""));
    for (const auto& ranges : {std::vector<TextRange>{{0, 9}}, {{2, 1}}, {{1, 3}, {2, 3}}}) {
        const auto ids = t.encode("abc", {.user_text = ranges});
        REQUIRE_FALSE(ids);
        CHECK(ids.error().code == Errc::invalid_argument);
    }
    const auto none = Tokenizer::open(source_path("tests/no such folder"));
    REQUIRE_FALSE(none);
    CHECK(none.error().text.find("expected tokenizer.json, tokenizer.model or a .gguf file") !=
          std::string::npos);
}

TEST_CASE("a folder opens by what it holds") {
    for (const char* name : {"e2b-mini", "e4b-mini", "31b-mini", "a4b-mini"}) {
        const auto t = Tokenizer::open(source_path("tests/fixtures/hf/") + name);
        REQUIRE_MESSAGE(t, t.error().text);
        CHECK(t->id_of("<bos>") == 2);
    }
    namespace fs = std::filesystem;
    const fs::path folder = fs::temp_directory_path() / "carat_tokenizer_test";
    fs::create_directories(folder);
    const auto write = [&](const char* name, const std::string& text) {
        std::ofstream(folder / name, std::ios::binary) << text;
    };
    write("tokenizer.model", file_text("examples/pocket/tokenizer.model"));
    write("tokenizer_config.json", file_text("examples/pocket/tokenizer_config.json"));
    const auto t = Tokenizer::open(folder.string());
    REQUIRE_MESSAGE(t, t.error().text);
    CHECK(t->source().ends_with("tokenizer.model"));
    CHECK(t->added_tokens().size() == pocket_tokenizer().added_tokens().size());
    for (std::int32_t id = 0; id < t->vocab_size(); ++id) {
        CHECK(t->is_special(id) == pocket_tokenizer().is_special(id));
    }
    write("tokenizer_config.json", "{");
    CHECK(Tokenizer::open(folder.string()).error().text.find("tokenizer_config.json: line 1") !=
          std::string::npos);
    write("tokenizer.json", "{}");  // preferred, though broken
    CHECK(Tokenizer::open(folder.string()).error().text.find("tokenizer.json: model is missing") !=
          std::string::npos);
    fs::remove_all(folder);
}

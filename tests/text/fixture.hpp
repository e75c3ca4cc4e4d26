// What the tests of the text room share: files of the repository, and random text.
#pragma once

#include "carat/format/json.hpp"
#include "carat/text/read_file.hpp"
#include "carat/text/tokenizer.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <random>
#include <string>
#include <vector>

inline std::string source_path(const std::string& name) { return CARAT_SOURCE_DIR "/" + name; }

inline std::string file_text(const std::string& name) {
    auto text = carat::read_file(source_path(name));
    REQUIRE_MESSAGE(text, name);
    return *std::move(text);
}

inline carat::Json json_file(const std::string& name) {
    auto tree = carat::parse_json(file_text(name), name);
    REQUIRE_MESSAGE(tree, name);
    return *std::move(tree);
}

inline std::string text_of(const carat::JsonValue& object, const char* key) {
    const auto text = carat::json::string(carat::json::find(object, key));
    REQUIRE_MESSAGE(text, key);
    return std::string(*text);
}

inline std::vector<std::int32_t> ids_of(const carat::JsonValue& object, const char* key) {
    std::vector<std::int32_t> ids;
    for (const auto& id : carat::json::elements(carat::json::find(object, key)))
        ids.push_back(id.GetInt());
    return ids;
}

inline const carat::Tokenizer& pocket_tokenizer() {
    static const auto tokenizer = [] {
        auto t = carat::Tokenizer::open(source_path("examples/pocket"));
        REQUIRE_MESSAGE(t, t.error().text);
        return *std::move(t);
    }();
    return tokenizer;
}

/// Text of parts that tokenizers trip over: runs, spaces, rare characters, control tokens, and
/// bytes that are none.
inline std::string random_text(std::mt19937& random, bool only_valid = false) {
    static const std::vector<std::string> parts = {"a",
                                                   "e",
                                                   "the",
                                                   " the",
                                                   " ",
                                                   "  ",
                                                   "\n",
                                                   "\n\n",
                                                   "\t",
                                                   "aaaa",
                                                   "er",
                                                   "in",
                                                   "tion",
                                                   "Th",
                                                   ".",
                                                   ", ",
                                                   "0",
                                                   "12",
                                                   "9",
                                                   "\xC3\xA9",
                                                   "e\xCC\x81",
                                                   "\xE6\x9D\xB1",
                                                   "\xF0\x9F\x99\x82",
                                                   "\xE2\x96\x81",
                                                   "<0x41>",
                                                   "<",
                                                   "|",
                                                   ">",
                                                   "turn",
                                                   "<|turn",
                                                   "What is",
                                                   "weather",
                                                   "-",
                                                   "'",
                                                   "\"",
                                                   "Z",
                                                   "q",
                                                   "\xEF\xBF\xBD",
                                                   "<unused7>",
                                                   "hello"};
    static const std::vector<std::string> odd = {"\xFF", "\x80", "\xE2\x82", "\xF0\x9F",
                                                 std::string(1, '\0')};
    std::string text;
    const auto count = random() % 24;
    for (std::size_t i = 0; i < count; ++i) {
        const bool strange = !only_valid && random() % 12 == 0;
        const auto& from = strange ? odd : parts;
        text += from[random() % from.size()];
    }
    return text;
}

#include "carat/prompt/chat_variant.hpp"

#include "text/fixture.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <string>

using namespace carat;

TEST_CASE("a template that puts an empty thought somewhere is large") {
    for (const std::string text : {"<|channel>thought\n<channel|>",
                                   R"({{ '<|turn>model\n' ~ '<|channel>thought\n<channel|>' }})",
                                   R"({{- "<|channel>thought\n" ~ "<channel|>" -}})",
                                   R"({{ '<|channel>thought' }}{{ '\n' + '<channel|>' }})"}) {
        CHECK(chat_variant_of_template(text) == ChatVariant::large);
    }
    for (const std::string text :
         {"", "<|turn>model\n", R"({{ '<|channel>thought\n' ~ why ~ '\n<channel|>' }})",
          "<|channel>thought\n", "<channel|><|channel>thought\n"}) {
        CHECK(chat_variant_of_template(text) == ChatVariant::small);
    }
}

TEST_CASE("the variant of a folder is that of its template, small without one") {
    CHECK(*chat_variant(source_path("examples/pocket")) == ChatVariant::large);
    CHECK(*chat_variant(source_path("tests/fixtures/hf/e2b-mini")) == ChatVariant::small);
    CHECK(*chat_variant(source_path("tests/fixtures")) == ChatVariant::small);
    CHECK_FALSE(chat_variant(source_path("no such folder")));
}

TEST_CASE("a template inside of tokenizer_config.json counts where there is no file") {
    const auto folder = std::filesystem::temp_directory_path() / "carat_chat_variant_test";
    std::filesystem::create_directories(folder);
    const auto variant_with = [&](const std::string& config) {
        std::ofstream(folder / "tokenizer_config.json") << config;
        return chat_variant(folder.string());
    };
    CHECK(*variant_with(R"({"chat_template":"<|channel>thought\n<channel|>"})") ==
          ChatVariant::large);
    CHECK(*variant_with(R"({"chat_template":"x"})") == ChatVariant::small);
    CHECK(
        *variant_with(
            R"({"chat_template":[{"name":"a","template":"x"},{"template":"<|channel>thought\\n<channel|>"}]})") ==
        ChatVariant::large);
    CHECK(*variant_with("{}") == ChatVariant::small);
    CHECK_FALSE(variant_with("{"));
    std::filesystem::remove_all(folder);
}

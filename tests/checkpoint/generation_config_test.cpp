#include "carat/checkpoint/config/generation_config.hpp"

#include "support/files.hpp"

#include <doctest/doctest.h>

using namespace carat;
using namespace carat::test;

namespace {

std::string error_of(const std::string& json) {
    const auto config = read_generation_config(json, "g");
    return config ? "no error" : config.error().text;
}

}  // namespace

TEST_CASE("the files of the fixtures and of the pocket model are read") {
    const auto mini = read_generation_config_file(fixtures + "e2b-mini");
    REQUIRE(mini);
    GenerationConfig expected;
    expected.eos_token_ids = {1, 6};
    CHECK(*mini == expected);
    const auto small = read_generation_config_file(pocket);
    REQUIRE(small);
    CHECK_FALSE(small->do_sample);
    CHECK(small->eos_token_ids == std::vector<std::int32_t>{1, 5, 13});
    CHECK(small->top_k == 50);
    CHECK(small->top_p == 1.0);
}

TEST_CASE("a folder without the file has the defaults of a base model") {
    const auto none = read_generation_config_file(fixtures + "processor");
    REQUIRE(none);
    CHECK(*none == GenerationConfig{});
}

TEST_CASE("every key is read") {
    const auto c = read_generation_config(
        R"({"do_sample":true,"temperature":2,"top_k":0,"top_p":0.5,"min_p":0.1,)"
        R"("repetition_penalty":1.2,"eos_token_id":7,"bos_token_id":8,"pad_token_id":9,)"
        R"("suppress_tokens":[258883,258882],"num_assistant_tokens":5,"max_length":[]})",
        "g");
    REQUIRE(c);
    CHECK(*c == GenerationConfig{true, 2.0, 0, 0.5, 0.1, 1.2, {7}, 8, 9, {258883, 258882}, 5});
}

TEST_CASE("numbers out of range and values of the wrong type are named, all at once") {
    CHECK(contains(error_of(R"({"do_sample":true,"temperature":0})"),
                   "g: temperature is 0, expected a number greater than 0"));
    CHECK(error_of(R"({"temperature":0})") == "no error");
    CHECK(error_of(R"({"top_p":null,"suppress_tokens":null,"eos_token_id":null})") == "no error");
    CHECK(error_of(R"({"top_p":1.5,"min_p":-0.5,"top_k":-1,"repetition_penalty":0})") ==
          "g: top_k is -1, expected a whole number from 0 to 2147483647\n"
          "g: repetition_penalty is 0, expected a number greater than 0\n"
          "g: top_p is 1.5, expected a number greater than 0 and at most 1\n"
          "g: min_p is -0.5, expected a number from 0 to 1");
    CHECK(contains(error_of(R"({"temperature":-1})"), "temperature is -1"));
    CHECK(contains(error_of(R"({"top_p":0})"), "top_p is 0"));
    for (const char* key :
         {"do_sample", "temperature", "top_k", "top_p", "min_p", "repetition_penalty",
          "eos_token_id", "bos_token_id", "pad_token_id", "suppress_tokens"})
        for (const char* value : {"\"x\"", "[[]]", "{}", "[-1]", "[1.5]", "[4294967296]"}) {
            const std::string text = error_of("{\"" + std::string(key) + "\":" + value + "}");
            CHECK_MESSAGE(contains(text, "g: " + std::string(key)), text);
        }
    std::string many = "0";
    for (int i = 0; i < 300; ++i) many += ",0";
    CHECK(contains(error_of("{\"eos_token_id\":[" + many + "]}"), "at most 256 token ids"));
    CHECK(contains(error_of("[]"), "expected an object"));
    CHECK(contains(error_of("{\"temperature\":NaN}"), "not JSON"));
}

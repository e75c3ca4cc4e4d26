#include "carat/prompt/chat_text.hpp"

#include <doctest/doctest.h>

using namespace carat;

TEST_CASE("thoughts are stripped, closed or not") {
    CHECK(strip_thinking("a") == "a");
    CHECK(strip_thinking("<|channel>thought\nx<channel|> a ") == "a");
    CHECK(strip_thinking("a<|channel>x<channel|>b<|channel>y<channel|>c") == "abc");
    CHECK(strip_thinking("a<channel|>b") == "ab");
    CHECK(strip_thinking("a<|channel>b<|channel>c<channel|>d") == "ad");
    CHECK(strip_thinking("a<|channel>b") == "a");
    CHECK(strip_thinking("").empty());
}

TEST_CASE("media have placeholders, other parts none") {
    CHECK(media_placeholder("image") == "<|image|>");
    CHECK(media_placeholder("image_url") == "<|image|>");
    CHECK(media_placeholder("audio") == "<|audio|>");
    CHECK(media_placeholder("input_audio") == "<|audio|>");
    CHECK(media_placeholder("video") == "<|video|>");
    CHECK(media_placeholder("text").empty());
}

TEST_CASE("a prompt that ends in an open thought says so") {
    CHECK(starts_in_thought("x<|channel>thought\n"));
    CHECK_FALSE(starts_in_thought("x<|channel>thought\n<channel|>"));
    CHECK_FALSE(starts_in_thought(""));
}

#include "carat/text/stream.hpp"

#include "fixture.hpp"

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <vector>

using namespace carat;

TEST_CASE("streamed parts are whole characters and add up to what decode says") {
    const Tokenizer& t = pocket_tokenizer();
    std::mt19937 random(1);
    const auto byte = [&](int b) { return *t.id_of(byte_piece(static_cast<std::uint8_t>(b))); };
    for (int i = 0; i < 3000; ++i) {
        std::vector<std::int32_t> ids;
        for (std::size_t k = random() % 30; k > 0; --k) {
            const auto kind = random() % 4;
            if (kind == 0) {
                for (const int b : {0xE2, 0x82, 0xAC}) ids.push_back(byte(b));  // a euro sign
            } else if (kind == 1) {
                ids.push_back(byte(static_cast<int>(random() % 256)));
            } else {
                ids.push_back(static_cast<std::int32_t>(random() % 2048));
            }
        }
        const DecodeOptions options{.skip_special = i % 2 == 0};
        TextStream stream(t, options);
        std::string joined;
        for (const auto id : ids) {
            const auto part = stream.push(id);
            REQUIRE(part);
            CHECK(unicode::is_valid(*part));
            joined += *part;
        }
        joined += stream.finish();
        CHECK(joined == *t.decode(ids, options));
        CHECK(stream.finish().empty());
    }
}

TEST_CASE("a run of bytes is text as a whole or not at all") {
    const Tokenizer& t = pocket_tokenizer();
    const auto id = [&](const char* piece) { return *t.id_of(piece); };
    TextStream stream(t);
    CHECK(stream.push(id("<0xE2>"))->empty());
    CHECK(stream.push(id("<0x82>"))->empty());
    CHECK(stream.push(id("<0xAC>"))->empty());
    CHECK(*stream.push(id("a")) ==
          "\xE2\x82\xAC"
          "a");
    CHECK(stream.push(id("<0x41>"))->empty());
    CHECK(stream.push(id("<0xFF>"))->empty());
    CHECK_FALSE(stream.push(-1));
    CHECK(*stream.push(id("a")) ==
          "\xEF\xBF\xBD\xEF\xBF\xBD"
          "a");
    CHECK(stream.push(id("<0xE2>"))->empty());
    CHECK(stream.finish() == "\xEF\xBF\xBD");
}

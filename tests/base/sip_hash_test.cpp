#include "carat/base/sip_hash.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>

namespace carat::test {
namespace {

TEST_CASE("SipHash-2-4 is what its authors' test vectors say") {
    std::string text;
    for (char c = 0; c < 64; ++c) text += c;
    const auto hash = [&](std::size_t bytes) {
        return sip_hash({0x0706'0504'0302'0100, 0x0f0e'0d0c'0b0a'0908},
                        std::string_view(text).substr(0, bytes));
    };
    CHECK(hash(0) == 0x726f'db47'dd0e'0e31);
    CHECK(hash(1) == 0x74f8'39c5'93dc'67fd);
    CHECK(hash(8) == 0x93f5'f579'9a93'2462);
    CHECK(hash(15) == 0xa129'ca61'49be'45e5);
    CHECK(hash(63) == 0x958a'324c'eb06'4572);
}
TEST_CASE("a keyed hash tells texts and numbers apart, and finds them again") {
    const KeyedHash hash;
    std::unordered_set<std::size_t> seen;
    for (std::uint64_t i = 0; i < 1000; ++i) {
        seen.insert(hash(i << 32));
        seen.insert(hash(std::to_string(i)));
    }
    CHECK(seen.size() == 2000);
    CHECK(hash(std::string("x")) == hash(std::string_view("x")));
    CHECK(hash(std::int32_t{-1}) == hash(std::int32_t{-1}));
}

}  // namespace
}  // namespace carat::test

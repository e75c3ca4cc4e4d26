#include "carat/base/joined.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <string_view>

using namespace carat;

TEST_CASE("texts are joined from words and numbers") {
    const std::string name = "q_proj";
    CHECK(joined({}) == "");
    CHECK(joined({"layer ", 3u, " of ", name, std::string_view(": none")}) ==
          "layer 3 of q_proj: none");
    CHECK(joined({UINT64_MAX, "", std::uint8_t{7}}) == "184467440737095516157");
    CHECK(joined({std::string_view("a\0b", 3)}).size() == 3);
}

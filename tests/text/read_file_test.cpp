#include "carat/text/read_file.hpp"

#include "fixture.hpp"

#include <doctest/doctest.h>

using namespace carat;

TEST_CASE("a file is read whole or not at all, and the error names it") {
    const std::string path = source_path("examples/pocket/generation_config.json");
    const auto text = read_file(path);
    REQUIRE(text);
    CHECK(text->size() > 10);
    CHECK(read_file(path, text->size()));
    const auto large = read_file(path, text->size() - 1);
    REQUIRE_FALSE(large);
    CHECK(large.error().code == Errc::out_of_range);
    for (const std::string& bad :
         {source_path("no such file"), source_path("examples"), std::string()}) {
        const auto none = read_file(bad);
        REQUIRE_FALSE(none);
        CHECK(none.error().code == Errc::io);
        CHECK(none.error().text.find(bad + ": ") == 0);
    }
    CHECK(path_in("a", "b") == "a/b");
    CHECK(path_in("a/", "b") == "a/b");
    CHECK(path_in("", "b") == "b");
}

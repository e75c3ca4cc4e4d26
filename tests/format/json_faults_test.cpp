// The system refuses memory while JSON is read or written.
#include "carat/format/json.hpp"
#include "carat/format/json_writer.hpp"
#include "support/faults.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <string>

#if defined(__cpp_exceptions)
namespace carat::test {
namespace {

std::string list_of(std::size_t n) {
    std::string text = "[0";
    for (std::size_t i = 1; i < n; ++i) text += i % 3 == 0 ? ",0" : ",{\"a\":[\"b\"]}";
    return text + "]";
}

}  // namespace

TEST_CASE("whichever allocation fails while JSON is read, it is an error that says of what") {
    const std::string text = list_of(5000);
    CHECK(fail_until_good([&] {
              auto tree = parse_json(text, "x.json");
              allocations_left = never;  // the test's own
              if (!tree && tree.error().text != "out of memory")
                  CHECK(tree.error().text == "x.json: out of memory");
              return tree;
          }) > 10);
    allocations_left = 0;
    const auto none = parse_json(text, "x.json");
    allocations_left = never;
    REQUIRE_FALSE(none);
    CHECK(none.error().text == "out of memory");
}

TEST_CASE("whichever allocation fails while JSON is written, it is std::bad_alloc") {
    const auto tree = parse_json(list_of(100), "x.json");
    REQUIRE(tree);
    CHECK(fail_until_good([&] {
              return memory_errors([&]() -> Result<std::size_t> {
                  JsonWriter w;
                  return w.value(*tree).text().size();
              });
          }) > 1);
}

#if defined(__unix__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && \
    !defined(CARAT_EMULATED)
TEST_CASE("a tree that the address space has no room for is an error") {
    const std::string text = list_of(2'000'000);
    CHECK(in_child([&] {
              if (!spare_address_space(std::size_t{16} << 20)) return 2;
              const auto tree = parse_json(text, "x.json");
              if (tree) return 3;
              return tree.error().code == Errc::out_of_memory ? 0 : 4;
          }) == 0);
}
#endif

}  // namespace carat::test
#endif

#include "carat/checkpoint/mapped_table.hpp"

#include "support/files.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <span>
#include <vector>

using namespace carat;
using namespace carat::test;

TEST_CASE("a table is known to lie in a file, or not to") {
    const auto files = CheckpointFiles::open(pocket);
    REQUIRE_MESSAGE(files, files.error().text);
    const std::span<const std::byte> all = files->files().front().map.bytes();
    const auto in_file = [&](std::span<const std::byte> bytes) {
        MappedTable table;
        table.find(*files, bytes);
        return table.in_file();
    };
    CHECK(in_file(all));
    CHECK(in_file(all.subspan(100, 50)));
    CHECK(in_file(all.last(1)));
    const std::vector<std::byte> elsewhere(50);
    CHECK_FALSE(in_file(elsewhere));
    CHECK_FALSE(MappedTable().in_file());
}

TEST_CASE("a table whose pages have gone reads the same") {
    const auto files = CheckpointFiles::open(pocket);
    REQUIRE(files);
    const std::span<const std::byte> all = files->files().front().map.bytes();
    const std::vector<std::byte> before(all.begin(), all.end());
    MappedTable table;
    table.find(*files, all);
    for (std::size_t row = 0; row < 3 * MappedTable::rows_kept; ++row)
        MappedTable::rows_read(&table, 1);
    CHECK(std::vector<std::byte>(all.begin(), all.end()) == before);
}

TEST_CASE("rows that are kept take whole pieces of what the system maps at once") {
    CHECK(MappedTable::bytes_kept(1) == MappedTable::rows_kept * 65536);
    CHECK(MappedTable::bytes_kept(65536) == MappedTable::rows_kept * 65536);
    CHECK(MappedTable::bytes_kept(65537) == MappedTable::rows_kept * 131072);
}

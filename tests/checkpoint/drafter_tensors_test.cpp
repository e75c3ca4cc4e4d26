#include "carat/checkpoint/tensors/drafter_tensors.hpp"

#include "carat/checkpoint/safetensors_writer.hpp"
#include "support/files.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace carat::test {
namespace {

/// A file with this token_ordering, and a matrix whose rows tell their number.
template <class T>
CheckpointFiles file_with(const Folder& folder, std::vector<std::size_t> shape,
                          std::vector<T> order) {
    SafetensorsWriter out;
    if (!order.empty()) REQUIRE(out.add("masked_embedding.token_ordering", shape, order));
    std::vector<float> rows(4 * 32);
    for (std::size_t i = 0; i < rows.size(); ++i)
        rows[i] = static_cast<float>(i / 32) + (i % 32 == 5 ? 0.5f : 0.0f);
    REQUIRE(out.add("rows", {4, 32}, rows));
    const std::string path = folder / "model.safetensors";
    REQUIRE(out.write(path));
    auto files = CheckpointFiles::open(path);
    REQUIRE(files);
    return std::move(*files);
}
template <class T>
std::string fault(std::vector<T> order, std::vector<std::size_t> shape = {4}) {
    const Folder folder("ordering");
    const auto files = file_with(folder, std::move(shape), std::move(order));
    const auto read = read_token_ordering(files, 4);
    return read ? std::string() : read.error().text;
}
using Wide = std::vector<std::int64_t>;
using Narrow = std::vector<std::int32_t>;

}  // namespace

TEST_CASE("the order of a centroid head is read of either width, flat or by centroid") {
    const Folder folder("ordering");
    const std::vector<std::int32_t> expected{2, 0, 3, 1};
    for (const std::vector<std::size_t>& shape :
         {std::vector<std::size_t>{4}, std::vector<std::size_t>{2, 2}}) {
        const auto wide = read_token_ordering(file_with(folder, shape, Wide{2, 0, 3, 1}), 4);
        REQUIRE(wide);
        CHECK(*wide == expected);
        const auto narrow = read_token_ordering(file_with(folder, shape, Narrow{2, 0, 3, 1}), 4);
        REQUIRE(narrow);
        CHECK(*narrow == expected);
    }
}

TEST_CASE("an order that is no permutation of the vocabulary is refused with the place") {
    constexpr auto low = std::numeric_limits<std::int64_t>::min();
    CHECK(contains(fault(Wide{0, 1, 2, 4}), "token_ordering[3] is 4, expected 0 to 3"));
    CHECK(contains(fault(Wide{0, -1, 2, 3}), "token_ordering[1] is -1, expected 0 to 3"));
    CHECK(contains(fault(Wide{low, 1, 2, 3}), "token_ordering[0] is -9223372036854775808"));
    CHECK(contains(fault(Wide{0, 1, (std::int64_t{1} << 32) + 2, 3}), "token_ordering[2]"));
    CHECK(contains(fault(Narrow{0, 1, -5, 3}), "token_ordering[2] is -5"));
    CHECK(contains(fault(Wide{0, 1, 1, 3}), "token_ordering[2] is 1, which is there before"));
    CHECK(contains(fault(Wide{0, 1, 2}, {3}), "token_ordering is [3], expected [4]"));
    CHECK(contains(fault(Wide{0, 1, 2, 3, 4, 5, 6, 7}, {8}), "is [8], expected [4]"));
    CHECK(contains(fault(std::vector<float>{0, 1, 2, 3}), "is F32, expected I64 or I32"));
    CHECK(contains(fault(Wide{}), "masked_embedding.token_ordering is missing"));
}

TEST_CASE("rows are bound in another order, in every format, and beside those in the file's") {
    const Folder folder("row_order");
    const auto files = file_with(folder, {}, Wide{});
    const std::array<std::int32_t, 4> order{2, 0, 3, 1};
    View<const float, 4, 32> plain, ordered;
    View<const bf16, 4, 32> halves;
    PanelView<q8_0, 4, 32> panels;
    Binder bind(files);
    bind("rows", plain);
    bind("rows", ordered, RowOrder{order});
    bind("rows", halves, RowOrder{order});
    bind("rows", panels, RowOrder{order});
    const auto memory = bind.finish();
    REQUIRE(memory);
    for (std::size_t row = 0; row < 4; ++row)
        for (std::size_t i = 0; i < 32; ++i) {
            const float from = plain(static_cast<std::size_t>(order[row]), i);
            CHECK(plain(row, i) == static_cast<float>(row) + (i == 5 ? 0.5f : 0.0f));
            CHECK(ordered(row, i) == from);
            CHECK(to_f32(halves(row, i)) == from);
            CHECK(std::abs(panels.at(row, i) - from) < 0.02f);
        }
}

}  // namespace carat::test

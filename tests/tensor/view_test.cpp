#include "carat/tensor/view.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <numeric>
#include <span>
#include <type_traits>

namespace carat {
namespace {

// A view is passed in registers: a pointer, and the sizes that its type does not know.
static_assert(sizeof(View<float, 3, 4>) == sizeof(float*));
static_assert(sizeof(View<float, dynamic, 4>) == sizeof(float*) + sizeof(std::size_t));
static_assert(sizeof(View<float, dynamic, dynamic>) == sizeof(float*) + 2 * sizeof(std::size_t));
static_assert(std::is_trivially_copyable_v<View<float, 4>>);
static_assert(std::is_trivially_copyable_v<View<const float, dynamic, 4, dynamic>>);

// Constants may be added and sizes forgotten, and neither the other way round.
static_assert(std::is_convertible_v<View<float, 3, 4>, View<const float, 3, 4>>);
static_assert(std::is_convertible_v<View<float, 3, 4>, View<const float, dynamic, 4>>);
static_assert(!std::is_convertible_v<View<const float, 3, 4>, View<float, 3, 4>>);
static_assert(!std::is_convertible_v<View<float, dynamic, 4>, View<float, 3, 4>>);
static_assert(!std::is_convertible_v<View<float, 3, 4>, View<float, 4, 3>>);
static_assert(!std::is_convertible_v<View<float, 12>, View<float, 3, 4>>);
static_assert(!std::is_convertible_v<View<float, 3>, View<double, 3>>);
static_assert(!std::is_constructible_v<View<float, dynamic>, float*>);  // which size?
static_assert(!std::is_constructible_v<View<float, 3>, float*, std::size_t>);

// What a row is follows from the type alone.
static_assert(std::is_same_v<decltype(View<float, 3, 4>().row(0)), View<float, 4>>);
static_assert(std::is_same_v<decltype(View<float, dynamic, 4>().row(0)), View<float, 4>>);
static_assert(std::is_same_v<decltype(View<float, 3, 4>().rows(0, 1)), View<float, dynamic, 4>>);
static_assert(std::is_same_v<decltype(View<float, 3>().rows(0, 1)), View<float, dynamic>>);

std::array<int, 60> counted() {
    std::array<int, 60> all{};
    std::iota(all.begin(), all.end(), 0);
    return all;
}

TEST_CASE("a view's extents are those of its type and of its constructor, in order") {
    auto data = counted();
    const View<int, dynamic, 4, dynamic> v(data.data(), 3u, 5u);
    CHECK(v.extent(0) == 3);
    CHECK(v.extent(1) == 4);
    CHECK(v.extent(2) == 5);
    CHECK(v.rows() == 3);
    CHECK(v.size() == 60);
    CHECK(v.stride() == 20);
    CHECK(View<int, 7>(data.data()).stride() == 1);
    CHECK(View<int, dynamic, 4>(data.data(), 0u).size() == 0);
}

TEST_CASE("a row begins a stride further on and keeps the inner extents") {
    auto data = counted();
    const View<int, dynamic, 4, dynamic> v(data.data(), 3u, 5u);
    for (std::size_t i = 0; i < 3; ++i)
        for (std::size_t j = 0; j < 4; ++j) {
            const auto row = v.row(i).row(j);
            CHECK(row.extent(0) == 5);
            for (std::size_t k = 0; k < 5; ++k)
                CHECK(row[k] == static_cast<int>((i * 4 + j) * 5 + k));
        }
    const View<int, 6, 10> plane(data.data());
    CHECK(plane(0, 9) == 9);
    CHECK(plane(5, 3) == 53);
}

TEST_CASE("rows(begin, count) are a view of those rows") {
    auto data = counted();
    const auto some = View<int, 3, dynamic, 5>(data.data(), 4u).rows(1, 2);
    CHECK(some.extent(0) == 2);
    CHECK(some.extent(1) == 4);
    CHECK(some.extent(2) == 5);
    CHECK(some.data() == data.data() + 20);
    CHECK(some.rows(1, 1).data() == data.data() + 40);
    CHECK(some.rows(2, 0).size() == 0);
    CHECK(View<int, dynamic>(data.data(), 9u).rows(4, 3)[2] == 6);
}

TEST_CASE("a conversion keeps the place and the sizes") {
    auto data = counted();
    const View<const int, dynamic, 4, dynamic> v =
        View<int, 3, 4, dynamic>(data.data(), std::size_t{5});
    CHECK(v.data() == data.data());
    CHECK(v.extent(0) == 3);
    CHECK(v.extent(2) == 5);
    const View<const int, dynamic, dynamic, dynamic> all = v;
    CHECK(all.extent(1) == 4);
    CHECK(all.extent(2) == 5);
}

TEST_CASE("a span of a view has all its elements, and a row is one by itself") {
    auto data = counted();
    const View<int, 6, dynamic> v(data.data(), 10u);
    CHECK(v.span().size() == 60);
    CHECK(v.span().data() == data.data());
    const std::span<const int> row = v.row(2);
    CHECK(row.size() == 10);
    CHECK(row[0] == 20);
    const std::span<int> same = v.row(2);
    same[0] = -1;
    CHECK(v(2, 0) == -1);
}

TEST_CASE("a view that points nowhere is false") {
    int one = 0;
    CHECK_FALSE(View<int, 3>());
    CHECK_FALSE(View<int, dynamic>());
    CHECK(View<int, dynamic>().size() == 0);
    CHECK(View<int, 1>(&one));
}

}  // namespace
}  // namespace carat

#include "carat/tensor/arena.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>

namespace carat {
namespace {

constexpr std::size_t most = std::numeric_limits<std::size_t>::max();

/// Some code that takes memory, whatever of.
struct Scratch {
    View<float, dynamic, 5> a;
    View<std::uint8_t, dynamic> b;
    View<double, 3, dynamic> c, d;
    View<std::uint16_t, 9> e;

    template <class Space>
    static constexpr Scratch take(Space& space, std::size_t n) {
        Scratch s;
        s.a = space.template take<float, dynamic, 5>(n);
        share(
            space, [&] { s.b = space.template take<std::uint8_t, dynamic>(n); },
            [&] {
                s.c = space.template take<double, 3, dynamic>(n);
                s.d = space.template take<double, 3, dynamic>(n);
            },
            [] {});
        s.e = space.template take<std::uint16_t, 9>();
        return s;
    }
};

constexpr std::size_t planned(std::size_t n) {
    MemoryPlan plan;
    Scratch::take(plan, n);
    return plan.bytes();
}

static_assert(aligned_size(0) == 0 && aligned_size(1) == 64 && aligned_size(64) == 64 &&
              aligned_size(65) == 128);
static_assert(planned(1) == 64 + 2 * 64 + 64, "a plan is known to the compiler");

TEST_CASE("an arena of as many bytes as the plan says is just enough") {
    for (const std::size_t n : {0u, 1u, 7u, 64u, 1000u, 100003u}) {
        CAPTURE(n);
        Arena arena(planned(n));
        REQUIRE(arena);
        const Scratch s = Scratch::take(arena, n);
        CHECK(arena.mark() == planned(n));
        CHECK(s.a);
        CHECK(s.b);
        CHECK(s.c);
        CHECK(s.d);
        CHECK(s.e);
        if (n == 0) continue;
        Arena small(planned(n) - planned_alignment);
        CHECK_FALSE(Scratch::take(small, n).e);  // the last to be taken finds no room
    }
}

TEST_CASE("views of an arena are aligned, zeroed and apart from one another") {
    Arena arena(planned(1000));
    REQUIRE(arena);
    const Scratch s = Scratch::take(arena, 1000);
    const auto address = [](const auto& v) { return reinterpret_cast<std::uintptr_t>(v.data()); };
    const auto end = [&](const auto& v) { return address(v) + v.size() * sizeof(*v.data()); };
    for (const std::uintptr_t a :
         {address(s.a), address(s.b), address(s.c), address(s.d), address(s.e)})
        CHECK(a % planned_alignment == 0);
    CHECK(end(s.a) <= address(s.b));
    CHECK(end(s.c) <= address(s.d));
    CHECK(end(s.d) <= address(s.e));
    CHECK(end(s.b) <= address(s.e));
    bool zero = true;
    for (const float x : s.a.span()) zero = zero && x == 0.0f;
    for (const double x : s.d.span()) zero = zero && x == 0.0;
    CHECK(zero);
}

TEST_CASE("what is shared begins at one place, and the rest lies behind the longest part") {
    Arena arena(planned(1000));
    const Scratch s = Scratch::take(arena, 1000);
    CHECK(static_cast<void*>(s.b.data()) == static_cast<void*>(s.c.data()));
    MemoryPlan plan;
    share(
        plan, [&] { plan.take<std::uint8_t, dynamic>(640u); },
        [&] { plan.take<std::uint8_t, dynamic>(64u); });
    CHECK(plan.mark() == 640);
    plan.take<std::uint8_t, dynamic>(64u);
    CHECK(plan.bytes() == 704);
    plan.rewind(0);
    CHECK(plan.bytes() == 704);  // the most that was ever taken
}

TEST_CASE("shares may be nested") {
    MemoryPlan plan;
    share(
        plan,
        [&] {
            plan.take<std::uint8_t, dynamic>(64u);
            share(
                plan, [&] { plan.take<std::uint8_t, dynamic>(128u); },
                [&] { plan.take<std::uint8_t, dynamic>(256u); });
        },
        [&] { plan.take<std::uint8_t, dynamic>(192u); });
    CHECK(plan.mark() == 320);
    CHECK(plan.bytes() == 320);
}

TEST_CASE("an arena that is too small gives views that point nowhere, and goes on") {
    Arena arena(128);
    REQUIRE(arena);
    CHECK_FALSE(arena.take<float, dynamic>(33u));
    const auto one = arena.take<float, dynamic>(16u);
    CHECK(one);
    CHECK(one.extent(0) == 16);
    const auto none = arena.take<float, dynamic, 4>(5u);
    CHECK_FALSE(none);
    CHECK(none.extent(0) == 5);
    CHECK(arena.take<float, dynamic>(16u));
    CHECK_FALSE(arena.take<std::uint8_t, dynamic>(1u));
    CHECK_FALSE(Arena().take<std::uint8_t, dynamic>(1u));
    CHECK_FALSE(Arena());
}

TEST_CASE("an absurd size is a plan of the most there is, never a small one") {
    const auto plan_of = [](auto... sizes) {
        MemoryPlan plan;
        plan.take<float, dynamic, dynamic>(sizes...);
        return plan.bytes();
    };
    CHECK(plan_of(std::size_t{1} << 31, std::size_t{1} << 31) == most_planned);  // wraps to 0
    CHECK(plan_of(most / 4 + 1, std::size_t{1}) == most_planned);                // wraps to 0
    CHECK(plan_of(most, most) == most_planned);
    CHECK(plan_of((std::size_t{1} << 33) + 1, std::size_t{1} << 31) == most_planned);
    CHECK(plan_of(std::size_t{0}, most) == 0);
    CHECK(plan_of(most, std::size_t{0}) == 0);
    CHECK(plan_of(std::size_t{1} << 30, std::size_t{1} << 31) == std::size_t{1} << 63);
    MemoryPlan plan;
    plan.take<std::uint8_t, dynamic>(most - 100);
    plan.take<std::uint8_t, dynamic>(std::size_t{1} << 20);
    CHECK(plan.bytes() == most_planned);
    plan.take<std::uint8_t, dynamic>(std::size_t{1});
    CHECK(plan.bytes() == most_planned);
    CHECK(aligned_size(most) == most_planned);
}

TEST_CASE("an absurd size is refused by an arena") {
    CHECK_FALSE(Arena(most));
    CHECK_FALSE(Arena(most_planned));
    CHECK_FALSE(Arena(most - (std::size_t{1} << 21)));
    Arena arena(4096);
    CHECK_FALSE(arena.take<float, dynamic, dynamic>(std::size_t{1} << 31, std::size_t{1} << 31));
    CHECK_FALSE(arena.take<std::uint8_t, dynamic>(most));
    CHECK_FALSE(arena.take<float, dynamic>(most / 4 + 1));
    CHECK(arena.mark() == 0);
}

TEST_CASE("a moved arena keeps its views where they are") {
    Arena first(4096);
    const auto view = first.take<int, dynamic>(8u);
    view[3] = 7;
    Arena second(std::move(first));
    CHECK(view[3] == 7);
    CHECK(second.size() == 4096);
    const auto next = second.take<int, dynamic>(8u);
    CHECK(next.data() == view.data() + 16);
    Arena third;
    third = std::move(second);
    CHECK(view[3] == 7);
    CHECK(third.take<int, dynamic>(8u).data() == view.data() + 32);
}

}  // namespace
}  // namespace carat

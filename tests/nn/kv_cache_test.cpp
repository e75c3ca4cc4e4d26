#include "carat/nn/kv_cache.hpp"

#include "carat/tensor/arena.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace carat::test {
namespace {

using Cache = nn::KvCache<float, 2, 3>;
using Runs = std::vector<std::pair<std::size_t, std::size_t>>;

struct Setup {
    Arena arena{4096};
    Cache cache = Cache::take(arena, 5);

    Runs runs(std::size_t begin, std::size_t end) const {
        Runs all;
        cache.for_each_run(begin, end,
                           [&](std::size_t i, std::size_t n) { all.emplace_back(i, n); });
        return all;
    }
};

TEST_CASE_FIXTURE(Setup, "a token's slot is its index modulo the capacity, apart for every head") {
    CHECK(cache.capacity() == 5);
    for (std::size_t head = 0; head < 2; ++head)
        for (std::size_t i = 0; i < 12; ++i) {
            CHECK(cache.key(head, i) == cache.key(head, i % 5));
            CHECK(cache.key(head, i) == cache.k.data() + (head * 5 + i % 5) * 3);
            CHECK(cache.value(head, i) == cache.v.data() + (head * 5 + i % 5) * 3);
        }
}

TEST_CASE_FIXTURE(Setup, "the last tokens are there after the ring has wrapped, and none before") {
    for (std::size_t i = 0; i < 13; ++i)
        for (std::size_t head = 0; head < 2; ++head) {
            *cache.key(head, i) = static_cast<float>(10 * i + head);
            *cache.value(head, i) = -static_cast<float>(10 * i + head);
        }
    for (std::size_t i = 8; i < 13; ++i)
        for (std::size_t head = 0; head < 2; ++head) {
            CHECK(*cache.key(head, i) == static_cast<float>(10 * i + head));
            CHECK(*cache.value(head, i) == -static_cast<float>(10 * i + head));
        }
    CHECK(*cache.key(0, 7) == 120.0f);  // overwritten by token 12
}

TEST_CASE_FIXTURE(Setup, "runs cover a range in order, cut where the ring ends") {
    CHECK(runs(0, 5) == Runs{{0, 5}});
    CHECK(runs(2, 4) == Runs{{2, 2}});
    CHECK(runs(3, 7) == Runs{{3, 2}, {5, 2}});
    CHECK(runs(5, 10) == Runs{{5, 5}});
    CHECK(runs(9, 14) == Runs{{9, 1}, {10, 4}});
    CHECK(runs(4, 4).empty());
    for (std::size_t begin = 0; begin < 12; ++begin)
        for (std::size_t n = 1; n <= 5; ++n) {
            std::size_t next = begin;
            for (const auto& [i, count] : runs(begin, begin + n)) {
                CHECK(i == next);
                // Slots of a run lie one behind the other.
                CHECK(cache.key(1, i + count - 1) == cache.key(1, i) + (count - 1) * 3);
                next += count;
            }
            CHECK(next == begin + n);
            CHECK(runs(begin, begin + n).size() <= 2);
        }
}

TEST_CASE("a plan of a cache holds keys and values of every head") {
    MemoryPlan plan;
    nn::KvCache<std::uint16_t, 4, 16>::take(plan, 100);
    CHECK(plan.bytes() == 2 * 4 * 100 * 16 * sizeof(std::uint16_t));
}

}  // namespace
}  // namespace carat::test

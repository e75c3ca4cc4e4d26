#include "carat/nn/kv_cache.hpp"

#include "carat/tensor/arena.hpp"
#include "support/random.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <vector>

namespace carat::test {
namespace {

/// Two heads, two tiles.
template <class Element, std::size_t head_dim>
struct Setup {
    using Cache = nn::KvCache<Element, 2, head_dim>;
    Arena arena{1 << 20};
    Cache cache = Cache::take(arena, Cache::tile + 1);

    static std::vector<float> row(std::size_t seed) {
        const auto e = Elements<float>::random(head_dim, seed);
        return {e.begin(), e.end()};
    }
    void put(std::size_t index) {
        for (std::size_t head = 0; head < 2; ++head) {
            cache.put_key(head, index, row(4 * index + head).data());
            cache.put_value(head, index, row(4 * index + 2 + head).data());
        }
    }
    /// How many numbers of a token are not what was put, rounded to the type.
    std::size_t wrong(std::size_t index) const {
        std::size_t n = 0;
        std::array<float, head_dim> out;
        const auto compare = [&](const std::vector<float>& x) {
            for (std::size_t i = 0; i < head_dim; ++i)
                n += out[i] == to_f32(from_f32<Element>(x[i])) ? 0 : 1;
        };
        for (std::size_t head = 0; head < 2; ++head) {
            cache.key(head, index, out.data());
            compare(row(4 * index + head));
            cache.value(head, index, out.data());
            compare(row(4 * index + 2 + head));
        }
        return n;
    }
};

template <class Element, std::size_t head_dim>
void check_ring() {
    Setup<Element, head_dim> s;
    const std::size_t capacity = s.cache.capacity();
    CHECK(capacity == 2 * s.cache.tile);
    for (std::size_t i = 0; i < capacity + 60; ++i) s.put(i);
    std::size_t wrong = 0;
    for (std::size_t i = 60; i < capacity + 60; ++i) wrong += s.wrong(i);
    CHECK(wrong == 0);
    CHECK(s.wrong(59) > 0);  // overwritten by the token a ring later
}

TEST_CASE("the last tokens are there after the ring has wrapped, and none before") {
    check_ring<float, 3>();
    check_ring<float, 16>();
    check_ring<bf16, 6>();
    check_ring<bf16, 40>();
}

TEST_CASE("what is stored of a token makes another cache the same, and so does a copy") {
    Setup<bf16, 6> a, b, c;
    for (std::size_t i = 0; i < 150; ++i) a.put(i);
    for (std::size_t i = 0; i < 150; ++i)
        for (std::size_t head = 0; head < 2; ++head)
            b.cache.restore(head, i, a.cache.stored(head, i));
    c.cache.copy(a.cache, 150);
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < 150; ++i) wrong += b.wrong(i) + c.wrong(i);
    CHECK(wrong == 0);
}

TEST_CASE("a plan of a cache holds keys and values of every head, in whole tiles") {
    MemoryPlan plan;
    nn::KvCache<bf16, 4, 16>::take(plan, 100);
    CHECK(plan.bytes() == 2 * 4 * 128 * 16 * sizeof(bf16));
}

}  // namespace
}  // namespace carat::test

#include "carat/nn/kv_cache.hpp"

#include "carat/tensor/arena.hpp"
#include "support/random.hpp"

#include <doctest/doctest.h>

#include <algorithm>
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
    /// What becomes of a number of a row.
    static float rounded(const std::vector<float>& x, std::size_t i) {
        if constexpr (is_quantized<Element>) {
            std::array<float, quant_block> block{};
            const std::size_t first = i / quant_block * quant_block;
            std::copy_n(x.begin() + static_cast<std::ptrdiff_t>(first),
                        std::min(quant_block, head_dim - first), block.begin());
            const auto b = QuantBlock<Element>::quantize(block.data());
            return static_cast<float>(b.level(i - first)) * to_f32(b.scale);
        } else {
            return to_f32(from_f32<Element>(x[i]));
        }
    }
    /// How many numbers of a token are not what was put, rounded to the type.
    std::size_t wrong(std::size_t index) const {
        std::size_t n = 0;
        std::array<float, head_dim> out;
        const auto compare = [&](const std::vector<float>& x) {
            for (std::size_t i = 0; i < head_dim; ++i) n += out[i] == rounded(x, i) ? 0u : 1u;
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
    check_ring<q8_0, 6>();
    check_ring<q8_0, 64>();
    check_ring<q4_0, 24>();
    check_ring<q4_0, 80>();
}

template <class Element, std::size_t head_dim>
void check_stored() {
    Setup<Element, head_dim> a, b, c;
    for (std::size_t i = 0; i < 150; ++i) a.put(i);
    for (std::size_t i = 0; i < 150; ++i)
        for (std::size_t head = 0; head < 2; ++head)
            b.cache.restore(head, i, a.cache.stored(head, i));
    c.cache.copy(a.cache, 150);
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < 150; ++i) wrong += b.wrong(i) + c.wrong(i);
    CHECK(wrong == 0);
}
TEST_CASE("what is stored of a token makes another cache the same, and so does a copy") {
    check_stored<bf16, 6>();
    check_stored<q8_0, 40>();
    check_stored<q4_0, 40>();
}

TEST_CASE("a plan of a cache holds keys and values of every head, in whole tiles") {
    MemoryPlan plan;
    nn::KvCache<bf16, 4, 16>::take(plan, 100);
    CHECK(plan.bytes() == 2 * 4 * 128 * 16 * sizeof(bf16));
}
TEST_CASE("a plan of a quantised cache holds blocks of 32 values, 34 or 18 bytes each") {
    MemoryPlan eight, four;
    nn::KvCache<q8_0, 4, 64>::take(eight, 100);
    nn::KvCache<q4_0, 4, 64>::take(four, 100);
    CHECK(eight.bytes() == 2 * 4 * 128 * 2 * 34);
    CHECK(four.bytes() == 2 * 4 * 128 * 2 * 18);
}

}  // namespace
}  // namespace carat::test

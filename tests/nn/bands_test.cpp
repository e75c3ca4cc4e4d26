#include "carat/nn/gated_mlp.hpp"
#include "carat/nn/linear.hpp"
#include "carat/nn/softmax_attention.hpp"
#include "carat/parallel/thread_pool.hpp"
#include "carat/tensor/arena.hpp"
#include "support/random.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <vector>

namespace carat::test {
namespace {

TEST_CASE("bands have all rows once, in order, and about as many each") {
    CHECK(nn::Bands(0).count() == 0);
    CHECK(nn::Bands(nn::band_rows).count() == 1);
    CHECK(nn::Bands(nn::band_rows + 1).count() == 2);
    for (std::size_t rows = 1; rows < 40000; rows += rows < 3000 ? 1 : 997) {
        const nn::Bands bands(rows);
        std::size_t next = 0, wrong = 0;
        for (std::size_t i = 0; i < bands.count(); ++i) {
            const std::size_t n = bands.size(i);
            wrong += bands.first(i) == next && n > 0 && n <= nn::band_rows ? 0u : 1u;
            next += n;
        }
        CAPTURE(rows);
        CHECK(next == rows);
        CHECK(wrong == 0);
    }
    CHECK(nn::Bands(700).size(0) == 384);
    CHECK(nn::Bands(700).size(1) == 316);
}

/// More rows than a band has, and not so many that bands are of one size.
constexpr std::size_t rows = nn::band_rows + 29;

/// The rows that are looked at one by one: the ends of bands and some between.
std::vector<std::size_t> some_rows() {
    std::vector<std::size_t> all = {0, 1, rows - 1};
    const nn::Bands bands(rows);
    for (std::size_t i = 1; i < bands.count(); ++i)
        for (const std::size_t r : {bands.first(i) - 1, bands.first(i)}) all.push_back(r);
    for (std::size_t r = 0; r < rows; r += 37) all.push_back(r);
    return all;
}

TEST_CASE("a product of several bands is each row's own, on any number of threads") {
    constexpr std::size_t in = 40, wide = 130, narrow = 7;
    const auto a = Elements<bf16>::random(wide * in, 1), b = Elements<bf16>::random(narrow * in, 2);
    const auto x = Elements<float>::random(rows * in, 3);
    for (const std::size_t threads : {1u, 2u, 5u}) {
        CAPTURE(threads);
        ThreadPool pool(threads);
        // Rows behind those of the call stay as they were.
        std::vector<float> ya((rows + 1) * wide, 7.0f), yb((rows + 1) * narrow, 7.0f);
        nn::project(pool, Rows<const float, in>(x.data(), rows),
                    nn::Product{View<const bf16, wide, in>(a.data()),
                                Rows<float, wide>(ya.data(), rows + 1)},
                    nn::Product{View<const bf16, narrow, in>(b.data()),
                                Rows<float, narrow>(yb.data(), rows + 1)});
        std::size_t wrong = 0;
        for (std::size_t t = 0; t < rows; ++t) {
            const float* xt = x.data() + t * in;
            for (std::size_t r = 0; r < wide; ++r)
                wrong += ya[t * wide + r] != simd::dot(a.data() + r * in, xt, in);
            for (std::size_t r = 0; r < narrow; ++r)
                wrong += yb[t * narrow + r] != simd::dot(b.data() + r * in, xt, in);
        }
        CHECK(wrong == 0);
        CHECK(std::count(ya.end() - wide, ya.end(), 7.0f) == wide);
        CHECK(std::count(yb.end() - narrow, yb.end(), 7.0f) == narrow);
    }
}

TEST_CASE("a rounded product of several bands is the same bits on any number of threads") {
    constexpr std::size_t in = 40, out = 130;
    const auto w = Elements<bf16>::random(out * in, 1), x = Elements<bf16>::random(rows * in, 2);
    const auto product = [&](ExecutorRef executor) {
        std::vector<float> y(rows * out);
        nn::project(
            executor, Rows<const bf16, in>(x.data(), rows),
            nn::Product{View<const bf16, out, in>(w.data()), Rows<float, out>(y.data(), rows)});
        return y;
    };
    Serial serial;
    const auto alone = product(serial);
    CHECK(std::count(alone.begin(), alone.end(), 0.0f) == 0);
    for (const std::size_t threads : {2u, 5u}) {
        CAPTURE(threads);
        ThreadPool pool(threads);
        CHECK(product(pool) == alone);
    }
}

TEST_CASE("a gated product of several bands is each row's own, on any number of threads") {
    constexpr std::size_t in = 24, inner = 136;
    const auto gate = Elements<bf16>::random(inner * in, 1),
               up = Elements<bf16>::random(inner * in, 2);
    const auto x = Elements<float>::random(rows * in, 3);
    const View<const bf16, inner, in> gates(gate.data()), ups(up.data());
    const auto combine = [](auto g, auto u) { return g * u; };
    for (const std::size_t threads : {1u, 2u, 5u}) {
        CAPTURE(threads);
        ThreadPool pool(threads);
        MemoryPlan plan;
        nn::take_halves(plan, threads, rows);
        Arena arena(plan.bytes());
        const auto halves = nn::take_halves(arena, threads, rows);
        std::vector<float> all(rows * inner), one(inner);
        const Rows<const float, in> input(x.data(), rows);
        nn::gated_product(pool, gates, ups, input, input, Rows<float, inner>(all.data(), rows),
                          halves, combine);
        for (const std::size_t t : some_rows()) {
            nn::gated_product(pool, gates, ups, input.rows(t, 1), input.rows(t, 1),
                              Rows<float, inner>(one.data(), 1), halves, combine);
            CAPTURE(t);
            CHECK(std::equal(one.begin(), one.end(), &all[t * inner]));
        }
    }
}

/// Queries of a call, with and without a window, are what each is alone: the same bits.
template <Arithmetic arithmetic, std::size_t kv_heads, std::size_t group>
void check_attention(std::size_t queries, std::size_t window) {
    using X = nn::AttentionOperand<arithmetic>;
    constexpr std::size_t head_dim = 16;
    using Softmax = nn::SoftmaxAttention<X, arithmetic, kv_heads, group, head_dim>;
    CAPTURE(queries);
    CAPTURE(window);
    const auto take = [&](auto& space, auto f) {
        const auto cache = Softmax::Cache::take(space, queries);
        f(cache, Softmax::Scratch::take(space, 5, queries));
    };
    MemoryPlan plan;
    take(plan, [](const auto&, const auto&) {});
    Arena arena(plan.bytes());
    take(arena, [&](const auto& cache, const auto& scratch) {
        const auto kv = Elements<float>::random(queries * kv_heads * 2 * head_dim, 5);
        for (std::size_t t = 0; t < queries; ++t)
            for (std::size_t h = 0; h < kv_heads; ++h) {
                const float* row = kv.data() + (t * kv_heads + h) * 2 * head_dim;
                cache.put_key(h, t, row);
                cache.put_value(h, t, row + head_dim);
            }
        const auto q = Elements<float>::random(queries * Softmax::q_size, 6);
        const Rows<const float, Softmax::q_size> input(q.data(), queries);
        std::vector<float> expected(queries * Softmax::q_size);
        const auto visible = [&](std::size_t t) {
            return nn::Visible{t < window ? 0 : t + 1 - window, t + 1};
        };
        Serial serial;
        for (std::size_t t = 0; t < queries; ++t)
            Softmax{}.forward(
                input.rows(t, 1), [&](std::size_t) { return visible(t); }, {}, cache,
                Rows<float, Softmax::q_size>(&expected[t * Softmax::q_size], 1), scratch, serial);
        for (const std::size_t threads : {1u, 2u, 5u}) {
            CAPTURE(threads);
            ThreadPool pool(threads);
            std::vector<float> out((queries + 1) * Softmax::q_size, 7.0f);
            Softmax{}.forward(input, visible, {}, cache,
                              Rows<float, Softmax::q_size>(out.data(), queries), scratch, pool);
            CHECK(std::equal(expected.begin(), expected.end(), out.begin()));
            CHECK(std::count(out.end() - Softmax::q_size, out.end(), 7.0f) == Softmax::q_size);
        }
    });
}

TEST_CASE("attention of several bands is each query's own, on any number of threads") {
    for (const std::size_t queries : {2ul, 37ul, rows})
        for (const std::size_t window : {100ul, rows}) {
            check_attention<Arithmetic::exact, 1, 8>(queries, window);
            check_attention<Arithmetic::exact, 2, 3>(queries, window);
            check_attention<Arithmetic::fast, 3, 1>(queries, window);
        }
}

TEST_CASE("attention of no query does nothing") { check_attention<Arithmetic::exact, 2, 2>(0, 1); }

}  // namespace
}  // namespace carat::test

// What this machine can do at most: read bandwidth of memory, and multiply-adds of f32, of bf16 and
// of int8 with the instructions that the compiler's flags allow; for one thread and for all of
// them. And how far two of its cores are from each other.
//
//   machine_limits [--gib 2] [--runs 5] [--threads N]      prints one JSON line a figure
#include "carat/parallel/thread_pool.hpp"
#include "carat/simd/load.hpp"
#include "carat/simd/tiles.hpp"
#include "carat/simd/unroll.hpp"
#include "carat/tensor/arena.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <set>
#include <thread>
#include <utility>
#include <vector>

namespace {

namespace hn = hwy::HWY_NAMESPACE;
constexpr std::size_t chains = 12;  // independent sums: more than latency times units
constexpr std::size_t steps = 1 << 21;

/// Makes the compiler believe that a vector is used and changed.
template <class V>
void keep(V& v) {
#if defined(__x86_64__)
    asm volatile("" : "+v"(v.raw));
#else
    asm volatile("" : "+w"(v.raw));
#endif
}

/// Runs independent sums in registers; returns how many multiply-adds that were.
template <class V, class X, class F>
std::size_t spin(V zero, X x, std::size_t per_step, F&& multiply_add) {
    V sum[chains];  // in registers, as long as every loop over it is unrolled
    carat::simd::unroll<chains>([&](auto i) __attribute__((always_inline)) {
        sum[i] = zero;
        keep(sum[i]);  // or equal sums would be computed once
    });
    for (std::size_t step = 0; step < steps; ++step) {
        keep(x);
        carat::simd::unroll<chains>([&](auto i) __attribute__((always_inline)) {
            sum[i] = multiply_add(sum[i], x);
        });
    }
    carat::simd::unroll<chains>([&](auto i) __attribute__((always_inline)) { keep(sum[i]); });
    return steps * chains * per_step;
}
std::size_t f32() {
    const hn::ScalableTag<float> d;
    return spin(hn::Zero(d), hn::Set(d, 0.999f), hn::Lanes(d),
                [](auto sum, auto x) { return hn::MulAdd(sum, x, x); });
}
/// Products of matrix tiles, into four sums.
template <std::size_t bytes>
std::size_t tiles() {
    constexpr std::size_t side = carat::simd::tile_side, tile_steps = steps / 64;
    if constexpr (carat::simd::has_tiles) {
        carat::simd::Tiles<bytes> t;
        carat::simd::unroll<8>([&](auto i) { t.template zero<i>(); });
        for (std::size_t step = 0; step < tile_steps; ++step) {
            t.template multiply<0, 4, 6>();
            t.template multiply<1, 4, 7>();
            t.template multiply<2, 5, 6>();
            t.template multiply<3, 5, 7>();
        }
    }
    return tile_steps * 4 * side * side * carat::simd::tile_depth;
}
std::size_t bf16() {
    if (carat::simd::Tiles<2>::allowed()) return tiles<2>();
    const hn::ScalableTag<hwy::bfloat16_t> d;
    const hn::Repartition<std::uint16_t, decltype(d)> bits;
    const hn::RepartitionToWide<decltype(d)> wide;
    auto other = hn::Zero(wide);  // stays as it is where one instruction takes both halves
    const auto count =
        spin(hn::Zero(wide), hn::Set(bits, 0x3f80), hn::Lanes(d), [&](auto sum, auto x) {
            const auto ones = hn::BitCast(d, x);
            return hn::ReorderWidenMulAccumulate(wide, ones, ones, sum, other);
        });
    keep(other);
    return count;
}
std::size_t int8() {
    if (carat::simd::Tiles<1>::allowed()) return tiles<1>();
    const hn::ScalableTag<std::int8_t> d;
    const hn::RebindToUnsigned<decltype(d)> u;
    const hn::Repartition<std::int32_t, decltype(d)> wide;
    return spin(hn::Zero(wide), hn::Set(d, 1), hn::Lanes(d), [&](auto sum, auto x) {
        return hn::SumOfMulQuadAccumulate(wide, hn::BitCast(u, x), x, sum);
    });
}

/// As many streams at once as a product of one token reads, and asked for as far ahead.
void read(const std::byte* data, std::size_t bytes) {
    const hn::ScalableTag<std::uint64_t> d;
    constexpr std::size_t rows = carat::simd::reading_places;
    const std::size_t row = bytes / rows;
    hn::Vec<decltype(d)> sum[rows];
    carat::simd::unroll<rows>([&](auto r) __attribute__((always_inline)) { sum[r] = hn::Zero(d); });
    for (std::size_t c = 0; c < row; c += 8 * hn::Lanes(d))
        carat::simd::unroll<rows>([&](auto r) __attribute__((always_inline)) {
            const std::byte* from = data + r * row + c;
            if constexpr (carat::simd::reading_ahead > 0)
                carat::simd::prefetch(from, carat::simd::reading_ahead);
            sum[r] = hn::Add(sum[r], hn::Load(d, reinterpret_cast<const std::uint64_t*>(from)));
        });
    carat::simd::unroll<rows>([&](auto r) __attribute__((always_inline)) { keep(sum[r]); });
}

/// Prints the median of the runs, in 1e9 of what work(thread) counts, a second.
template <class Work>
void report(const char* what, carat::ThreadPool& pool, std::size_t runs, Work&& work) {
    std::vector<std::size_t> counts(pool.concurrency());
    std::vector<double> rates;
    for (std::size_t run = 0; run <= runs; ++run) {
        const auto start = std::chrono::steady_clock::now();
        pool.run([&](std::size_t thread) { counts[thread] = work(thread); });
        const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
        double sum = 0;
        for (const std::size_t n : counts) sum += static_cast<double>(n);
        if (run > 0) rates.push_back(sum / time.count() / 1e9);  // the first one wakes the machine
    }
    std::sort(rates.begin(), rates.end());
    std::printf("{\"what\": \"%s\", \"threads\": %zu, \"giga_per_s\": %.2f}\n", what,
                pool.concurrency(), rates[rates.size() / 2]);
    std::fflush(stdout);
}

/// Prints in which time a cache line goes to another thread and back: what every wait for each
/// other takes at least. Some 50 to 120 ns where cores share a cache, several hundred where they do
/// not: which of them a shared machine lends can change from minute to minute.
void report_round_trip(carat::ThreadPool& pool, std::size_t runs) {
    constexpr std::size_t trips = 100000;
    std::vector<double> times;
    for (std::size_t run = 0; run <= runs; ++run) {
        alignas(64) std::atomic<std::size_t> turn{0};
        const auto start = std::chrono::steady_clock::now();
        pool.run([&](std::size_t thread) {
            if (thread > 1) return;
            for (std::size_t mine = thread; mine < 2 * trips; mine += 2) {
                while (turn.load(std::memory_order_acquire) != mine) {
                }
                turn.store(mine + 1, std::memory_order_release);
            }
        });
        const std::chrono::duration<double, std::nano> time =
            std::chrono::steady_clock::now() - start;
        if (run > 0) times.push_back(time.count() / trips);
    }
    std::sort(times.begin(), times.end());
    std::printf("{\"what\": \"round_trip\", \"threads\": %zu, \"nanoseconds\": %.0f}\n",
                pool.concurrency(), times[times.size() / 2]);
    std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
    double gib = 2;
    std::size_t runs = 5, threads = std::max(1u, std::thread::hardware_concurrency());
    CLI::App app("Read bandwidth and multiply-adds a second of this machine.");
    app.add_option("--gib", gib, "memory to read")->check(CLI::Range(0.01, 1024.0));
    app.add_option("--runs", runs, "the median of so many")->check(CLI::Range(1, 1000));
    app.add_option("--threads", threads)->check(CLI::Range(1, 1024));
    CLI11_PARSE(app, argc, argv);

    const auto total = (static_cast<std::size_t>(gib * 16384) + 1) * 65536;
    carat::Arena arena(total);
    if (!arena) {
        std::fprintf(stderr, "machine_limits: the system refused %zu bytes\n", total);
        return 1;
    }
    std::byte* memory = arena.take<std::byte, carat::dynamic>(total).data();
    std::memset(memory, 1, total);
    for (const std::size_t n : std::set<std::size_t>{1, threads}) {
        carat::ThreadPool pool(n);
        report("f32", pool, runs, [](std::size_t) { return f32(); });
        report("bf16", pool, runs, [](std::size_t) { return bf16(); });
        report("int8", pool, runs, [](std::size_t) { return int8(); });
        const std::size_t part = total / n / 65536 * 65536;
        report("read", pool, runs, [&](std::size_t thread) {
            read(memory + thread * part, part);
            return part;
        });
        if (n > 1 && std::thread::hardware_concurrency() > 1) report_round_trip(pool, runs);
    }
    return 0;
}

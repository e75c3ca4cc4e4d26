#include "carat/parallel/executor.hpp"

#include "carat/parallel/thread_pool.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

namespace carat {
namespace {

/// A host's own executor: new threads for each run.
struct HostThreads {
    std::size_t threads;
    [[nodiscard]] std::size_t concurrency() const { return threads; }
    template <class F>
    void run(F&& f) {
        std::vector<std::thread> all;
        for (std::size_t i = 0; i < threads; ++i) all.emplace_back([&f, i] { f(i); });
        for (std::thread& t : all) t.join();
    }
};
/// Another one: everything on the caller's thread, the last call first.
struct Backwards {
    std::size_t calls;
    std::size_t runs = 0;
    [[nodiscard]] std::size_t concurrency() const { return calls; }
    template <class F>
    void run(F&& f) {
        ++runs;
        for (std::size_t i = calls; i-- > 0;) f(i);
    }
};
struct NoRun {
    [[nodiscard]] std::size_t concurrency() const { return 1; }
};
static_assert(Executor<Serial> && Executor<ThreadPool> && Executor<ExecutorRef>);
static_assert(Executor<HostThreads> && Executor<Backwards>);
static_assert(!Executor<NoRun> && !Executor<int>);

/// Every index of [0, n) once, in parts that begin at multiples of the grain and have a worker of
/// their own.
template <class E>
void check_cover(E& executor, std::size_t n, std::size_t grain) {
    CAPTURE(n);
    CAPTURE(grain);
    std::vector<std::atomic<int>> visits(n);
    std::mutex mutex;
    std::set<std::size_t> workers;
    std::size_t parts = 0, bad = 0;
    parallel_for(executor, n, grain, [&](std::size_t begin, std::size_t end, std::size_t worker) {
        for (std::size_t i = begin; i < end; ++i) ++visits[i];
        const std::lock_guard lock(mutex);
        ++parts;
        workers.insert(worker);
        bad += begin % grain == 0 && begin < end && end <= n && worker < executor.concurrency()
                   ? 0u
                   : 1u;
    });
    CHECK(std::all_of(visits.begin(), visits.end(), [](const auto& v) { return v == 1; }));
    CHECK(bad == 0);
    const std::size_t grains = (n + grain - 1) / grain;
    CHECK(workers.size() == std::min(executor.concurrency(), grains));
    if (grains < 8 * executor.concurrency()) CHECK(parts == workers.size());
}

TEST_CASE("parallel_for visits every index once, whatever the executor, the size and the grain") {
    Serial serial;
    Backwards backwards{5};
    HostThreads host{3};
    ThreadPool pool(4);
    for (const std::size_t n : {0u, 1u, 2u, 23u, 24u, 25u, 48u, 100u, 1001u})
        for (const std::size_t grain : {1u, 4u, 24u, 1000u, 5000u}) {
            check_cover(serial, n, grain);
            check_cover(backwards, n, grain);
            check_cover(host, n, grain);
            check_cover(pool, n, grain);
        }
}

TEST_CASE("parallel_for_2d visits every index of each once, one after the other") {
    Backwards executor{3};
    for (const std::size_t count : {0u, 1u, 2u, 7u})
        for (const std::size_t n : {0u, 1u, 23u, 24u, 100u, 1001u})
            for (const std::size_t grain : {1u, 24u, 5000u}) {
                CAPTURE(count);
                CAPTURE(n);
                CAPTURE(grain);
                std::vector<int> visits(count * n);
                std::vector<std::size_t> last(3);
                std::size_t bad = 0;
                parallel_for_2d(
                    executor, count, n, grain,
                    [&](std::size_t i, std::size_t begin, std::size_t end, std::size_t worker) {
                        bad += i >= count || begin % grain != 0 || begin >= end || end > n ||
                               worker >= 3 || i * n + begin < last[worker];
                        if (bad > 0) return;
                        for (std::size_t j = begin; j < end; ++j) ++visits[i * n + j];
                        last[worker] = i * n + end;
                    });
                CHECK(bad == 0);
                CHECK(std::all_of(visits.begin(), visits.end(), [](int v) { return v == 1; }));
            }
}

TEST_CASE("of much work the threads that are faster do more, and none more than is left of it") {
    // The last comes first, as if the others did not start until it has nothing left to do.
    Backwards executor{4};
    std::vector<std::vector<std::size_t>> done(4);
    parallel_for(executor, 1000, 10, [&](std::size_t begin, std::size_t end, std::size_t worker) {
        for (std::size_t i = begin; i < end; ++i) done[worker].push_back(i);
    });
    CHECK(done[3].size() == 190 + 250);  // three quarters of its part, and a quarter of all
    CHECK(std::is_sorted(done[3].begin(), done[3].end()));
    for (const std::size_t other : {0u, 1u, 2u})
        CHECK(done[other].size() == (other == 0 ? 180u : 190u));
}

TEST_CASE("work of one grain stays on the calling thread and starts no run") {
    Backwards executor{4};
    std::thread::id where;
    parallel_for(executor, 24, 24,
                 [&](std::size_t, std::size_t) { where = std::this_thread::get_id(); });
    CHECK(where == std::this_thread::get_id());
    CHECK(executor.runs == 0);
    parallel_for(executor, 25, 24, [](std::size_t, std::size_t) {});
    CHECK(executor.runs == 1);
}

TEST_CASE("a reference to an executor runs what the executor runs, through another reference too") {
    Backwards executor{3};
    const ExecutorRef ref(executor);
    const ExecutorRef copy = ref;
    CHECK(copy.concurrency() == 3);
    std::vector<std::size_t> order;
    copy.run([&](std::size_t i) { order.push_back(i); });
    CHECK(order == std::vector<std::size_t>{2, 1, 0});
    const Serial serial;  // a constant one will do
    std::size_t calls = 0;
    ExecutorRef(serial).run([&](std::size_t i) { calls += 1 + i; });
    CHECK(calls == 1);
}

TEST_CASE("an executor that has become larger is used as far as memory was taken for it") {
    Backwards executor{2};
    const ExecutorRef two = ExecutorRef(executor).at_most(2);
    CHECK(ExecutorRef(executor).at_most(8).concurrency() == 2);
    executor.calls = 5;
    CHECK(two.concurrency() == 2);
    CHECK(two.at_most(3).concurrency() == 2);
    std::vector<std::size_t> order;
    two.run([&](std::size_t i) { order.push_back(i); });
    CHECK(order == std::vector<std::size_t>{1, 0});
    check_cover(two, 100, 3);
    executor.calls = 1;
    CHECK(two.concurrency() == 1);
    check_cover(two, 100, 3);
}

}  // namespace
}  // namespace carat

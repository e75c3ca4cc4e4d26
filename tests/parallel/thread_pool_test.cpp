#include "carat/parallel/thread_pool.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <numeric>
#include <set>
#include <stdexcept>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace carat {
namespace {

TEST_CASE("a pool of no thread or of one is the caller alone") {
    for (const std::size_t threads : {0u, 1u}) {
        ThreadPool pool(threads);
        CHECK(pool.concurrency() == 1);
        std::thread::id where;
        pool.run([&](std::size_t i) {
            CHECK(i == 0);
            where = std::this_thread::get_id();
        });
        CHECK(where == std::this_thread::get_id());
    }
}

TEST_CASE("every call of a run happens once, on a thread of its own, the first on the caller's") {
    ThreadPool pool(4);
    CHECK(pool.concurrency() == 4);
    std::vector<std::thread::id> where(4);
    std::vector<int> calls(4);
    pool.run([&](std::size_t i) {
        where[i] = std::this_thread::get_id();
        ++calls[i];
    });
    CHECK(calls == std::vector<int>(4, 1));
    CHECK(where[0] == std::this_thread::get_id());
    CHECK(std::set<std::thread::id>(where.begin(), where.end()).size() == 4);
}

TEST_CASE("what the calls wrote is visible when run returns, thousands of times in a row") {
    ThreadPool pool(3);
    std::vector<std::size_t> counts(3);  // not atomic: only the pool orders the accesses
    std::size_t wrong = 0;
    for (std::size_t round = 1; round <= 5000; ++round) {
        pool.run([&](std::size_t i) { counts[i] += round; });
        const std::size_t sum = std::accumulate(counts.begin(), counts.end(), std::size_t{0});
        wrong += sum == 3 * round * (round + 1) / 2 ? 0u : 1u;
    }
    CHECK(wrong == 0);
}

TEST_CASE("a run wakes threads that have gone to sleep") {
    ThreadPool pool(3);
    for (int round = 0; round < 3; ++round) {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        std::vector<int> calls(3);
        pool.run([&](std::size_t i) { ++calls[i]; });
        CHECK(calls == std::vector<int>(3, 1));
    }
}

TEST_CASE("nobody sleeps on where a run or its end comes just as a thread goes to sleep") {
    // A wait spins, yields and sleeps within some 10 to 100 us: pauses of all lengths around that,
    // before a run and, every other time, in a call of it, so that both sides go to sleep.
    const auto spend = [](std::chrono::nanoseconds time) {
        const auto until = std::chrono::steady_clock::now() + time;
        while (std::chrono::steady_clock::now() < until) {
        }
    };
    ThreadPool pool(2);
    std::vector<int> calls(2);
    int rounds = 0;
    for (int ns = 0; ns < 150'000; ns += 50, ++rounds) {
        const std::chrono::nanoseconds pause(ns);
        if (rounds % 2 == 0) spend(pause);
        pool.run([&](std::size_t i) {
            if (i == 1 && rounds % 2 == 1) spend(pause);
            ++calls[i];
        });
    }
    CHECK(calls == std::vector<int>(2, rounds));
}

TEST_CASE("a run waits for the slowest call") {
    ThreadPool pool(3);
    std::vector<int> done(3);
    pool.run([&](std::size_t i) {
        if (i == 2) std::this_thread::sleep_for(std::chrono::milliseconds(30));
        done[i] = 1;
    });
    CHECK(done == std::vector<int>(3, 1));
}

#if defined(__cpp_exceptions)
TEST_CASE("what a call throws on the caller's thread waits for the other calls") {
    ThreadPool pool(3);
    std::vector<int> done(3);
    CHECK_THROWS_AS(pool.run([&](std::size_t i) {
        if (i == 0) throw std::length_error("the caller's");
        std::this_thread::sleep_for(std::chrono::milliseconds(30));
        done[i] = 1;
    }),
                    std::length_error);
    CHECK(done == std::vector<int>{0, 1, 1});
    pool.run([&](std::size_t i) { done[i] = 2; });
    CHECK(done == std::vector<int>(3, 2));
}
#endif

TEST_CASE("a pool may be used from several threads, one after the other") {
    ThreadPool pool(2);
    std::vector<std::size_t> counts(2);
    for (int user = 0; user < 4; ++user)
        std::thread([&] {
            for (int i = 0; i < 100; ++i) pool.run([&](std::size_t k) { ++counts[k]; });
        }).join();
    pool.run([&](std::size_t k) { ++counts[k]; });
    CHECK(counts == std::vector<std::size_t>(2, 401));
}

TEST_CASE("a pool ends at once or asleep, used or not") {
    for (int i = 0; i < 20; ++i) ThreadPool pool(3);
    {
        ThreadPool pool(3);
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    for (int i = 0; i < 20; ++i) {
        ThreadPool pool(3);
        std::vector<int> calls(3);
        pool.run([&](std::size_t k) { ++calls[k]; });
        CHECK(calls == std::vector<int>(3, 1));
    }
}

TEST_CASE("two pools work side by side, one from inside a run of the other") {
    ThreadPool outer(2);
    ThreadPool first(2), second(2);
    std::vector<int> calls(4);
    outer.run([&](std::size_t i) {
        (i == 0 ? first : second).run([&](std::size_t k) { ++calls[2 * i + k]; });
    });
    CHECK(calls == std::vector<int>(4, 1));
}

// What the limit takes away, a sanitizer has taken already.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && defined(__cpp_exceptions)
TEST_CASE("a pool is as large as the system lets it be") {
    std::fflush(nullptr);
    const pid_t child = fork();  // for the limit stays
    REQUIRE(child >= 0);
    if (child == 0) {
        const rlimit little{std::size_t{1} << 28, std::size_t{1} << 28};  // stacks of 8 MB
        if (setrlimit(RLIMIT_AS, &little) != 0) _exit(2);
        if (mmap(nullptr, 2 * little.rlim_max, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
            MAP_FAILED)
            _exit(3);
        ThreadPool pool(1000);
        std::atomic<std::size_t> calls{0};
        pool.run([&](std::size_t) { ++calls; });
        _exit(pool.concurrency() < 1000 && calls == pool.concurrency() ? 0 : 1);
    }
    int status = -1;
    REQUIRE(waitpid(child, &status, 0) == child);
    REQUIRE(WIFEXITED(status));
    if (WEXITSTATUS(status) == 3)
        MESSAGE("not tried: an emulator that keeps no limit");
    else
        CHECK(WEXITSTATUS(status) == 0);
}
#endif

}  // namespace
}  // namespace carat

// What a parallel region costs: nothing to do in it, one after the other; after pauses longer than
// a pool spins; and while another thread has one of the cores.
#include "carat/parallel/thread_pool.hpp"

#include <benchmark/benchmark.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <thread>

namespace {

void regions(benchmark::State& state, std::chrono::microseconds pause) {
    carat::ThreadPool pool(static_cast<std::size_t>(state.range(0)));
    carat::ExecutorRef executor(pool);
    for (auto _ : state) {
        if (pause.count() > 0) std::this_thread::sleep_for(pause);
        const auto start = std::chrono::steady_clock::now();
        executor.run([](std::size_t i) { benchmark::DoNotOptimize(i); });
        const auto end = std::chrono::steady_clock::now();
        state.SetIterationTime(std::chrono::duration<double>(end - start).count());
    }
}

void in_turn(benchmark::State& state) { regions(state, std::chrono::microseconds(0)); }
void after_sleep(benchmark::State& state) { regions(state, std::chrono::milliseconds(1)); }
void beside_another(benchmark::State& state) {
    std::atomic<bool> stop{false};
    std::jthread other([&] {
        while (!stop.load(std::memory_order_relaxed)) {
        }
    });
    regions(state, std::chrono::microseconds(0));
    stop = true;
}

BENCHMARK(in_turn)->Arg(1)->Arg(2)->UseManualTime();
BENCHMARK(after_sleep)->Arg(2)->UseManualTime();
BENCHMARK(beside_another)->Arg(2)->UseManualTime();

}  // namespace

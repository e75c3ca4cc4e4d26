// Features of ten seconds of noise, on one core. `real_time` says how many times faster than the
// sound itself.
#include "carat/media/audio/mel.hpp"

#include <benchmark/benchmark.h>

#include <random>
#include <vector>

namespace {

void mel(benchmark::State& state) {
    std::mt19937 random(1);
    std::normal_distribution<float> noise(0.0f, 0.1f);
    std::vector<float> samples(160000);
    for (float& x : samples) x = noise(random);
    carat::MelExtractor extractor;
    for (auto _ : state) {
        extractor.clear();
        float last = 0;
        if (!extractor.push(samples, [&](std::span<const float> row) { last = row[64]; }))
            state.SkipWithError("refused");
        benchmark::DoNotOptimize(last);
    }
    state.counters["real_time"] = benchmark::Counter(10.0 * static_cast<double>(state.iterations()),
                                                     benchmark::Counter::kIsRate);
}
BENCHMARK(mel)->Unit(benchmark::kMillisecond);

}  // namespace

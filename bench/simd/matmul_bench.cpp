// Products at the shapes of E2B: one token (bytes a second against the read bandwidth) and a
// prompt's tokens (multiply-adds a second against the machine's peak).
#include "carat/nn/linear.hpp"
#include "carat/parallel/thread_pool.hpp"
#include "carat/tensor/arena.hpp"

#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace {

using namespace carat;

/// Copies of a matrix, so many that no cache holds them: what a few tokens read comes from memory.
constexpr std::size_t streamed_bytes = std::size_t{1} << 28;
constexpr std::size_t streaming_tokens = 16;

template <class W, std::size_t out, std::size_t in>
constexpr std::size_t matrix_bytes() {
    if constexpr (is_quantized<W>) {
        return PanelView<W, out, in>::panels * sizeof(Panel<W, in>);
    } else {
        return out * in * sizeof(W);
    }
}

/// state.range: tokens, threads. W weights [out, in] by `arithmetic`.
template <class W, Arithmetic arithmetic, std::size_t out, std::size_t in>
void product(benchmark::State& state) {
    using M = Matrix<W, out, in>;
    using A = nn::Activation<W, arithmetic>;
    const auto tokens = static_cast<std::size_t>(state.range(0));
    constexpr std::size_t bytes = matrix_bytes<W, out, in>();
    const std::size_t copies = tokens > streaming_tokens ? 1 : streamed_bytes / bytes + 1;
    Arena arena(copies * bytes);
    auto* memory = arena.take<std::byte, dynamic>(copies * bytes).data();
    for (std::size_t i = 0; i < copies * bytes / 2; ++i) {
        const std::uint16_t value = 0x3c00;  // a small bf16, a plain f16 scale
        __builtin_memcpy(memory + 2 * i, &value, 2);
    }
    const std::vector<float> floats(tokens * in, 0.5f);
    std::vector<float> y(tokens * out);
    Arena scratch(tokens * in * 4 + 4096);
    const auto rounded = nn::Rounded<A, in>::take(scratch, tokens);
    ThreadPool pool(static_cast<std::size_t>(state.range(1)));
    const auto x = rounded(Rows<const float, in>(floats.data(), tokens), pool);
    std::size_t copy = 0;
    for (auto _ : state) {
        const M w(reinterpret_cast<decltype(M().data())>(memory + copy * bytes));
        copy = (copy + 1) % copies;
        nn::project(pool, x, nn::Product{w, Rows<float, out>(y.data(), tokens)});
        benchmark::DoNotOptimize(y.data());
        benchmark::ClobberMemory();
    }
    const auto n = static_cast<double>(state.iterations());
    state.counters["multiply_adds"] =
        benchmark::Counter(n * static_cast<double>(tokens * out * in), benchmark::Counter::kIsRate);
    state.counters["weight_bytes"] =
        benchmark::Counter(n * static_cast<double>(bytes), benchmark::Counter::kIsRate);
}

void tokens_and_threads(benchmark::internal::Benchmark* b) {
    for (const int tokens : {1, 2, 4, 8, 16, 512, 2520})
        for (const int threads : {1, 2}) b->Args({tokens, threads});
    b->MeasureProcessCPUTime()->UseRealTime();
}

constexpr auto exact = Arithmetic::exact, fast = Arithmetic::fast;
#define CARAT_PRODUCT(W, a, out, in) BENCHMARK(product<W, a, out, in>)->Apply(tokens_and_threads)
CARAT_PRODUCT(bf16, exact, 6144, 1536);  // gate_proj
CARAT_PRODUCT(bf16, fast, 6144, 1536);
CARAT_PRODUCT(bf16, fast, 1536, 6144);  // down_proj
CARAT_PRODUCT(bf16, fast, 1536, 2048);  // o_proj
CARAT_PRODUCT(bf16, fast, 3072, 768);   // the vision tower's gate_proj, down_proj and q_proj
CARAT_PRODUCT(bf16, fast, 768, 3072);
CARAT_PRODUCT(bf16, fast, 768, 768);
CARAT_PRODUCT(q8_0, exact, 6144, 1536);
CARAT_PRODUCT(q8_0, fast, 6144, 1536);
CARAT_PRODUCT(q4_0, exact, 6144, 1536);
CARAT_PRODUCT(q4_0, fast, 6144, 1536);

}  // namespace

// Products at the shapes of E2B: one token (bytes a second against the read bandwidth) and a
// prompt's tokens (multiply-adds a second against the machine's peak).
#include "carat/simd/convert.hpp"
#include "carat/simd/matmul.hpp"
#include "carat/simd/panels.hpp"

#include <benchmark/benchmark.h>

#include <cstddef>
#include <vector>

namespace {

using namespace carat;
constexpr std::size_t out = 6144, in = 1536;

void report(benchmark::State& state, std::size_t weight_bytes) {
    const auto tokens = static_cast<double>(state.range(0));
    const auto n = static_cast<double>(state.iterations());
    state.counters["multiply_adds"] =
        benchmark::Counter(n * tokens * out * in, benchmark::Counter::kIsRate);
    state.counters["weight_bytes"] =
        benchmark::Counter(n * static_cast<double>(weight_bytes), benchmark::Counter::kIsRate);
}

template <class W, class X>
void rows(benchmark::State& state) {
    const auto tokens = static_cast<std::size_t>(state.range(0));
    const std::vector<W> w(out * in, from_f32<W>(0.01f));
    const std::vector<X> x(tokens * in, from_f32<X>(0.5f));
    std::vector<float> y(tokens * out);
    for (auto _ : state) {
        simd::matmul(w.data(), in, out, x.data(), in, tokens, in, y.data(), out);
        benchmark::DoNotOptimize(y.data());
        benchmark::ClobberMemory();
    }
    report(state, w.size() * sizeof(W));
}

template <class Format, class X>
void panels(benchmark::State& state) {
    using Matrix = PanelView<Format, out, in>;
    const auto tokens = static_cast<std::size_t>(state.range(0));
    const std::vector<typename Matrix::Element> memory(Matrix::panels);
    const std::vector<float> floats(tokens * in, 0.5f);
    std::vector<X> x(tokens * in / values_in<X>);
    simd::convert(floats.data(), floats.size(), x.data());
    std::vector<float> y(tokens * out);
    for (auto _ : state) {
        simd::matmul(Matrix(memory.data()), 0, out, ActivationRows<const X, in>(x.data(), tokens),
                     y.data(), out);
        benchmark::DoNotOptimize(y.data());
        benchmark::ClobberMemory();
    }
    report(state, memory.size() * sizeof(typename Matrix::Element));
}

BENCHMARK(rows<float, float>)->Arg(1)->Arg(128);
BENCHMARK(rows<bf16, float>)->Arg(1)->Arg(128);
BENCHMARK(rows<bf16, bf16>)->Arg(1)->Arg(128);
BENCHMARK(panels<q8_0, float>)->Arg(1)->Arg(128);
BENCHMARK(panels<q8_0, q8_activation>)->Arg(1)->Arg(128);
BENCHMARK(panels<q4_0, float>)->Arg(1)->Arg(128);
BENCHMARK(panels<q4_0, q8_activation>)->Arg(1)->Arg(128);

}  // namespace

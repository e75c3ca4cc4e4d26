// What oneDNN makes of the products that matmul_bench times, in bf16 with f32 sums and with weights
// in the order it likes best: the peer of simd/packed.hpp. Built when libdnnl-dev is there; its
// threads are OpenMP's, so OMP_NUM_THREADS says how many.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <dnnl.hpp>

namespace {

/// state.range: tokens, out, in. bf16 weights [out, in], activations [tokens, in].
void onednn_product(benchmark::State& state) {
    using dnnl::memory;
    const memory::dim tokens = state.range(0), out = state.range(1), in = state.range(2);
    const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
    dnnl::stream stream(engine);
    const memory::desc x_desc({tokens, in}, memory::data_type::bf16, memory::format_tag::ab);
    const memory::desc w_desc({in, out}, memory::data_type::bf16, memory::format_tag::any);
    const memory::desc y_desc({tokens, out}, memory::data_type::f32, memory::format_tag::ab);
    const dnnl::matmul::primitive_desc chosen(dnnl::matmul::desc(x_desc, w_desc, y_desc), engine);
    const dnnl::matmul product(chosen);
    memory x(x_desc, engine), w(chosen.weights_desc(), engine), y(y_desc, engine);
    const auto fill = [](const memory& m) {
        auto* values = static_cast<std::uint16_t*>(m.get_data_handle());
        for (std::size_t i = 0; i < m.get_desc().get_size() / 2; ++i) values[i] = 0x3c00;
    };
    fill(x);
    fill(w);
    for (auto _ : state) {
        product.execute(stream, {{DNNL_ARG_SRC, x}, {DNNL_ARG_WEIGHTS, w}, {DNNL_ARG_DST, y}});
        stream.wait();
        benchmark::DoNotOptimize(y.get_data_handle());
        benchmark::ClobberMemory();
    }
    state.counters["multiply_adds"] = benchmark::Counter(
        static_cast<double>(state.iterations() * tokens * out * in), benchmark::Counter::kIsRate);
}
BENCHMARK(onednn_product)
    ->Args({2520, 3072, 768})
    ->Args({2520, 768, 3072})
    ->Args({2520, 768, 768})
    ->Args({512, 6144, 1536})
    ->Args({512, 1536, 6144})
    ->Args({512, 1536, 2048})
    ->MeasureProcessCPUTime()
    ->UseRealTime();

}  // namespace

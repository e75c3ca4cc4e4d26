// The vision tower of E2B at 2520 patches, the most that 280 soft tokens have: patch embedder, one
// layer, the whole. FLOP/s count multiplications and additions of products and attention.
#include "carat/checkpoint/tensors/text_tensors.hpp"
#include "carat/checkpoint/tensors/vision_tensors.hpp"
#include "carat/config/presets.hpp"
#include "carat/model/vision_tower.hpp"
#include "carat/parallel/thread_pool.hpp"

#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace {

using namespace carat;
constexpr VisionConfig config = presets::e2b.vision;
constexpr std::size_t columns = 60, rows = 42, patches = columns * rows;
constexpr std::size_t text_hidden = presets::e2b.text.hidden_size;

/// Gives every weight a place in an arena and small values: two passes, as memory is planned.
template <class Space>
struct Fill {
    using Name = std::string;
    static Name layer_prefix(std::size_t layer) { return std::to_string(layer); }
    Space& space;
    std::uint32_t state = 1;

    template <class T, std::size_t... Extents>
    void operator()(const Name&, View<const T, Extents...>& slot, Residence = Residence::resident) {
        const auto place = space.template take<T, Extents...>();
        slot = place;
        if (!place) return;
        for (std::size_t i = 0; i < place.size(); ++i) {
            state = state * 1664525 + 1013904223;
            place.data()[i] =
                from_f32<T>((static_cast<float>(state >> 8) * 0x1p-24f - 0.5f) * 0.1f);
        }
    }
    template <class T>  // bounds that never cut
    void optional(const Name&, View<const T, 1>& slot, Residence = Residence::resident) {
        slot = {};
    }
};

template <class Policy>
struct Tower {
    using Model = VisionTower<config, text_hidden, Policy>;
    typename Model::Weights weights;
    Arena weight_memory, scratch_memory;
    typename Model::Scratch scratch;
    ThreadPool pool;
    std::vector<float> values, x, out;
    std::vector<std::int32_t> positions;

    explicit Tower(std::size_t threads)
        : pool(threads),
          values(patches * Model::patch),
          x(patches * Model::hidden),
          out(patches / Model::cell * text_hidden) {
        MemoryPlan plan;
        Fill<MemoryPlan> count{plan};
        bind_vision_tower<Model>(count, weights);
        weight_memory = Arena(plan.bytes());
        Fill<Arena> fill{weight_memory};
        bind_vision_tower<Model>(fill, weights);
        scratch_memory = Arena(Model::scratch_bytes(patches, threads));
        scratch = Model::Scratch::take(scratch_memory, patches, threads);
        for (std::size_t i = 0; i < values.size(); ++i)
            values[i] = static_cast<float>(i * 2654435761u % 256) / 255.0f;
        for (std::size_t i = 0; i < patches; ++i) {
            positions.push_back(static_cast<std::int32_t>(i % columns));
            positions.push_back(static_cast<std::int32_t>(i / columns));
        }
        scratch.rotary.set(config.rope_theta, picture().positions);
    }
    typename Model::Picture picture() const {
        return {Rows<const float, Model::patch>(values.data(), patches),
                nn::vision::Positions(positions.data(), patches)};
    }
    void embed() {
        typename Model::Embedder{}.forward(
            weights.patch_embedder, picture().patches, picture().positions,
            Rows<float, Model::hidden>(x.data(), patches), scratch.embedder, pool);
    }
    void layer() {
        typename Model::Layer{}.forward(weights.layers[0], scratch.rotary,
                                        Rows<float, Model::hidden>(x.data(), patches),
                                        scratch.layer, pool);
    }
    void attend() {
        typename Model::Layer::Attention{}.forward(weights.layers[0].self_attn, scratch.rotary,
                                                   Rows<float, Model::hidden>(x.data(), patches),
                                                   scratch.layer.output, scratch.layer.attention,
                                                   pool);
    }
    void all() {
        Model{}.forward(weights, picture(),
                        Rows<float, text_hidden>(out.data(), patches / Model::cell), scratch, pool);
    }
};

constexpr double width = config.hidden_size, inner = config.intermediate_size;
constexpr double q_size = config.num_attention_heads * config.head_dim;
constexpr double embed_flops = 2.0 * patches * width * 768;
constexpr double attention_flops =
    2.0 * patches * 4 * width * q_size + 4.0 * patches * patches * q_size;
constexpr double layer_flops = attention_flops + 2.0 * patches * 3 * width * inner;
constexpr double tower_flops =
    embed_flops + config.num_hidden_layers * layer_flops + 2.0 * patches / 9 * width * text_hidden;

template <class Policy>
void run(benchmark::State& state, void (Tower<Policy>::*what)(), double flops) {
    Tower<Policy> tower(static_cast<std::size_t>(state.range(0)));
    tower.embed();
    for (auto _ : state) (tower.*what)();
    state.counters["flops"] =
        benchmark::Counter(flops, benchmark::Counter::kIsIterationInvariantRate);
}
void bf16_exact(benchmark::State& s, void (Tower<weights::bf16>::*what)(), double flops) {
    run<weights::bf16>(s, what, flops);
}
void bf16_fast(benchmark::State& s, void (Tower<weights::Fast<weights::bf16>>::*what)(),
               double flops) {
    run<weights::Fast<weights::bf16>>(s, what, flops);
}

using Exact = Tower<weights::bf16>;
using Fast = Tower<weights::Fast<weights::bf16>>;
#define CARAT_VISION_BENCH(kind, T, name, flops)   \
    BENCHMARK_CAPTURE(kind, name, &T::name, flops) \
        ->Unit(benchmark::kMillisecond)            \
        ->UseRealTime()                            \
        ->ArgName("threads")                       \
        ->Arg(1)                                   \
        ->Arg(2)
CARAT_VISION_BENCH(bf16_exact, Exact, embed, embed_flops);
CARAT_VISION_BENCH(bf16_exact, Exact, attend, attention_flops);
CARAT_VISION_BENCH(bf16_exact, Exact, layer, layer_flops);
CARAT_VISION_BENCH(bf16_exact, Exact, all, tower_flops);
CARAT_VISION_BENCH(bf16_fast, Fast, embed, embed_flops);
CARAT_VISION_BENCH(bf16_fast, Fast, attend, attention_flops);
CARAT_VISION_BENCH(bf16_fast, Fast, layer, layer_flops);
CARAT_VISION_BENCH(bf16_fast, Fast, all, tower_flops);
#undef CARAT_VISION_BENCH

}  // namespace

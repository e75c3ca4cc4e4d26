// The audio tower of E2B on one core: a conformer layer and the whole. `real_time` says how many
// times faster than the sound itself.
#include "carat/checkpoint/tensors/audio_tensors.hpp"
#include "carat/config/presets.hpp"
#include "carat/model/audio_tower.hpp"

#include <benchmark/benchmark.h>

#include <cstdint>
#include <string>
#include <vector>

namespace {

using namespace carat;

/// Points every weight at small random numbers.
class RandomWeights {
  public:
    using Name = std::string;
    static Name layer_prefix(std::size_t) { return {}; }
    template <class T, std::size_t... Extents>
    void operator()(const Name&, View<const T, Extents...>& slot) {
        auto& store = memory_.emplace_back(slot.size() * sizeof(T));
        T* p = reinterpret_cast<T*>(store.data());
        const float scale = slot.size() > 8192 ? 0.03f : 1.0f;
        for (std::size_t i = 0; i < slot.size(); ++i) {
            state_ = state_ * 1664525u + 1013904223u;
            p[i] = from_f32<T>(scale * (static_cast<float>(state_ >> 8) * 0x1p-24f - 0.5f));
        }
        slot = View<const T, Extents...>(p);
    }
    template <class Slot>
    void optional(const Name&, Slot&) {}  // no bounds: clamping costs the same

  private:
    std::vector<std::vector<std::byte>> memory_;
    std::uint32_t state_ = 1;
};

template <class Policy>
void tower(benchmark::State& state) {
    using Tower = AudioTower<presets::e2b.audio, presets::e2b.text.hidden_size, Policy>;
    const auto seconds = static_cast<std::size_t>(state.range(0));
    const std::size_t frames = seconds * 100, tokens = Tower::soft_tokens(frames);
    RandomWeights bind;
    typename Tower::Weights weights;
    bind_audio_tower<Tower>(bind, weights);
    const std::vector<float> features(frames * Tower::mel_bins, -1.0f);
    std::vector<float> out(tokens * presets::e2b.text.hidden_size);
    Serial serial;
    Arena arena(Tower::scratch_bytes(frames, 1));
    const auto scratch = Tower::Scratch::take(arena, frames, 1);
    for (auto _ : state) {
        Tower{}.forward(weights, Rows<const float, Tower::mel_bins>(features.data(), frames),
                        Rows<float, presets::e2b.text.hidden_size>(out.data(), tokens), scratch,
                        serial);
        benchmark::DoNotOptimize(out.data());
    }
    state.counters["real_time"] =
        benchmark::Counter(static_cast<double>(seconds) * static_cast<double>(state.iterations()),
                           benchmark::Counter::kIsRate);
    state.counters["scratch_MB"] = static_cast<double>(Tower::scratch_bytes(frames, 1)) * 1e-6;
}
BENCHMARK(tower<weights::bf16>)->Name("tower_exact")->Arg(5)->Unit(benchmark::kMillisecond);
BENCHMARK(tower<weights::Fast<weights::bf16>>)
    ->Name("tower_fast")
    ->Arg(5)
    ->Arg(30)
    ->Unit(benchmark::kMillisecond);

template <class Policy>
void conformer_layer(benchmark::State& state) {
    using Layer = nn::audio::ConformerLayer<presets::e2b.audio, Policy>;
    constexpr std::size_t hidden = Layer::hidden, tokens = 125;  // 5 s
    RandomWeights bind;
    typename Layer::Weights weights;
    bind_conformer_layer(bind, {}, weights);
    using Positions = typename Layer::Attention::Positions;
    MemoryPlan plan;
    (void)Positions::take(plan);
    (void)Layer::Scratch::take(plan, tokens);
    Arena arena(plan.bytes());
    const auto positions = Positions::take(arena);
    const auto scratch = Layer::Scratch::take(arena, tokens);
    positions.set();
    std::vector<float> x(tokens * hidden, 0.5f);
    Serial serial;
    for (auto _ : state) {
        Layer{}.forward(weights, positions, Rows<float, hidden>(x.data(), tokens), scratch, serial);
        benchmark::DoNotOptimize(x.data());
    }
}
BENCHMARK(conformer_layer<weights::bf16>)->Name("layer_exact")->Unit(benchmark::kMillisecond);
BENCHMARK(conformer_layer<weights::Fast<weights::bf16>>)
    ->Name("layer_fast")
    ->Unit(benchmark::kMillisecond);

}  // namespace

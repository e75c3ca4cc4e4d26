/// \file
/// One layer of a fixture's checkpoint, and what the reference's modules read and wrote in it.
#pragma once

#include "carat/checkpoint/tensors/text_tensors.hpp"
#include "carat/nn/decoder_layer.hpp"
#include "carat/parallel/thread_pool.hpp"
#include "support/fixture.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace carat::test {

/// Layer `layer` of a text config, weights in bf16 as stored, arithmetic exact.
template <TextConfig C, std::size_t layer>
struct LayerFixture {
    static constexpr LayerKind kind = C.kind(layer);
    static constexpr std::size_t hidden = C.hidden_size;
    static constexpr std::size_t tokens = 80;  ///< of text.safetensors
    static constexpr std::size_t taps = 32;    ///< rows of each tap
    using Layer = nn::DecoderLayer<kind, Gemma4Modules<weights::bf16>>;
    using Attention = typename Layer::Attention;

    std::string name = std::to_string(layer);
    Fixture text;
    CheckpointFiles files;
    typename Layer::Weights weights{};
    Arena weight_memory;
    ThreadPool pool{2};
    std::deque<Arena> arenas;

    explicit LayerFixture(const std::string& model) : text(model, "text") {
        auto opened = CheckpointFiles::open(fixture_path(model));
        REQUIRE(opened);
        files = std::move(*opened);
        const auto prefix = text_prefix(files);
        REQUIRE(prefix);
        Binder bind(files, *prefix);
        bind_layer<Layer>(bind, Binder::layer_prefix(layer), weights);
        auto memory = bind.finish();
        if (!memory) FAIL(memory.error().text);
        weight_memory = std::move(*memory);
    }

    /// What `take(space)` takes, in memory that lives as long as this.
    template <class F>
    auto taken(F&& take) {
        MemoryPlan plan;
        take(plan);
        Arena& arena = arenas.emplace_back(plan.bytes());
        REQUIRE(arena);
        return take(arena);
    }

    [[nodiscard]] std::vector<float> tap(const std::string& module) const {
        return text.floats("tap." + name + "." + module);
    }
    void check_tap(const std::string& module, std::span<const float> actual) const {
        text.check("tap." + name + "." + module, actual);
    }
    [[nodiscard]] std::vector<float> layer_input() const { return text.floats("hidden." + name); }
    /// The residual stream after attention, of the tapped rows.
    [[nodiscard]] std::vector<float> after_attention() const {
        std::vector<float> x = tap("post_attention_layernorm");
        simd::add(x.data(), layer_input().data(), x.size());
        return x;
    }
    /// Rows of `x` through a norm of the layer.
    [[nodiscard]] static std::vector<float> normed(std::vector<float> x,
                                                   View<const float, hidden> weight) {
        for (std::size_t i = 0; i < x.size(); i += hidden)
            simd::rms_norm(x.data() + i, weight.data(), hidden, static_cast<float>(C.rms_norm_eps),
                           x.data() + i);
        return x;
    }
    static Rows<const float, hidden> rows(const std::vector<float>& x) {
        return Rows<const float, hidden>(x.data(), x.size() / hidden);
    }
    static Rows<float, hidden> rows(std::vector<float>& x) {
        return Rows<float, hidden>(x.data(), x.size() / hidden);
    }

    /// Masks and angles of the first n tokens as one call.
    typename Attention::Call call(std::size_t n) {
        positions.resize(n);
        for (std::size_t t = 0; t < n; ++t) positions[t] = static_cast<std::int32_t>(t);
        visible.resize(n);
        nn::visible_keys(C, kind.attention, {.tokens = n}, visible);
        typename Attention::Call c;
        c.visible = visible;
        c.rotary = taken([&](auto& space) { return decltype(c.rotary)::take(space, n); });
        c.rotary.set(kind.attention == AttentionType::full ? C.full_rope : C.sliding_rope,
                     positions);
        c.layer = layer;
        return c;
    }
    typename Attention::Cache cache() {
        return taken([](auto& space) { return Attention::Cache::take(space, tokens); });
    }
    /// A cache that holds the reference's keys and values of layer `producer`.
    typename Attention::Cache cache_of(std::size_t producer) {
        const auto c = cache();
        const std::string p = "kv." + std::to_string(producer);
        const auto k = text.floats(p + ".k"), v = text.floats(p + ".v");
        REQUIRE(k.size() == tokens * kind.kv_size());
        REQUIRE(v.size() == k.size());
        for (std::size_t i = 0; i < tokens * kind.kv_heads; ++i) {
            c.put_key(i / tokens, i % tokens, k.data() + i * kind.head_dim);
            c.put_value(i / tokens, i % tokens, v.data() + i * kind.head_dim);
        }
        return c;
    }

    std::vector<nn::Visible> visible;
    std::vector<std::int32_t> positions;
};

}  // namespace carat::test

#include "carat/nn/clipped_linear.hpp"

#include "carat/parallel/thread_pool.hpp"
#include "carat/tensor/arena.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

using namespace carat;

namespace {

constexpr std::size_t in = 37, out = 50, tokens = 7;

template <class T>
std::vector<T> wave(std::size_t n, double step) {
    std::vector<T> v(n);
    for (std::size_t i = 0; i < n; ++i)
        v[i] = from_f32<T>(static_cast<float>(std::sin(step * static_cast<double>(i + 1))));
    return v;
}

struct Bounds {
    float input_min, input_max, output_min, output_max;
};

/// What the layer means, in double; `round` as the layer's product takes its input.
template <class W, class Round>
std::vector<double> plain(const std::vector<W>& w, const std::vector<float>& x, Bounds b,
                          Round round) {
    std::vector<double> y(tokens * out);
    for (std::size_t t = 0; t < tokens; ++t)
        for (std::size_t r = 0; r < out; ++r) {
            double sum = 0;
            for (std::size_t i = 0; i < in; ++i)
                sum +=
                    static_cast<double>(to_f32(w[r * in + i])) *
                    static_cast<double>(round(std::clamp(x[t * in + i], b.input_min, b.input_max)));
            y[t * out + r] = std::clamp(sum, static_cast<double>(b.output_min),
                                        static_cast<double>(b.output_max));
        }
    return y;
}

template <class Layer>
std::vector<float> run(const typename Layer::Weights& w, const std::vector<float>& x,
                       ExecutorRef executor) {
    MemoryPlan plan;
    (void)Layer::Scratch::take(plan, tokens);
    Arena arena(plan.bytes() + 1);
    const auto scratch = Layer::Scratch::take(arena, tokens);
    std::vector<float> y(tokens * out);
    Layer{}.forward(w, Rows<const float, in>(x.data(), tokens), Rows<float, out>(y.data(), tokens),
                    scratch, executor);
    return y;
}

template <class Policy, class Round>
void check(Round round) {
    using W = typename Policy::tower;
    using Layer = nn::ClippedLinear<out, in, true, Policy>;
    const auto w = wave<W>(out * in, 0.7);
    const auto x = wave<float>(tokens * in, 1.3);
    const Bounds b{-0.5f, 0.75f, -1.0f, 0.625f};
    typename Layer::Weights weights{
        View<const W, out, in>(w.data()), View<const float, 1>(&b.input_min),
        View<const float, 1>(&b.input_max), View<const float, 1>(&b.output_min),
        View<const float, 1>(&b.output_max)};
    Serial serial;
    const auto y = run<Layer>(weights, x, serial);
    const auto expected = plain(w, x, b, round);
    for (std::size_t i = 0; i < y.size(); ++i)
        CHECK(static_cast<double>(y[i]) == doctest::Approx(expected[i]).epsilon(1e-5));
    CHECK(*std::max_element(y.begin(), y.end()) == b.output_max);
    CHECK(*std::min_element(y.begin(), y.end()) == b.output_min);
    ThreadPool pool(3);
    CHECK(run<Layer>(weights, x, pool) == y);
}

}  // namespace

TEST_CASE("a clipped linear layer clamps its input and its output") {
    check<weights::bf16>([](float v) { return v; });
    check<weights::f32>([](float v) { return v; });
    check<weights::Fast<weights::bf16>>([](float v) { return to_f32(to_bf16(v)); });
}

TEST_CASE("a clamp bounds infinities and leaves a NaN one, at every place of a row") {
    constexpr float inf = std::numeric_limits<float>::infinity();
    std::vector<float> x(19), y(19);
    for (std::size_t at = 0; at < x.size(); ++at) {
        std::fill(x.begin(), x.end(), 0.5f);
        const auto clamped = [&](float v, nn::Clamp clamp) {
            x[at] = v;
            simd::map(x.data(), x.size(), y.data(), clamp);
            return y[at];
        };
        CHECK(clamped(inf, {-1.0f, 2.0f}) == 2.0f);
        CHECK(clamped(-inf, {-1.0f, 2.0f}) == -1.0f);
        CHECK(std::isnan(clamped(std::numeric_limits<float>::quiet_NaN(), {-1.0f, 2.0f})));
        CHECK(std::isnan(clamped(std::numeric_limits<float>::quiet_NaN(), {})));
    }
    CHECK(std::isnan(nn::Clamp{}(std::numeric_limits<float>::quiet_NaN())));
}

TEST_CASE("bounds that a checkpoint does not have do not bound") {
    using Clipped = nn::ClippedLinear<out, in, true, weights::bf16>;
    using Plain = nn::ClippedLinear<out, in, false, weights::bf16>;
    const auto w = wave<bf16>(out * in, 0.7);
    const auto x = wave<float>(tokens * in, 1.3);
    const View<const bf16, out, in> view(w.data());
    Serial serial;
    CHECK(run<Clipped>({view, {}, {}, {}, {}}, x, serial) == run<Plain>({view}, x, serial));
}

#include "carat/gemma4.hpp"
#include "carat/parallel/thread_pool.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <carat/models/pocket.hpp>
#include <cmath>
#include <cstdint>
#include <vector>

namespace carat::test {
namespace {

constexpr std::size_t vocab = models::pocket.text.vocab_size;

/// Logits of every position of a made-up prompt.
template <class Policy>
std::vector<float> logits(std::size_t threads = 2, std::size_t chunk = 64) {
    using Model = Gemma4<models::pocket, Policy>;
    const auto model = Model::open(CARAT_SOURCE_DIR "/examples/pocket");
    REQUIRE(model);
    CHECK(model->memory_bytes() == Model::memory_plan().weights);
    ThreadPool pool(threads);
    auto session = model->session(pool, {.context_tokens = 64, .chunk_tokens = chunk});
    REQUIRE(session);
    std::vector<std::int32_t> ids;
    for (std::int32_t i = 0; i < 40; ++i) ids.push_back(30 + i * 37 % 1900);
    std::vector<float> out;
    REQUIRE(session->append(
        {.ids = ids, .logits_to_keep = 0},
        [&](std::size_t, std::span<const float> z) { out.insert(out.end(), z.begin(), z.end()); }));
    return out;
}

/// Mean Kullback-Leibler divergence of the distributions, in nats.
double divergence(const std::vector<float>& reference, const std::vector<float>& other) {
    double total = 0.0;
    const std::size_t rows = reference.size() / vocab;
    for (std::size_t r = 0; r < rows; ++r) {
        double sum_p = 0.0, sum_q = 0.0, kl = 0.0;
        const float *p = &reference[r * vocab], *q = &other[r * vocab];
        for (std::size_t i = 0; i < vocab; ++i) {
            sum_p += std::exp(static_cast<double>(p[i]));
            sum_q += std::exp(static_cast<double>(q[i]));
        }
        for (std::size_t i = 0; i < vocab; ++i) {
            const double log_p = static_cast<double>(p[i]) - std::log(sum_p);
            kl += std::exp(log_p) * (log_p - static_cast<double>(q[i]) + std::log(sum_q));
        }
        total += kl;
    }
    return total / static_cast<double>(rows);
}

TEST_CASE("quantised weights stay near the model they come from, eight bits nearer than four") {
    const auto exact = logits<weights::bf16>();
    const double q8 = divergence(exact, logits<weights::q8_0>());
    const double q4 = divergence(exact, logits<weights::q4_0>());
    MESSAGE("KL of q8_0 " << q8 << ", of q4_0 " << q4);
    CHECK(q8 > 0.0);
    CHECK(q8 < 0.005);
    CHECK(q4 > q8);
    CHECK(q4 < 0.5);
    CHECK(divergence(exact, logits<weights::Fast<weights::q8_0>>()) < 0.005);
}
TEST_CASE("quantised and fast: threads and chunks do not change a bit") {
    using Policy = weights::Fast<weights::q4_0>;
    const auto whole = logits<Policy>(2, 64);
    CHECK(logits<Policy>(1, 64) == whole);
    CHECK(logits<Policy>(3, 7) == whole);
}

}  // namespace
}  // namespace carat::test

/// \file
/// What rounding on the way must keep, of activations or of a cache: a small distance from the
/// reference, and every bit whatever the threads.
#pragma once

#include "carat/gemma4.hpp"
#include "carat/parallel/thread_pool.hpp"
#include "support/fixture.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace carat::test {

/// Logits of the 80 tokens of `model`, whose root mean square difference from the reference's is at
/// most `bound`.
template <ModelConfig C, class Policy>
void check_rounded(const std::string& model, double bound) {
    using Gemma = Gemma4<C, Policy>;
    const Fixture text(model, "text");
    const auto ids = text.ints("input_ids");
    const auto expected = text.floats("logits");
    const auto opened = Gemma::open(fixture_path(model));
    if (!opened) FAIL(opened.error().text);
    const auto logits = [&](std::size_t threads, std::size_t chunk) {
        ThreadPool pool(threads);
        auto session = opened->session(pool, {.context_tokens = 80, .chunk_tokens = chunk});
        REQUIRE(session);
        std::vector<float> all;
        REQUIRE(session->append({.ids = ids, .logits_to_keep = 0},
                                [&](std::size_t, std::span<const float> z) {
                                    all.insert(all.end(), z.begin(), z.end());
                                }));
        return all;
    };
    const auto distance = [&](const std::vector<float>& actual) {
        double squares = 0.0;
        for (std::size_t i = 0; i < actual.size(); ++i) {
            const double d = static_cast<double>(actual[i]) - static_cast<double>(expected[i]);
            squares += d * d;
        }
        return std::sqrt(squares / static_cast<double>(actual.size()));
    };
    // Prompts and single tokens have products of their own: sums of the same rounded values, in
    // another order. So a chunk's length may move the last bits; the number of threads may not.
    // In exact arithmetic neither.
    std::vector<float> whole;
    for (const std::size_t chunk : {80u, 17u, 1u}) {
        CAPTURE(chunk);
        const auto actual = logits(1, chunk);
        if (whole.empty()) whole = actual;
        if (Policy::arithmetic == Arithmetic::exact) CHECK(actual == whole);
        REQUIRE(actual.size() == expected.size());
        const double rms = distance(actual);
        MESSAGE(model << ", chunks of " << chunk << ": rms of the difference " << rms);
        CHECK(rms <= bound);
        CHECK(rms > 1e-3);  // it is not what the reference computes
        for (const std::size_t threads : {2u, 3u}) {
            CAPTURE(threads);
            CHECK(logits(threads, chunk) == actual);
        }
    }
}

/// The bound is the fixtures' for bf16 activations.
template <ModelConfig C>
void check_fast(const std::string& model, double bound) {
    check_rounded<C, weights::Fast<weights::bf16>>(model, bound);
}
/// Exact but for keys and values of type Element.
template <ModelConfig C, class Element>
void check_cache(const std::string& model, double bound) {
    check_rounded<C, weights::WithCache<weights::bf16, Element>>(model, bound);
}

}  // namespace carat::test

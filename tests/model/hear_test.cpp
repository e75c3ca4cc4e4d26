#include "carat/gemma4.hpp"
#include "carat/parallel/thread_pool.hpp"
#include "support/fixture.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <carat/models/e2b_mini.hpp>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace carat::test {
namespace {

using Gemma = Gemma4<models::e2b_mini>;
constexpr std::size_t vocab = Gemma::Text::vocab;
using Features = Rows<const float, nn::audio::mel_bins>;

Gemma open() {
    auto model = Gemma::open(fixture_path("e2b-mini"));
    if (!model) FAIL(model.error().text);
    return std::move(*model);
}

TEST_CASE("a prompt with sound has the reference's logits, from features to the last layer") {
    const Fixture f("e2b-mini", "multimodal");
    const Gemma model = open();
    ThreadPool pool(2);
    const auto features = f.floats("audio.input_features");
    const auto mask = f.bytes("audio.input_features_mask");
    const auto soft = model.hear(Features(features.data(), mask.size()), mask, pool);
    REQUIRE(soft);
    const auto ids = f.ints("audio.input_ids");
    auto session = model.session(pool, {.context_tokens = 128, .chunk_tokens = 50});
    REQUIRE(session);
    std::vector<float> logits(ids.size() * vocab);
    REQUIRE(session->append(
        Gemma::Session::Input{.ids = ids, .soft_tokens = soft->view(), .logits_to_keep = 0},
        [&](std::size_t row, std::span<const float> z) {
            std::copy(z.begin(), z.end(),
                      logits.begin() + static_cast<std::ptrdiff_t>(row * vocab));
        }));
    f.check("audio.logits", logits);
    const auto greedy = f.ints("audio.greedy_ids");
    const auto last = std::span(logits).last(vocab);
    CHECK(std::max_element(last.begin(), last.end()) - last.begin() == greedy[0]);
}

TEST_CASE("bad features are one line") {
    const Gemma model = open();
    Serial serial;
    std::vector<float> features(10 * 128, 0.5f);
    std::vector<std::uint8_t> mask(10, 1);
    const auto hear = [&](std::size_t masked) {
        const auto r =
            model.hear(Features(features.data(), 10), std::span(mask).first(masked), serial);
        return r ? std::to_string(r->rows()) : r.error().text;
    };
    CHECK(hear(10) == "3");
    CHECK(hear(0) == "3");
    CHECK(hear(9) == "input_features_mask has 9 frames, expected 10");
    mask[3] = 0;
    CHECK(hear(10) ==
          "input_features_mask is 0 at frame 3 and 1 at frame 4, expected ones and then zeros");
    std::fill(mask.begin() + 3, mask.end(), std::uint8_t{0});
    CHECK(hear(10) == "1");
    features[4 * 128] = std::numeric_limits<float>::quiet_NaN();  // where nobody listens
    CHECK(hear(10) == "1");
    features[2 * 128] = std::numeric_limits<float>::infinity();
    CHECK(hear(10) == "input_features has a value at frame 2 that is not a finite number");
    std::fill(mask.begin(), mask.end(), std::uint8_t{0});
    CHECK(hear(10) == "0");
}

}  // namespace
}  // namespace carat::test

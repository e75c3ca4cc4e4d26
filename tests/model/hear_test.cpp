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
using Features = Rows<const float, nn::audio::mel_bins>;

Gemma open() {
    auto model = Gemma::open(fixture_path("e2b-mini"));
    if (!model) FAIL(model.error().text);
    return std::move(*model);
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

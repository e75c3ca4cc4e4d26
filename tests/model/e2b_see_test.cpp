#include "model/see_checks.hpp"

#include <carat/models/e2b_mini.hpp>

using Checks = carat::test::SeeChecks<carat::Gemma4<carat::models::e2b_mini>>;

TEST_CASE("e2b-mini: prompts with sound have the reference's logits and words") {
    Checks("e2b-mini").sounds();
}
TEST_CASE("e2b-mini: prompts with pictures have the reference's logits and words") {
    Checks("e2b-mini").prompts();
}
TEST_CASE("pictures of one call do not know of each other") { Checks("e2b-mini").independent(); }

namespace {
constexpr carat::ModelConfig blind = [] {
    carat::ModelConfig c = carat::models::e2b_mini;
    c.vision = {};
    return c;
}();
}  // namespace

TEST_CASE("a model without a vision tower says so in one line") {
    auto files = carat::CheckpointFiles::open(carat::test::fixture_path("e2b-mini"));
    REQUIRE(files);
    const auto model = carat::Gemma4<blind>::from(std::move(*files));
    REQUIRE(model);
    carat::Serial serial;
    const auto seen = model->see({}, serial);
    REQUIRE_FALSE(seen);
    CHECK(seen.error().text == "this model does not see: its config has no vision tower");
}

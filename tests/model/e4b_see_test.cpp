#include "model/see_checks.hpp"

#include <carat/models/e4b_mini.hpp>

using Checks = carat::test::SeeChecks<carat::Gemma4<carat::models::e4b_mini>>;

TEST_CASE("e4b-mini: prompts with sound have the reference's logits and words") {
    Checks("e4b-mini").sounds();
}
TEST_CASE("e4b-mini: prompts with pictures have the reference's logits and words") {
    Checks("e4b-mini").prompts();
}

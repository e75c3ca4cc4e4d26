#include "model/see_checks.hpp"

#include <carat/models/a4b_mini.hpp>

using Checks = carat::test::SeeChecks<carat::Gemma4<carat::models::a4b_mini>>;

TEST_CASE("a4b-mini: prompts with pictures have the reference's logits and words") {
    Checks("a4b-mini").prompts();
}

#include "model/see_checks.hpp"

#include <carat/models/gemma4_31b_mini.hpp>

using Checks = carat::test::SeeChecks<carat::Gemma4<carat::models::gemma4_31b_mini>>;

TEST_CASE("31b-mini: prompts with pictures have the reference's logits and words") {
    Checks("31b-mini").prompts();
}

#include "model/vision_checks.hpp"

#include <carat/models/gemma4_31b_mini.hpp>

using Checks = carat::test::VisionChecks<carat::models::gemma4_31b_mini, carat::weights::bf16>;

TEST_CASE("31b-mini's vision tower agrees with the reference") { Checks("31b-mini").reference(); }
TEST_CASE("31b-mini's vision tower does not depend on threads") { Checks("31b-mini").threads(); }

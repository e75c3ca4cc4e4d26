#include "model/vision_checks.hpp"

#include <carat/models/a4b_mini.hpp>

using Checks = carat::test::VisionChecks<carat::models::a4b_mini, carat::weights::f32>;

TEST_CASE("a4b-mini's vision tower agrees with the reference") { Checks("a4b-mini").reference(); }
TEST_CASE("a4b-mini's vision tower does not depend on threads") { Checks("a4b-mini").threads(); }

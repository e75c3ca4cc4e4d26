#include "model/vision_checks.hpp"

#include <carat/models/e2b_mini.hpp>

using Checks = carat::test::VisionChecks<carat::models::e2b_mini, carat::weights::bf16>;

TEST_CASE("e2b-mini's vision tower agrees with the reference") { Checks("e2b-mini").reference(); }
TEST_CASE("e2b-mini's vision tower does not depend on threads") { Checks("e2b-mini").threads(); }
TEST_CASE("a picture whose patches make no grid is refused") { Checks("e2b-mini").bad_pictures(); }

#include "model/audio_checks.hpp"

#include <carat/models/e4b_mini.hpp>

using Checks = carat::test::AudioChecks<carat::models::e4b_mini, carat::weights::f32>;

TEST_CASE("e4b-mini's audio tower agrees with the reference") { Checks("e4b-mini").reference(); }
TEST_CASE("e4b-mini's audio tower does not depend on threads") { Checks("e4b-mini").threads(); }

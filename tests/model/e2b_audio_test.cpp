#include "model/audio_checks.hpp"

#include <carat/models/e2b_mini.hpp>

using Checks = carat::test::AudioChecks<carat::models::e2b_mini, carat::weights::bf16>;

TEST_CASE("e2b-mini's audio tower agrees with the reference") { Checks("e2b-mini").reference(); }
TEST_CASE("e2b-mini's audio tower does not depend on threads") { Checks("e2b-mini").threads(); }
TEST_CASE("a soft token depends on the sound up to it") { Checks("e2b-mini").causal(); }
TEST_CASE("a caller can stop the audio tower between layers") { Checks("e2b-mini").cancelled(); }

// A clip of 30 s takes no more than a constant and so much a second.
static_assert(Checks::Tower::scratch_bytes(2999, 1) < 31 * Checks::Tower::scratch_bytes(100, 1));

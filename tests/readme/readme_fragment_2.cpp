// README, "Where several units use a model": its two units in one, and what the second already has.
#include <array>
#include <carat/parallel/executor.hpp>
#include <cstdint>

static carat::Serial executor;
static constexpr std::array<std::int32_t, 1> ids{2};

#include "fragment.inc"

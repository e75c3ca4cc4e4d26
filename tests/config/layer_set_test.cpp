#include "carat/config/layer_set.hpp"

#include <doctest/doctest.h>

namespace {
using namespace carat;

static_assert(!LayerSet{}.contains(0));
static_assert(every_nth(5, 35).contains(4) && !every_nth(5, 35).contains(5));
static_assert(every_nth(5, 35).contains(34) && !every_nth(5, 35).contains(39));
static_assert(every_nth(0, 35) == LayerSet{} && every_nth(36, 35) == LayerSet{});
static_assert(every_nth(1, 256).contains(255));
}  // namespace

TEST_CASE("a layer set holds what was inserted, up to its capacity and not beyond") {
    LayerSet set;
    for (std::size_t l : {0u, 63u, 64u, 255u, 256u, 1000u}) set.insert(l);
    for (std::size_t l = 0; l < 1100; ++l) {
        CAPTURE(l);
        CHECK(set.contains(l) == (l == 0 || l == 63 || l == 64 || l == 255));
    }
}

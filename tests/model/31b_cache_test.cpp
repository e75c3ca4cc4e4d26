#include "model/fast_checks.hpp"

#include <carat/models/gemma4_31b_mini.hpp>

namespace carat::test {
namespace {

TEST_CASE("31b: q8_0 keys and values are near the reference, whole and in chunks the same bits") {
    check_cache<models::gemma4_31b_mini, q8_0>("31b-mini", 0.25);
}

}  // namespace
}  // namespace carat::test

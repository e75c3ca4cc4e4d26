#include "model/rounded_checks.hpp"

#include <carat/models/e2b_mini.hpp>

namespace carat::test {
namespace {

TEST_CASE("e2b: fast arithmetic is as near as bf16 gets, with any threads, whole and in chunks") {
    check_fast<models::e2b_mini>("e2b-mini", 0.5);
}

TEST_CASE("e2b: q8_0 keys and values are near the reference, whole and in chunks the same bits") {
    check_cache<models::e2b_mini, q8_0>("e2b-mini", 0.25);
}
TEST_CASE("e2b: q4_0 keys and values are near the reference, whole and in chunks the same bits") {
    check_cache<models::e2b_mini, q4_0>("e2b-mini", 2.5);
}
TEST_CASE("e2b: q8_0 keys and values in fast arithmetic, whose products are integers") {
    check_rounded<models::e2b_mini, weights::WithCache<weights::Fast<weights::bf16>, q8_0>>(
        "e2b-mini", 0.5);
}

}  // namespace
}  // namespace carat::test

#include "model/rounded_checks.hpp"

#include <carat/models/gemma4_31b_mini.hpp>

namespace carat::test {
namespace {

TEST_CASE("31b: fast arithmetic is as near as bf16 gets, with any threads, whole and in chunks") {
    check_fast<models::gemma4_31b_mini>("31b-mini", 0.5);
}

TEST_CASE("31b: q8_0 keys and values are near the reference, whole and in chunks the same bits") {
    check_cache<models::gemma4_31b_mini, q8_0>("31b-mini", 0.25);
}

}  // namespace
}  // namespace carat::test

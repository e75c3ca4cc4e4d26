#include "model/fast_checks.hpp"

#include <carat/models/gemma4_31b_mini.hpp>

namespace carat::test {
namespace {

TEST_CASE("31b: fast arithmetic is as near as bf16 gets, with any threads, whole and in chunks") {
    check_fast<models::gemma4_31b_mini>("31b-mini", 0.5);
}

}  // namespace
}  // namespace carat::test

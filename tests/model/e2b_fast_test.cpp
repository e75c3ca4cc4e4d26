#include "model/fast_checks.hpp"

#include <carat/models/e2b_mini.hpp>

namespace carat::test {
namespace {

TEST_CASE("e2b: fast arithmetic is as near as bf16 gets, with any threads, whole and in chunks") {
    check_fast<models::e2b_mini>("e2b-mini", 0.5);
}

}  // namespace
}  // namespace carat::test

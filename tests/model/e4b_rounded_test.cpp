#include "model/rounded_checks.hpp"

#include <carat/models/e4b_mini.hpp>

namespace carat::test {
namespace {

TEST_CASE("e4b: fast arithmetic is as near as bf16 gets, with any threads, whole and in chunks") {
    check_fast<models::e4b_mini>("e4b-mini", 1.0);
}

}  // namespace
}  // namespace carat::test

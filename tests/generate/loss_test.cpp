#include "carat/generate/loss.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

namespace carat {
namespace {

TEST_CASE("a loss is the mean over the labels that count") {
    const float even[] = {1.0f, 1.0f, 1.0f, 1.0f}, sure[] = {0.0f, 100.0f, 0.0f, 0.0f};
    Loss loss;
    CHECK(loss.add(even, 2) == doctest::Approx(std::log(4.0)));
    CHECK(loss.add(sure, 1) == doctest::Approx(0.0));
    CHECK(loss.add(sure, 3) == doctest::Approx(100.0));
    CHECK(loss.add(even, Loss::ignored) == 0.0);
    CHECK(loss.add(even, 4) == 0.0);
    CHECK(loss.count() == 3);
    CHECK(loss.mean() == doctest::Approx((std::log(4.0) + 100.0) / 3.0));
}

TEST_CASE("large logits do not overflow, and a label of no probability costs infinity") {
    const float lowest = -std::numeric_limits<float>::infinity();
    const float logits[] = {3e38f, -3e38f, lowest};
    Loss loss;
    CHECK(loss.add(logits, 0) == 0.0);
    CHECK(std::isinf(loss.add(logits, 2)));
}

TEST_CASE("a loss over no labels is not a number, as in the reference") {
    const float logits[] = {1.0f};
    Loss loss;
    CHECK(std::isnan(loss.mean()));
    loss.add(logits, Loss::ignored);
    CHECK(std::isnan(loss.mean()));
}

}  // namespace
}  // namespace carat

#include "carat/tensor/finite.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <limits>
#include <span>
#include <vector>

using carat::first_not_finite;

TEST_CASE("the first value that is no finite number is found wherever it stands") {
    using Limits = std::numeric_limits<float>;
    CHECK(first_not_finite({}) == 0);
    for (const std::size_t n : {1u, 2u, 63u, 64u, 65u, 127u, 128u, 129u, 200u}) {
        CAPTURE(n);
        std::vector<float> x(n + 1, Limits::max());
        x[0] = Limits::infinity();  // in front of what is asked for
        const std::span<const float> all(x.data() + 1, n);
        for (std::size_t i = 1; i < n; i += 2) x[i] = Limits::denorm_min();
        CHECK(first_not_finite(all) == n);
        for (const float bad : {Limits::infinity(), -Limits::infinity(), Limits::quiet_NaN()})
            for (std::size_t at = 0; at < n; ++at) {
                const float was = x[at + 1];
                x[at + 1] = bad;
                if (at + 1 < n) x[n] = bad;  // a later one does not count
                CHECK(first_not_finite(all) == at);
                x[n] = Limits::lowest();
                x[at + 1] = was;
            }
    }
}

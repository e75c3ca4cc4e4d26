/// \file
/// A tap that puts the hidden states of one run into another.
#pragma once

#include "carat/nn/tap.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

namespace carat::test {

/// Keeps the rows of one hidden state, or puts kept ones in their place.
struct Patch : NoTap {
    static constexpr bool hidden_states = true;
    std::size_t entry;
    bool put = false;
    std::vector<std::vector<float>> rows{};

    explicit Patch(std::size_t e) : entry(e) {}
    void hidden_state(std::size_t e, std::size_t row, std::span<float> x) {
        if (e != entry) return;
        if (put)
            std::copy_n(rows.at(row).begin(), x.size(), x.begin());
        else
            rows.emplace_back(x.begin(), x.end());
    }
};

/// Each of so many hidden states is what the rest is made of: kept of run(0, tap), it makes
/// run(1, tap), which is of another input, give the first one's result.
template <class Run>
void check_patching(std::size_t entries, Run&& run) {
    NoTap none;
    const auto wanted = run(0, none);
    REQUIRE(run(1, none) != wanted);
    for (std::size_t entry = 0; entry < entries; ++entry) {
        CAPTURE(entry);
        Patch patch(entry);
        CHECK(run(0, patch) == wanted);
        REQUIRE_FALSE(patch.rows.empty());
        patch.put = true;
        CHECK(run(1, patch) == wanted);
    }
}

}  // namespace carat::test

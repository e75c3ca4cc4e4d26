#include "carat/base/name_order.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace carat;

TEST_CASE("lists are put into the order of their names, equal names in their own order") {
    struct Named {
        std::string name;
        std::unique_ptr<std::size_t> place;  // moves only
    };
    std::mt19937 random(5);
    for (const std::size_t n : {0u, 1u, 2u, 3u, 50u}) {
        CAPTURE(n);
        std::vector<Named> all;
        std::vector<std::pair<std::string, std::size_t>> wanted;
        for (std::size_t i = 0; i < n; ++i) {
            const std::string name(random() % 3, static_cast<char>('a' + random() % 4));
            all.push_back({name, std::make_unique<std::size_t>(i)});
            wanted.emplace_back(name, i);
        }
        std::sort(wanted.begin(), wanted.end());
        sort_by_name(all, [](const Named& v) { return std::string_view(v.name); });
        REQUIRE(all.size() == n);
        for (std::size_t i = 0; i < n; ++i) {
            CHECK(all[i].name == wanted[i].first);
            CHECK(*all[i].place == wanted[i].second);
        }
    }
}

TEST_CASE("places are sorted by whatever the caller compares") {
    const std::vector<int> values{3, 1, 2};
    const auto places = sorted_places(
        values.size(), [&](std::size_t i, std::size_t j) { return values[i] < values[j]; });
    CHECK(places == std::vector<std::size_t>{1, 2, 0});
}

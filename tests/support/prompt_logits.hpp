/// \file
/// The logits of a made-up prompt: two models of one checkpoint are the same where these are.
#pragma once

#include "carat/parallel/executor.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace carat::test {

template <class Model>
std::vector<float> prompt_logits(const Model& model) {
    Serial serial;
    auto session = model.session(serial, {.context_tokens = 24});
    REQUIRE(session);
    std::vector<std::int32_t> ids;
    for (std::int32_t i = 0; i < 20; ++i) ids.push_back(30 + i * 37 % 400);
    std::vector<float> out;
    REQUIRE(session->append(
        {.ids = ids, .logits_to_keep = 0},
        [&](std::size_t, std::span<const float> z) { out.insert(out.end(), z.begin(), z.end()); }));
    return out;
}

}  // namespace carat::test

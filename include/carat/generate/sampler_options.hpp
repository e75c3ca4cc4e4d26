/// \file
/// SamplerOptions: how a Sampler draws tokens.
#pragma once

#include "carat/base/abi.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace carat::inline CARAT_ABI {

struct SamplerOptions {
    bool greedy =
        false;  ///< the largest logit; of equals the lowest id. Nothing below applies but penalties
    float temperature = 1.0f;  ///< > 0
    std::size_t top_k = 0;     ///< keep logits not below the k-th largest; 0: all
    float top_p = 1.0f;        ///< keep the smallest set of at least this probability; 1: all
    float min_p =
        0.0f;  ///< keep tokens of at least this share of the best one's probability; 0: all
    float repetition_penalty =
        1.0f;  ///< > 0; 1: none. Divides positive logits of tokens seen, multiplies negative ones
    std::uint64_t seed =
        0;  ///< the same seed, options and logits give the same tokens on every machine
    std::vector<std::int32_t> suppress_tokens{};  ///< never chosen, in greedy mode either
};

}  // namespace carat::inline CARAT_ABI

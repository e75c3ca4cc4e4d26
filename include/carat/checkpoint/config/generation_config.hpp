/// \file
/// GenerationConfig: how a model wants its tokens drawn and where it stops, out of
/// generation_config.json. Source: spec/text.md section 16, spec/variants.md section 5.
#pragma once

#include "carat/base/result.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace carat::inline CARAT_ABI {

/// Fields carry the names of generation_config.json. As it is: what the base models say.
struct GenerationConfig {
    bool do_sample = true;  ///< false: always the most probable token
    double temperature = 1.0;
    std::size_t top_k = 64;  ///< 0: all tokens
    double top_p = 0.95;
    double min_p = 0.0;
    double repetition_penalty = 1.0;
    std::vector<std::int32_t> eos_token_ids{1};  ///< `eos_token_id`, one or a list
    std::int32_t bos_token_id = 2, pad_token_id = 0;
    std::vector<std::int32_t> suppress_tokens{};  ///< never drawn, not even greedily
    std::size_t num_assistant_tokens = 0;         ///< of assistants: drafts at once; 0: not given

    friend bool operator==(const GenerationConfig&, const GenerationConfig&) = default;
};

/// Reads a generation_config.json. A key that is missing or null has the value it has in the
/// reference then: do_sample false, temperature 1, top_k 50, top_p 1, min_p 0, repetition_penalty 1
/// (and ids 1, 2 and 0 for end, begin and padding, as in every Gemma 4).
/// Bad input: what is not JSON, keys of the wrong type, numbers beyond their range; all at once.
Result<GenerationConfig> read_generation_config(std::string_view json_text, std::string_view what);

/// Reads `generation_config.json` of a model folder; a folder without one has the defaults of a
/// base model. Bad input: as above, and a file that cannot be read or that has more than 1 MB.
Result<GenerationConfig> read_generation_config_file(const std::string& folder);

}  // namespace carat::inline CARAT_ABI

#ifndef CARAT_SEPARATE_COMPILATION
#include "carat/checkpoint/config/generation_config.inl.hpp"
#endif

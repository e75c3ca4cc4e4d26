/// \file
/// config.json of an assistant into a DrafterConfig, and how it differs from a compiled one.
/// Source: spec/variants.md section 11.
#pragma once

#include "carat/base/result.hpp"
#include "carat/config/drafter_config.hpp"

#include <string>
#include <string_view>

namespace carat::inline CARAT_ABI {

/// Reads the config.json of an assistant (`model_type` "gemma4_assistant"). Missing keys have the
/// defaults of a model's. Bad input: as read_config().
Result<DrafterConfig> read_drafter_config(std::string_view json_text, std::string_view what);

/// Reads `config.json` of an assistant's folder. Bad input: as above, and a file that cannot be
/// read or that has more than 1 MB.
Result<DrafterConfig> read_drafter_config_file(const std::string& folder);

/// One line for each field in which `file` differs from `compiled`; empty if they describe one
/// drafter.
[[nodiscard]] std::string describe_difference(const DrafterConfig& compiled,
                                              const DrafterConfig& file);

}  // namespace carat::inline CARAT_ABI

#ifndef CARAT_SEPARATE_COMPILATION
#include "carat/checkpoint/config/drafter_config_json.inl.hpp"
#endif

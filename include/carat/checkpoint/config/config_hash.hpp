/// \file
/// A number that tells configs apart: what a packed checkpoint says of the model it is for.
#pragma once

#include "carat/config/model_config.hpp"

#include <cstdint>

namespace carat::inline CARAT_ABI {
/// Of every field that decides something, the same in every program.
[[nodiscard]] std::uint64_t config_hash(ModelConfig c);

}  // namespace carat::inline CARAT_ABI

#ifndef CARAT_SEPARATE_COMPILATION
#include "carat/checkpoint/config/config_hash.inl.hpp"
#endif

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

/// Writes the logits that follow `ids` and returns how many there are; 0 for anything wrong.
std::size_t bare_logits(std::span<const std::byte> checkpoint, std::span<const std::int32_t> ids,
                        std::span<float> out);

/// \file
/// A checksum that finds damage, not malice: FNV-1a over 64 bits.
#pragma once

#include "carat/base/abi.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace carat::inline CARAT_ABI {

class Fnv1a {
  public:
    void add(std::span<const std::byte> bytes) noexcept {
        for (const std::byte b : bytes)
            value_ = (value_ ^ static_cast<std::uint64_t>(b)) * 0x100000001b3u;
    }
    [[nodiscard]] std::uint64_t value() const noexcept { return value_; }

  private:
    std::uint64_t value_ = 0xcbf29ce484222325u;
};

}  // namespace carat::inline CARAT_ABI

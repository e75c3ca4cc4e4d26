/// \file
/// The version of carat. The one place where it is written: CMake reads it from here.
#pragma once

#include "carat/base/abi.hpp"

namespace carat::inline CARAT_ABI {

struct Version {
    int major, minor, patch;
    friend constexpr bool operator==(const Version&, const Version&) = default;
};

inline constexpr Version version{0, 1, 0};

}  // namespace carat::inline CARAT_ABI

/// \file
/// How tensors are bound: in which shape a file has them, where their bytes are, and what may be
/// done to get them there.
#pragma once

#include "carat/parallel/executor.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace carat::inline CARAT_ABI {

/// The shape in which a file holds a tensor whose view has another one of as many elements.
template <std::size_t... Extents>
struct FileShape {
    static constexpr std::array<std::size_t, sizeof...(Extents)> extents{Extents...};
};

/// Rows of a matrix in another order than a file's: row i is the file's row rows[i]. They must be
/// rows of it, and stay until the tensor has been read.
struct RowOrder {
    std::span<const std::int32_t> rows;
};

/// Where the bytes of a bound tensor are.
enum class Residence : std::uint8_t {
    resident,  ///< copied into the Arena, for what every token reads
    mapped,    ///< in the file itself, if it has the wanted form and alignment; else as resident
};

struct BindOptions {
    bool convert = true;  ///< false: a tensor of another type than wanted is a fault
    /// Threads that copy, convert and pack; nothing: the caller's own.
    std::optional<ExecutorRef> executor = std::nullopt;
    /// Of a packed checkpoint: weights stay in their file, which costs no memory of the program's
    /// own. Reading them there is slower than out of the huge pages that they are copied to
    /// otherwise.
    bool in_place = false;
    /// Of a packed checkpoint: its data is compared with its checksums, all of it, before any is
    /// used. Without, as much as is copied.
    bool verify = true;
};

}  // namespace carat::inline CARAT_ABI

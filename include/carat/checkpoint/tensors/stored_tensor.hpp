/// \file
/// StoredTensor: a tensor as a file of weights holds it, whatever the format of the file.
#pragma once

#include "carat/base/name_order.hpp"
#include "carat/tensor/element.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace carat::inline CARAT_ABI {

/// What a converter has done to a tensor's values, to be undone when they are read
/// (converted_values.hpp).
enum class Converted : std::uint8_t {
    nothing,
    channels_first,  ///< rows are patches of pixels: [3, side, side] instead of [side, side, 3]
    softplus,        ///< log(1 + exp(x))
};

/// A tensor in a file: row-major, little-endian, aligned to nothing, unless it says otherwise.
struct StoredTensor {
    std::string name;              ///< as the tables of spec/checkpoint.md sections 2 to 5 have it
    std::string stored_as;         ///< the name in the file, where that is another one (GGUF)
    DType dtype = DType::unknown;  ///< unknown: a type carat cannot read, but whose place it knows
    std::string dtype_name;        ///< as the file spells it
    std::vector<std::size_t> shape;
    const std::byte* data = nullptr;
    std::size_t bytes = 0;
    Converted converted = Converted::nothing;  ///< `shape` is that of what it was made from
    bool panels = false;  ///< not row-major, but as kernels want it (packed checkpoints)
    /// Of a packed checkpoint: the checksums of its pieces, aligned to nothing; else null.
    const std::byte* sums = nullptr;

    /// The name for people: the one that the file has.
    [[nodiscard]] const std::string& spelling() const noexcept {
        return stored_as.empty() ? name : stored_as;
    }
    /// Elements in all; 1 for shape []. Cannot overflow: the reader has checked.
    [[nodiscard]] std::size_t count() const noexcept {
        std::size_t n = 1;
        for (const std::size_t extent : shape) n *= extent;
        return n;
    }
    [[nodiscard]] std::span<const std::byte> span() const noexcept { return {data, bytes}; }
};

inline void sort_by_name(std::vector<StoredTensor>& tensors) {
    sort_by_name(tensors, [](const StoredTensor& t) { return std::string_view(t.name); });
}

/// The tensors in the order of their bytes, of two that begin together the shorter first.
[[nodiscard]] inline std::vector<const StoredTensor*> in_file_order(
    std::span<const StoredTensor> tensors) {
    std::vector<const StoredTensor*> order;
    order.reserve(tensors.size());
    const auto before = [&](std::size_t i, std::size_t j) {
        const StoredTensor &a = tensors[i], &b = tensors[j];
        return a.data != b.data ? a.data < b.data : a.bytes < b.bytes;
    };
    for (const std::size_t i : sorted_places(tensors.size(), before)) order.push_back(&tensors[i]);
    return order;
}

}  // namespace carat::inline CARAT_ABI

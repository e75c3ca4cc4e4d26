/// \file
/// WantedTensor: what a slot of a model asks of a checkpoint, and how a row of a file becomes what
/// it wants.
#pragma once

#include "carat/checkpoint/bind_options.hpp"
#include "carat/checkpoint/checkpoint_files.hpp"
#include "carat/checkpoint/tensors/stored_tensor.hpp"
#include "carat/tensor/element.hpp"
#include "carat/tensor/matrix.hpp"
#include "carat/tensor/stored_blocks.hpp"
#include "carat/tensor/view.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <utility>

namespace carat::inline CARAT_ABI {
namespace detail {

/// A tensor that a model wants: what of, and, once it has been looked up, where it is.
struct WantedTensor {
    std::string name;  ///< the binder's word; wanted_view() and the others leave it empty
    std::span<const std::size_t> shape;
    DType dtype;  ///< of a packed format that of its blocks; unknown: whatever the file has
    Residence residence;
    bool optional;
    void* slot;
    void (*set)(void* slot, const std::byte* data, DType stored);
    /// For packed formats: the bytes of all, the values of a row, and how a row of floats, or
    /// of blocks of the same format, goes to its place.
    std::size_t packed_bytes = 0, row_values = 0;
    void (*pack)(std::byte* base, std::size_t row, const float* values) = nullptr;
    void (*pack_blocks)(std::byte* base, std::size_t row, const std::byte* blocks) = nullptr;

    [[nodiscard]] std::size_t bytes() const {
        return pack != nullptr ? packed_bytes : stored_bytes(dtype, count);
    }
    const std::int32_t* order = nullptr;  ///< row i is the file's row order[i]

    // What find_wanted() finds, and where Binder::plan() puts it:
    CheckpointFiles::Located found{};
    CheckpointFiles::Located up{};  ///< where a file splits gate_up_proj: found is the gate
    std::size_t count = 0, offset = 0, leader = 0;
    bool copied = false;
};

/// Whether it is of a packed checkpoint.
inline bool comes_packed(const WantedTensor& want) {
    return want.found && want.found.tensor->sums != nullptr;
}

/// Whether the file has the bytes that are wanted.
inline bool as_wanted(const WantedTensor& want) {
    const StoredTensor& t = *want.found.tensor;
    return !want.up && want.order == nullptr && t.panels == (want.pack != nullptr) &&
           t.converted == Converted::nothing &&
           (want.dtype == DType::unknown || want.dtype == t.dtype);
}

/// Whether rows of it are read, not values.
inline bool read_by_rows(const WantedTensor& want) {
    return want.pack != nullptr || want.up || want.order != nullptr ||
           want.found.tensor->converted != Converted::nothing;
}

/// Whether two want the same bytes.
inline bool same_copy(const WantedTensor& a, const WantedTensor& b) {
    return a.found.tensor == b.found.tensor && a.dtype == b.dtype && a.pack == b.pack &&
           a.order == b.order;
}

/// Elements of a type, in the order of the file.
template <class T, std::size_t... Extents>
WantedTensor wanted_view(View<const T, Extents...>& slot, Residence residence, bool optional) {
    using Slot = View<const T, Extents...>;
    static_assert(is_float_stored(dtype_of<T>) && size_of(dtype_of<T>) > 0,
                  "carat: a bound tensor's elements are float, bf16 or f16; pack other weight "
                  "formats from one of these");
    static_assert(Slot::dynamic_extents == 0,
                  "carat: a bound tensor's shape must be static, for it is checked against the "
                  "file's");
    return {{},
            Slot::static_extents,
            dtype_of<T>,
            residence,
            optional,
            &slot,
            [](void* to, const std::byte* data, DType) {
                *static_cast<Slot*>(to) = Slot(reinterpret_cast<const T*>(data));
            }};
}

/// Rows of a table that stays in its file, of whatever type it is there.
template <std::size_t rows, std::size_t width>
WantedTensor wanted_rows(StoredRows<rows, width>& slot) {
    static constexpr std::array<std::size_t, 2> shape{rows, width};
    return {{},
            shape,
            DType::unknown,
            Residence::mapped,
            false,
            &slot,
            [](void* to, const std::byte* data, DType type) {
                *static_cast<StoredRows<rows, width>*>(to) = {data, type};
            }};
}

/// Quantised rows in panels.
template <class Format, std::size_t out, std::size_t in, class Slot>
WantedTensor wanted_panels(Slot& slot, std::span<const std::size_t> shape) {
    using Item = PanelView<Format, out, in>;
    using Element = typename Item::Element;
    using Block = QuantBlock<Format>;
    std::size_t rows = 1;
    for (const std::size_t n : shape.first(shape.size() - 1)) rows *= n;
    // Block b of a row to its place; blocks(b) is where it comes from.
    static constexpr auto set_row = [](std::byte* base, std::size_t row, auto&& block) {
        auto* panels = reinterpret_cast<Element*>(base) + row / out * Item::panels;
        Element& panel = panels[row % out / panel_rows];
        for (std::size_t b = 0; b < in / quant_block; ++b)
            panel[b].set(row % out % panel_rows, block(b));
    };
    return {{},
            shape,
            dtype_of<Block>,
            Residence::resident,
            false,
            &slot,
            [](void* to, const std::byte* data, DType) {
                *static_cast<Slot*>(to) = Slot(reinterpret_cast<const Element*>(data));
            },
            rows / out * Item::panels * sizeof(Element),
            in,
            [](std::byte* base, std::size_t row, const float* values) {
                set_row(base, row,
                        [&](std::size_t b) { return Block::quantize(values + b * quant_block); });
            },
            [](std::byte* base, std::size_t row, const std::byte* blocks) {
                set_row(base, row, [&](std::size_t b) {
                    Block block;
                    std::memcpy(&block, blocks + b * sizeof(Block), sizeof(Block));
                    return block;
                });
            }};
}

/// Rows in blocks of a format of somebody's own.
template <class W, std::size_t rows, std::size_t blocks, class Slot>
WantedTensor wanted_blocks(Slot& slot, std::span<const std::size_t> shape) {
    return {{},
            shape,
            DType::f32,
            Residence::resident,
            false,
            &slot,
            [](void* to, const std::byte* data, DType) {
                *static_cast<Slot*>(to) = Slot(reinterpret_cast<const W*>(data));
            },
            rows * blocks * sizeof(W),
            blocks * W::values,
            [](std::byte* base, std::size_t row, const float* values) {
                W* to = reinterpret_cast<W*>(base) + row * blocks;
                for (std::size_t b = 0; b < blocks; ++b)
                    to[b] = W::quantize(values + b * W::values);
            },
            [](std::byte* base, std::size_t row, const std::byte* floats) {
                W* to = reinterpret_cast<W*>(base) + row * blocks;
                std::array<float, W::values> values;  // a file aligns nothing
                for (std::size_t b = 0; b < blocks; ++b) {
                    std::memcpy(values.data(), floats + b * sizeof(values), sizeof(values));
                    to[b] = W::quantize(values.data());
                }
            }};
}

}  // namespace detail
}  // namespace carat::inline CARAT_ABI

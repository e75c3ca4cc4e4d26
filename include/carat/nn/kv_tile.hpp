/// \file
/// A tile of keys and of values of one head, as floats or as quantised blocks: how rows go in and
/// out, and how the kernels of attention get them as operands.
#pragma once

#include "carat/simd/lane_blocks.hpp"
#include "carat/simd/lane_panels.hpp"
#include "carat/tensor/element.hpp"
#include "carat/tensor/matrix.hpp"
#include "carat/tensor/quantized.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <type_traits>

namespace carat::inline CARAT_ABI::nn {
inline namespace HWY_NAMESPACE {

/// Keys scored together, unless a layer says otherwise. A tile of keys with a head of 256 is 64 kB
/// in bf16 and stays in the second-level cache while the queries of a block pass; shorter ones
/// would split short contexts more evenly, but are merged more often.
inline constexpr std::size_t kv_tile = 128;

/// Element is float or bf16. Lanes of a value are whole panels.
template <class Element, std::size_t head_dim, std::size_t tile = kv_tile>
struct KvTile {
    static_assert(head_dim % simd::panel_pair<Element> == 0,
                  "carat: head_dim must be even with a cache of bf16, whose kernels take pairs");
    static constexpr DType stored_as = dtype_of<Element>;
    static constexpr std::size_t lanes =
        (head_dim + simd::panel_width - 1) / simd::panel_width * simd::panel_width;
    /// What is stored of a token.
    using Row = std::array<Element, head_dim>;

    static Row round(const float* x) noexcept {
        Row row;
        simd::convert(x, head_dim, row.data());
        return row;
    }
    static void widen(const Row& row, float* out) noexcept {
        simd::scale_row(row.data(), head_dim, 1.0f, out);
    }

    struct Keys {
        Element panels[tile * head_dim];

        void set(std::size_t token, const Row& row) noexcept {
            simd::set_lane(panels, head_dim, token, row.data());
        }
        [[nodiscard]] Row get(std::size_t token) const noexcept {
            Row row;
            simd::get_lane(panels, head_dim, token, row.data());
            return row;
        }
        /// The panels [first, first + n), in place or in `room` [tile · head_dim].
        template <class X>
        const X* operands(std::size_t first, std::size_t n, X* room) const noexcept {
            constexpr std::size_t panel = simd::panel_width * head_dim;
            if constexpr (std::is_same_v<X, Element>) {
                return panels + first * panel;
            } else {
                simd::convert_panels(panels + first * panel, n * panel, room);
                return room;
            }
        }
    };
    struct Values {
        Element panels[tile * lanes];

        void set(std::size_t token, const Row& row) noexcept {
            simd::set_inner(panels, tile, token, row.data(), head_dim);
        }
        [[nodiscard]] Row get(std::size_t token) const noexcept {
            Row row;
            simd::get_inner(panels, tile, token, row.data(), head_dim);
            return row;
        }
        /// All panels, of which the tokens [begin, end) count; in place or in `room` [tile ·
        /// lanes].
        template <class X>
        const X* operands(std::size_t begin, std::size_t end, X* room) const noexcept {
            if constexpr (std::is_same_v<X, Element>) {
                return panels;
            } else {
                const std::size_t from = begin / 2 * 2, n = (end + 1) / 2 * 2 - from;
                for (std::size_t p = 0; p < lanes / simd::panel_width; ++p) {
                    const std::size_t at = (p * tile + from) * simd::panel_width;
                    simd::convert_panels(panels + at, n * simd::panel_width, room + at);
                }
                return room;
            }
        }
    };
};

/// Blocks of 32 of a head's dimensions; what the last has beyond them is zero.
template <class Format, std::size_t head_dim, std::size_t tile>
requires is_quantized<Format>
struct KvTile<Format, head_dim, tile> {
    static_assert(head_dim % 2 == 0, "carat: head_dim must be even with a quantised cache");
    using Block = QuantBlock<Format>;
    static constexpr DType stored_as = dtype_of<Block>;
    static constexpr std::size_t blocks = (head_dim + quant_block - 1) / quant_block;
    static constexpr std::size_t lanes =
        (head_dim + simd::panel_width - 1) / simd::panel_width * simd::panel_width;
    using Row = std::array<Block, blocks>;

    static Row round(const float* x) noexcept {
        Row row;
        std::array<float, quant_block> last{};
        for (std::size_t b = 0; b < blocks; ++b, x += quant_block) {
            const std::size_t n = std::min(quant_block, head_dim - b * quant_block);
            if (n < quant_block) std::copy_n(x, n, last.begin());
            row[b] = Block::quantize(n < quant_block ? last.data() : x);
        }
        return row;
    }
    static void widen(const Row& row, float* out) noexcept {
        for (std::size_t i = 0; i < head_dim; ++i) {
            const Block& b = row[i / quant_block];
            out[i] = static_cast<float>(b.level(i % quant_block)) * to_f32(b.scale);
        }
    }

    struct Keys {
        simd::KeyBlocks<Format> panels[tile / simd::panel_width][blocks];

        void set(std::size_t token, const Row& row) noexcept {
            for (std::size_t b = 0; b < blocks; ++b)
                panels[token / simd::panel_width][b].set(token % simd::panel_width, row[b]);
        }
        [[nodiscard]] Row get(std::size_t token) const noexcept {
            Row row;
            for (std::size_t b = 0; b < blocks; ++b)
                row[b] = panels[token / simd::panel_width][b].get(token % simd::panel_width);
            return row;
        }
        template <class X>
        const X* operands(std::size_t first, std::size_t n, X* room) const noexcept {
            for (std::size_t p = 0; p < n; ++p)
                simd::expand_keys(panels[first + p], head_dim,
                                  room + p * simd::panel_width * head_dim);
            return room;
        }
    };
    struct Values {
        simd::ValueBlocks<Format, tile> columns[blocks];

        void set(std::size_t token, const Row& row) noexcept {
            for (std::size_t b = 0; b < blocks; ++b) columns[b].set(token, row[b]);
        }
        [[nodiscard]] Row get(std::size_t token) const noexcept {
            Row row;
            for (std::size_t b = 0; b < blocks; ++b) row[b] = columns[b].get(token);
            return row;
        }
        template <class X>
        const X* operands(std::size_t begin, std::size_t end, X* room) const noexcept {
            simd::expand_values(columns, lanes, begin / 2 * 2, (end + 1) / 2 * 2, room);
            return room;
        }
    };
};

}  // namespace HWY_NAMESPACE
}  // namespace carat::inline CARAT_ABI::nn

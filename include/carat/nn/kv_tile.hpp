/// \file
/// A tile of keys and of values of one head, as floats or as quantised blocks: how rows go in and
/// out, and what attention multiplies them with.
#pragma once

#include "carat/simd/lane_panels.hpp"
#include "carat/simd/panels.hpp"
#include "carat/simd/value_blocks.hpp"
#include "carat/tensor/element.hpp"
#include "carat/tensor/matrix.hpp"
#include "carat/tensor/quantized.hpp"
#include "carat/tensor/weights.hpp"

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

/// What floats are multiplied as: keys with queries, values with probabilities.
template <Arithmetic a>
using AttentionOperand = std::conditional_t<a == Arithmetic::fast, simd::FastOperand, float>;

/// n values and what makes pieces of `size` of them whole.
template <std::size_t size>
constexpr std::size_t whole(std::size_t n) {
    return (n + size - 1) / size * size;
}

/// Element is float or bf16. Lanes of a value are whole panels.
template <class Element, std::size_t head_dim, std::size_t tile = kv_tile>
struct KvTile {
    static_assert(head_dim % simd::panel_pair<Element> == 0,
                  "carat: head_dim must be even with a cache of bf16, whose kernels take pairs");
    static constexpr DType stored_as = dtype_of<Element>;
    static constexpr std::size_t lanes = whole<simd::panel_width>(head_dim);
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

    /// A query as keys are multiplied with it.
    template <Arithmetic a>
    using Query = std::array<AttentionOperand<a>, head_dim>;
    static void take(const float* q, auto& query) noexcept {
        simd::convert(q, head_dim, query.data());
    }
    /// Where a tile becomes operands, if it is not multiplied as it lies.
    template <Arithmetic a>
    using Room = std::array<AttentionOperand<a>,
                            std::is_same_v<AttentionOperand<a>, Element> ? 0 : tile * lanes>;

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
        /// Scores of `rows` queries with the keys of the panels [first, first + n).
        ///   y [rows, 16 · n], its rows `tile` apart
        template <Arithmetic a>
        void score(const Query<a>* queries, std::size_t rows, std::size_t first, std::size_t n,
                   float* y, Room<a>& room) const noexcept {
            const Element* from = panels + first * simd::panel_width * head_dim;
            multiply<a>(
                rows, from, room,
                [&](auto* to) { simd::convert_panels(from, n * simd::panel_width * head_dim, to); },
                [&](const auto* w) {
                    simd::panel_product(queries->data(), head_dim, rows, w, head_dim, n, 0,
                                        head_dim, y, tile);
                });
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
        /// Sums of the values of the tokens [begin, end), by probabilities.
        ///   p [rows, tile], 0 for other tokens of their panels; y [rows, lanes]
        template <Arithmetic a>
        void mix(const AttentionOperand<a>* p, std::size_t rows, std::size_t begin, std::size_t end,
                 float* y, Room<a>& room) const noexcept {
            multiply<a>(
                rows, panels, room,
                [&](auto* to) {
                    const std::size_t from = begin / 2 * 2, n = (end + 1) / 2 * 2 - from;
                    for (std::size_t panel = 0; panel < lanes / simd::panel_width; ++panel) {
                        const std::size_t at = (panel * tile + from) * simd::panel_width;
                        simd::convert_panels(panels + at, n * simd::panel_width, to + at);
                    }
                },
                [&](const auto* w) {
                    simd::panel_product(p, tile, rows, w, tile, lanes / simd::panel_width, begin,
                                        end, y, lanes);
                });
        }
    };

  private:
    /// Panels as they lie, if that is what is multiplied or so few rows pass that bf16 is widened
    /// meanwhile, for one token say; else as they are converted before.
    template <Arithmetic a, class Convert, class Product>
    static void multiply(std::size_t rows, const Element* panels, Room<a>& room,
                         const Convert& convert, const Product& product) {
        constexpr std::size_t few_rows = 16;
        using X = AttentionOperand<a>;
        if constexpr (std::is_same_v<X, Element>) {
            product(panels);
        } else {
            if constexpr (std::is_same_v<Element, bf16>)
                if (rows <= few_rows) return product(panels);
            convert(room.data());
            product(static_cast<const X*>(room.data()));
        }
    }
};

/// Blocks of 32 of a head's dimensions; what the last has beyond them is zero. Keys are multiplied
/// as weights are, and in fast arithmetic queries are rounded as activations.
template <class Format, std::size_t head_dim, std::size_t tile>
requires is_quantized<Format>
struct KvTile<Format, head_dim, tile> {
    static_assert(head_dim % 2 == 0, "carat: head_dim must be even with a quantised cache");
    using Block = QuantBlock<Format>;
    static constexpr DType stored_as = dtype_of<Block>;
    static constexpr std::size_t blocks = whole<quant_block>(head_dim) / quant_block;
    static constexpr std::size_t lanes = whole<simd::panel_width>(head_dim);
    using Row = std::array<Block, blocks>;

    static Row round(const float* x) noexcept {
        Whole all;
        take(x, all);
        Row row;
        for (std::size_t b = 0; b < blocks; ++b)
            row[b] = Block::quantize(all.data() + b * quant_block);
        return row;
    }
    static void widen(const Row& row, float* out) noexcept {
        for (std::size_t i = 0; i < head_dim; ++i) {
            const Block& b = row[i / quant_block];
            out[i] = static_cast<float>(b.level(i % quant_block)) * to_f32(b.scale);
        }
    }

    // Sizes are written out: g++ 12 takes no constants of the class in its alias templates.
    using Whole = std::array<float, whole<quant_block>(head_dim)>;
    using Activations = std::array<q8_activation, whole<quant_block>(head_dim) / quant_block>;
    template <Arithmetic a>
    using Query = std::conditional_t<a == Arithmetic::fast, Activations, Whole>;
    static void take(const float* q, Whole& query) noexcept {
        std::copy_n(q, head_dim, query.begin());
        std::fill(query.begin() + head_dim, query.end(), 0.0f);
    }
    static void take(const float* q, Activations& query) noexcept {
        Whole all;
        take(q, all);
        simd::convert(all.data(), all.size(), query.data());
    }
    template <Arithmetic a>
    using Room = std::array<AttentionOperand<a>, a == Arithmetic::fast && simd::integer_values
                                                     ? 0
                                                     : tile * whole<simd::panel_width>(head_dim)>;

    struct Keys {
        PanelBlock<Format> panels[tile / panel_rows][blocks];

        void set(std::size_t token, const Row& row) noexcept {
            for (std::size_t b = 0; b < blocks; ++b)
                panels[token / panel_rows][b].set(token % panel_rows, row[b]);
        }
        [[nodiscard]] Row get(std::size_t token) const noexcept {
            Row row;
            for (std::size_t b = 0; b < blocks; ++b)
                row[b] = panels[token / panel_rows][b].get(token % panel_rows);
            return row;
        }
        template <Arithmetic a>
        void score(const Query<a>* queries, std::size_t rows, std::size_t first, std::size_t n,
                   float* y, Room<a>&) const noexcept {
            if constexpr (a == Arithmetic::fast)
                simd::integer_panels(panels[first], blocks, n * panel_rows, queries->data(), rows,
                                     y, tile);
            else
                simd::exact_panels(panels[first], blocks, n * panel_rows, queries->data(),
                                   queries->size(), rows, y, tile);
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
        template <Arithmetic a>
        void mix(const AttentionOperand<a>* p, std::size_t rows, std::size_t begin, std::size_t end,
                 float* y, Room<a>& room) const noexcept {
            if constexpr (a == Arithmetic::fast && simd::integer_values) {
                simd::value_product(columns, lanes, p, tile, rows, begin, end, y, lanes);
            } else {
                simd::expand_values(columns, lanes, begin / 2 * 2, (end + 1) / 2 * 2, room.data());
                simd::panel_product(p, tile, rows, room.data(), tile, lanes / simd::panel_width,
                                    begin, end, y, lanes);
            }
        }
    };
};

}  // namespace HWY_NAMESPACE
}  // namespace carat::inline CARAT_ABI::nn

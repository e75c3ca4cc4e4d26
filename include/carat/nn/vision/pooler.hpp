/// \file
/// Patches into soft tokens' places: the mean of every k × k patches, times √hidden. Source:
/// spec/vision.md section 8.
#pragma once

#include "carat/nn/vision/patch_embedder.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace carat::inline CARAT_ABI::nn::vision {
inline namespace HWY_NAMESPACE {

template <VisionConfig C>
struct Pooler {
    static constexpr std::size_t hidden = C.hidden_size, kernel = C.pooling_kernel_size;
    static constexpr std::size_t cell = kernel * kernel;  ///< patches of a soft token

    /// Cells in a row of the grid.
    static std::size_t columns(Positions positions) {
        std::int32_t last = 0;
        for (std::size_t i = 0; i < positions.rows(); ++i) last = std::max(last, positions(i, 0));
        return (static_cast<std::size_t>(last) + 1) / kernel;
    }
    /// The cell of patch i, row-major.
    static std::size_t cell_of(Positions positions, std::size_t columns, std::size_t i) {
        return static_cast<std::size_t>(positions(i, 0)) / kernel +
               columns * (static_cast<std::size_t>(positions(i, 1)) / kernel);
    }

    /// x [cells · cell, hidden], whose positions fill whole cells; out [cells, hidden].
    void forward(Rows<const float, hidden> x, Positions positions, Rows<float, hidden> out) const {
        const std::size_t wide = columns(positions);
        std::fill_n(out.data(), out.size(), 0.0f);
        for (std::size_t i = 0; i < x.rows(); ++i)
            simd::add(out.row(cell_of(positions, wide, i)).data(), x.row(i).data(), hidden);
        const float root = std::sqrt(static_cast<float>(hidden));
        simd::map(out.data(), out.size(), out.data(), [&](auto v) {
            using V = decltype(v);
            return v / V(static_cast<float>(cell)) * V(root);
        });
    }
};

}  // namespace HWY_NAMESPACE
}  // namespace carat::inline CARAT_ABI::nn::vision

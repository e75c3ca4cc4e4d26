/// \file
/// Token embedding: rows of embed_tokens times sqrt(hidden_size). Source: spec/text.md section 3.
#pragma once

#include "carat/nn/linear.hpp"
#include "carat/simd/convert.hpp"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

namespace carat::inline CARAT_ABI::nn {
inline namespace HWY_NAMESPACE {

/// out[t] = table[ids[t]] · sqrt(width); the factor is not rounded. Ids must be rows of the table,
/// a Matrix [vocab, width].
template <class M, std::size_t width>
void embed(const M& table, std::span<const std::int32_t> ids, Rows<float, width> out) {
    const auto factor = static_cast<float>(std::sqrt(static_cast<double>(width)));
    for (std::size_t t = 0; t < ids.size(); ++t)
        simd::scale_row(table, static_cast<std::size_t>(ids[t]), factor, out.row(t).data());
}

}  // namespace HWY_NAMESPACE
}  // namespace carat::inline CARAT_ABI::nn

/// \file
/// Values that a converter to GGUF has changed, as they were before. Source: llama.cpp's
/// Gemma4VisionAudioModel (conversion/gemma.py) and Ollama's convert/convert_gemma4.go, which do
/// the same: the weight of the patch projection becomes that of a convolution, and softplus is
/// taken of per_dim_scale, whose name gets ".weight" at its end then. Nothing else of a tower
/// changes but types and axes of one; norms get no + 1.
#pragma once

#include "carat/checkpoint/tensors/stored_tensor.hpp"
#include "carat/tensor/element.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string_view>

namespace carat::inline CARAT_ABI {
namespace detail {

/// The side of a patch of three channels of so many values; 0 where there is none.
constexpr std::size_t patch_side(std::size_t values) {
    std::size_t side = 1;
    while (3 * side * side < values && side < 1024) ++side;
    return 3 * side * side == values ? side : 0;
}

/// x where y = log(1 + exp(x)). Checkpoints are bf16: where one of its values has this
/// y but for the rounding of whoever computed it, it is that value.
inline float inverse_softplus(float y) {
    const auto softplus = [](double x) { return x > 20 ? x : std::log1p(std::exp(x)); };
    const double exact = y;
    const double x = exact > 20 ? exact : std::log(std::expm1(exact));
    const float likely = to_f32(from_f32<bf16>(static_cast<float>(x)));
    const bool same =
        std::abs(softplus(static_cast<double>(likely)) - exact) <= 4 * 0x1p-24 * exact;
    return same ? likely : static_cast<float>(x);
}

}  // namespace detail

/// Notes what a converter did to a tensor of carat's name `tensor.name`, which the file calls
/// `stored`, and gives it the shape that it had before.
inline void note_converted(StoredTensor& tensor, std::string_view stored) {
    auto& shape = tensor.shape;
    if (stored == "v.patch_embd.weight" && shape.size() == 4 && shape[1] == 3 && shape[2] > 0 &&
        shape[2] <= 1024 && shape[2] == shape[3]) {
        tensor.converted = Converted::channels_first;
        shape = {shape[0], 3 * shape[2] * shape[3]};
    }
    if (stored.starts_with("a.blk.") && stored.ends_with(".per_dim_scale.weight"))
        tensor.converted = Converted::softplus;
}

/// A row of `count` values as the file has them to what they were before. False where no converter
/// can have made them.
[[nodiscard]] inline bool undo_conversion(Converted how, const float* from, std::size_t count,
                                          float* to) {
    if (how == Converted::channels_first) {
        const std::size_t side = detail::patch_side(count), plane = side * side;
        for (std::size_t i = 0; i < plane; ++i)
            for (std::size_t channel = 0; channel < 3; ++channel)
                to[3 * i + channel] = from[channel * plane + i];
        return side > 0;
    }
    if (how == Converted::softplus) {
        for (std::size_t i = 0; i < count; ++i) {
            if (!(from[i] >= 0) || !std::isfinite(from[i])) return false;
            to[i] = detail::inverse_softplus(from[i]);
        }
        return true;
    }
    std::copy_n(from, count, to);
    return true;
}

}  // namespace carat::inline CARAT_ABI

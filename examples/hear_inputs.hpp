// input_features and input_features_mask of a safetensors file, through the audio tower.
#pragma once

#include "carat/base/result.hpp"
#include "carat/checkpoint/safetensors.hpp"
#include "carat/nn/audio/subsampling.hpp"
#include "carat/parallel/executor.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

/// Soft tokens of all clips of the file, [clips, frames, mel bins], in order; none if it has none.
template <class Model>
carat::Result<typename Model::SoftTokens> hear_inputs(const Model& model,
                                                      const carat::Safetensors& file,
                                                      const std::string& path,
                                                      carat::ExecutorRef executor) {
    constexpr std::size_t bins = carat::nn::audio::mel_bins;
    typename Model::SoftTokens tokens;
    const carat::StoredTensor* x = file.find("input_features");
    const carat::StoredTensor* m = file.find("input_features_mask");
    if (x == nullptr && m == nullptr) return tokens;
    const auto fault = [&](const std::string& text) {
        return carat::Error{carat::Errc::mismatch, path + ": " + text};
    };
    if (x == nullptr) return fault("has input_features_mask, but no input_features");
    if (x->shape.size() != 3 || x->shape[2] != bins || x->dtype != carat::DType::f32)
        return fault("input_features is " + x->dtype_name + " " + carat::shape_text(x->shape) +
                     ", expected F32 [clips, frames, " + std::to_string(bins) + "]");
    const std::size_t clips = x->shape[0], frames = x->shape[1];
    std::vector<std::uint8_t> mask(clips * frames, 1);
    if (m != nullptr) {
        const bool known = m->dtype == carat::DType::boolean || m->dtype == carat::DType::u8 ||
                           m->dtype == carat::DType::i8 || m->dtype == carat::DType::i32 ||
                           m->dtype == carat::DType::i64;
        if (!known || m->shape.size() != 2 || m->shape[0] != clips || m->shape[1] != frames)
            return fault("input_features_mask is " + m->dtype_name + " " +
                         carat::shape_text(m->shape) + ", expected integers or BOOL [" +
                         std::to_string(clips) + ", " + std::to_string(frames) + "]");
        const std::size_t size = carat::size_of(m->dtype);
        for (std::size_t i = 0; i < mask.size(); ++i) {
            mask[i] = 0;
            for (std::size_t b = 0; b < size; ++b)
                if (m->data[i * size + b] != std::byte{0}) mask[i] = 1;
        }
    }
    std::vector<float> features(x->count());
    if (!features.empty()) std::memcpy(features.data(), x->data, x->bytes);
    for (std::size_t c = 0; c < clips; ++c) {
        const auto heard =
            model.hear(carat::Rows<const float, bins>(features.data() + c * frames * bins, frames),
                       std::span(mask).subspan(c * frames, frames), executor);
        if (!heard)
            return carat::Error{heard.error().code,
                                path + ": clip " + std::to_string(c) + ": " + heard.error().text};
        tokens.append(*heard);
    }
    return tokens;
}

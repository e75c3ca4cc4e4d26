/// \file
/// What a clip's mask says of its frames, before an audio tower hears them.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/result.hpp"
#include "carat/config/audio_config.hpp"
#include "carat/tensor/finite.hpp"
#include "carat/tensor/view.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace carat::inline CARAT_ABI {

/// How many of the frames the mask keeps, once everything is as it must be.
inline Result<std::size_t> valid_frames(Rows<const float, AudioConfig::mel_bins> features,
                                        std::span<const std::uint8_t> mask) {
    std::size_t frames = features.rows();
    if (!mask.empty()) {
        if (mask.size() != frames)
            return Error{Errc::mismatch, joined({"input_features_mask has ", mask.size(),
                                                 " frames, expected ", frames})};
        frames = 0;
        while (frames < mask.size() && mask[frames] != 0) ++frames;
        for (std::size_t i = frames; i < mask.size(); ++i)
            if (mask[i] != 0)
                return Error{Errc::invalid_argument,
                             joined({"input_features_mask is 0 at frame ", frames,
                                     " and 1 at frame ", i, ", expected ones and then zeros"})};
    }
    for (std::size_t i = 0; i < frames; ++i)
        if (first_not_finite(features.row(i).span()) < features.row(i).size())
            return Error{Errc::invalid_argument, joined({"input_features has a value at frame ", i,
                                                         " that is not a finite number"})};
    return frames;
}

}  // namespace carat::inline CARAT_ABI

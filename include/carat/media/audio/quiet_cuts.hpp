/// \file
/// Long sound in pieces that a model can hear, cut where it is quiet.
#pragma once

#include "carat/base/abi.hpp"

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

namespace carat::inline CARAT_ABI {

struct CutOptions {
    std::size_t max_samples = 480000;  ///< longest piece: what a Gemma 4 hears at once
    std::size_t quiet_samples = 3200;  ///< length of the pause that is looked for: 0.2 s
};

/// One piece: samples [begin, begin + size) of the whole.
struct Piece {
    std::size_t begin = 0, size = 0;
    friend constexpr bool operator==(const Piece&, const Piece&) = default;
};

/// Cuts samples into pieces of at most max_samples that follow each other without a gap. A cut is
/// in the middle of the stretch of quiet_samples that has the least energy in the second half of
/// what a piece may hold; of equals, the last. Sound that fits is one piece; no sound is none.
inline std::vector<Piece> cut_at_quiet(std::span<const float> samples, CutOptions o = {}) {
    std::vector<Piece> pieces;
    const std::size_t most = std::max<std::size_t>(o.max_samples, 2);
    const std::size_t quiet = std::clamp<std::size_t>(o.quiet_samples, 1, most / 2);
    std::size_t begin = 0;
    while (samples.size() - begin > most) {
        const std::size_t first = begin + most / 2 - quiet / 2;  // of the first stretch
        const auto energy = [&](std::size_t i) {
            return static_cast<double>(samples[i]) * static_cast<double>(samples[i]);
        };
        double sum = 0.0;
        for (std::size_t i = first; i < first + quiet; ++i) sum += energy(i);
        double least = sum;
        std::size_t best = first;
        for (std::size_t i = first + 1; i + quiet <= begin + most; ++i) {
            sum += energy(i + quiet - 1) - energy(i - 1);
            if (sum > least) continue;
            least = sum;
            best = i;
        }
        const std::size_t cut = best + quiet / 2;
        pieces.push_back({begin, cut - begin});
        begin = cut;
    }
    if (begin < samples.size()) pieces.push_back({begin, samples.size() - begin});
    return pieces;
}

}  // namespace carat::inline CARAT_ABI

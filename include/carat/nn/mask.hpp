/// \file
/// Who sees whom: every mask of Gemma 4 is one range of keys for each query, and a padding mask
/// beside it.
///
/// Indices are cache indices: how many tokens were fed before, padding included. Source:
/// spec/text.md section 9.
#pragma once

#include "carat/config/text_config.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

namespace carat::inline CARAT_ABI::nn {

/// The keys [begin, end) that a query may see.
struct Visible {
    std::size_t begin = 0, end = 0;
    friend constexpr bool operator==(const Visible&, const Visible&) = default;
};

/// What `mm_token_type_ids` says of a token.
enum class TokenType : std::uint8_t { text = 0, image = 1, video = 2, audio = 3 };

/// What a call knows about its tokens besides their ids. Empty spans are what the reference does
/// without them.
struct CallShape {
    std::size_t seen = 0;    ///< tokens in the cache before this call
    std::size_t tokens = 0;  ///< of this call
    std::span<const std::int32_t> positions{};
    std::span<const std::uint8_t> token_types{};  ///< TokenType values [tokens]
    bool packed = false;  ///< a break in the positions starts a sequence of its own
};

/// End of the run of image and video tokens that holds token t of a call, or t + 1 outside of one.
constexpr std::size_t vision_block_end(std::span<const std::uint8_t> types, std::size_t t) {
    const auto vision = [&](std::size_t i) {
        return i < types.size() && (types[i] == static_cast<std::uint8_t>(TokenType::image) ||
                                    types[i] == static_cast<std::uint8_t>(TokenType::video));
    };
    if (!vision(t)) return t + 1;
    while (vision(t)) ++t;
    return t;
}

/// The keys that each token of a call may see in layers of one attention type; out [tokens].
constexpr void visible_keys(const TextConfig& c, AttentionType type, const CallShape& call,
                            std::span<Visible> out) {
    const bool sliding = type == AttentionType::sliding;
    const std::size_t all = call.seen + call.tokens;
    std::size_t start = 0;  // of the packed sequence
    for (std::size_t t = 0; t < call.tokens; ++t) {
        const std::size_t q = call.seen + t;
        Visible v{0, q + 1};
        if (c.use_bidirectional_attention == Bidirectional::all) {
            const std::size_t reach = c.sliding_window / 2 + 1;
            v.end = sliding ? std::min(all, q + reach + 1) : all;
            if (sliding && q > reach) v.begin = q - reach;
        } else if (sliding) {
            if (q + 1 > c.sliding_window) v.begin = q + 1 - c.sliding_window;
            if (c.use_bidirectional_attention == Bidirectional::vision)
                v.end = call.seen + vision_block_end(call.token_types, t);
        }
        if (call.packed) {
            if (t > 0 && call.positions[t] != call.positions[t - 1] + 1) start = q;
            std::size_t end = t + 1;
            while (end < call.tokens && call.positions[end] == call.positions[end - 1] + 1) ++end;
            v.begin = std::max(v.begin, start);
            v.end = std::min(v.end, call.seen + end);
        }
        out[t] = v;
    }
}

}  // namespace carat::inline CARAT_ABI::nn

#include "carat/nn/mask.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>

namespace carat::test {
namespace {

using nn::Visible;

constexpr TextConfig config(std::size_t window, Bidirectional who = Bidirectional::none) {
    TextConfig c;
    c.sliding_window = window;
    c.use_bidirectional_attention = who;
    return c;
}

/// The keys of query q of a call that begins with it.
constexpr Visible of(const TextConfig& c, AttentionType type, std::size_t q) {
    std::array<Visible, 1> out{};
    nn::visible_keys(c, type, {.seen = q, .tokens = 1}, out);
    return out[0];
}
/// The keys of all tokens of one call.
template <std::size_t n>
constexpr std::array<Visible, n> all(const TextConfig& c, AttentionType type, std::size_t seen,
                                     std::span<const std::uint8_t> types = {},
                                     std::span<const std::int32_t> positions = {}) {
    std::array<Visible, n> out{};
    nn::visible_keys(c, type,
                     {.seen = seen,
                      .tokens = n,
                      .positions = positions,
                      .token_types = types,
                      .packed = !positions.empty()},
                     out);
    return out;
}

constexpr auto sliding = AttentionType::sliding, full = AttentionType::full;

// Section 9.1: a full layer sees the past. Section 9.2: W keys, the query's own among them.
constexpr TextConfig four = config(4);
static_assert(of(four, full, 0) == Visible{0, 1} && of(four, full, 9) == Visible{0, 10});
static_assert(of(four, sliding, 0) == Visible{0, 1});
static_assert(of(four, sliding, 2) == Visible{0, 3});
static_assert(of(four, sliding, 3) == Visible{0, 4});
static_assert(of(four, sliding, 4) == Visible{1, 5});
static_assert(of(four, sliding, 9) == Visible{6, 10});
static_assert(of(config(512), sliding, 1000) == Visible{489, 1001});
static_assert(of(config(1), sliding, 7) == Visible{7, 8});

// Section 9.4: tokens of an image see each other in sliding layers.
constexpr TextConfig vision = config(4, Bidirectional::vision);
constexpr std::array<std::uint8_t, 5> image{0, 1, 1, 1, 0};
static_assert(all<5>(vision, sliding, 0, image) ==
              std::array<Visible, 5>{{{0, 1}, {0, 4}, {0, 4}, {0, 4}, {1, 5}}});
static_assert(all<5>(vision, full, 0, image) == all<5>(four, full, 0));
static_assert(all<5>(four, sliding, 0, image) == all<5>(four, sliding, 0), "only in that mode");
static_assert(all<5>(vision, sliding, 0) == all<5>(four, sliding, 0), "only with token types");

// The window bounds the past, not the future: a block longer than it is seen to its end.
constexpr std::array<std::uint8_t, 7> longer{1, 1, 2, 2, 1, 1, 1};
static_assert(all<7>(vision, sliding, 0, longer) ==
              std::array<Visible, 7>{{{0, 7}, {0, 7}, {0, 7}, {0, 7}, {1, 7}, {2, 7}, {3, 7}}});
// Two images with a token between are two blocks; audio is none.
constexpr std::array<std::uint8_t, 6> several{1, 1, 0, 2, 3, 3};
static_assert(all<6>(vision, sliding, 10, several) ==
              std::array<Visible, 6>{{{7, 12}, {8, 12}, {9, 13}, {10, 14}, {11, 15}, {12, 16}}});

// Section 9.5: everybody sees everybody, in sliding layers W / 2 + 1 to either side.
constexpr TextConfig both = config(4, Bidirectional::all);
static_assert(all<9>(both, full, 0)[3] == Visible{0, 9});
static_assert(all<9>(both, sliding, 0) ==
              std::array<Visible, 9>{
                  {{0, 4}, {0, 5}, {0, 6}, {0, 7}, {1, 8}, {2, 9}, {3, 9}, {4, 9}, {5, 9}}});
static_assert(all<600>(config(512, Bidirectional::all), sliding, 0)[300] == Visible{43, 558});

// Section 9.6: a break in the positions starts a sequence of its own.
constexpr std::array<std::int32_t, 7> positions{0, 1, 2, 0, 1, 2, 7};
static_assert(all<7>(four, full, 0, {}, positions) ==
              std::array<Visible, 7>{{{0, 1}, {0, 2}, {0, 3}, {3, 4}, {3, 5}, {3, 6}, {6, 7}}});
static_assert(all<7>(config(2), sliding, 0, {}, positions) ==
              std::array<Visible, 7>{{{0, 1}, {0, 2}, {1, 3}, {3, 4}, {3, 5}, {4, 6}, {6, 7}}});
static_assert(all<7>(both, full, 0, {}, positions) ==
              std::array<Visible, 7>{{{0, 3}, {0, 3}, {0, 3}, {3, 6}, {3, 6}, {3, 6}, {6, 7}}});

static_assert(nn::vision_block_end(image, 0) == 1 && nn::vision_block_end(image, 1) == 4 &&
              nn::vision_block_end(image, 3) == 4 && nn::vision_block_end(image, 4) == 5);
static_assert(nn::vision_block_end({}, 3) == 4, "without types there are no blocks");

TEST_CASE("a call's masks do not depend on how the tokens are cut into calls") {
    for (const TextConfig& c : {four, config(7), config(100)})
        for (const AttentionType type : {sliding, full}) {
            const auto whole = all<12>(c, type, 5);
            for (std::size_t t = 0; t < 12; ++t) CHECK(of(c, type, 5 + t) == whole[t]);
        }
}

TEST_CASE("with a window as long as the sequence, sliding layers see what full ones see") {
    CHECK(all<12>(config(12), sliding, 0) == all<12>(four, full, 0));
    CHECK_FALSE(all<12>(config(11), sliding, 0) == all<12>(four, full, 0));
}

}  // namespace
}  // namespace carat::test

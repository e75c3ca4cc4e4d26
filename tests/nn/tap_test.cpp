// What is a tap, and what only looks like one.
#include "carat/nn/tap.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <span>

namespace carat::test {
namespace {

struct Looks : NoTap {
    static constexpr bool hidden_states = true, attentions = true, router = true;
    std::size_t seen = 0;
    void hidden_state(std::size_t, std::size_t, std::span<const float>) { ++seen; }
    void attention(std::size_t, std::size_t, std::size_t, std::size_t, std::span<const float>) {}
    void route(std::size_t, std::size_t, std::span<const float>) {}
};
struct HiddenStatesUnseen : NoTap {
    static constexpr bool hidden_states = true;
};
struct AttentionsUnseen : NoTap {
    static constexpr bool attentions = true;
};
struct RouterUnseen : NoTap {
    static constexpr bool router = true;
};
struct Changes : NoTap {
    static constexpr bool hidden_states = true;
    void hidden_state(std::size_t, std::size_t, std::span<float> x) { x[0] = 1; }
};
struct OfItsOwn {  // whose flags a forward pass would not find
    void hidden_state(std::size_t, std::size_t, std::span<const float>) {}
};

static_assert(Tap<NoTap> && Tap<Looks> && Tap<Changes> && !Tap<OfItsOwn>);
static_assert(!Tap<HiddenStatesUnseen> && !Tap<AttentionsUnseen> && !Tap<RouterUnseen>);

}  // namespace

TEST_CASE("a tap sees the rows that there are, and what it leaves of them stays") {
    std::array<float, 6> x{};
    const Rows<float, 3> rows(x.data(), 2);
    Looks looks;
    show_hidden_state(looks, 0, 0, rows);
    CHECK(looks.seen == 2);
    Changes changes;
    show_hidden_state(changes, 0, 0, rows);
    CHECK(x == std::array<float, 6>{1, 0, 0, 1, 0, 0});
}

}  // namespace carat::test

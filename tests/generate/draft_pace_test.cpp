#include "carat/generate/draft_pace.hpp"

#include "support/random.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace carat::test {
namespace {

/// A model whose call takes 10 ms, and `more` for each draft, or what a table says; and a drafter
/// that is right so often.
struct Machine {
    double more, right;
    double plain = 10.0;
    std::vector<double> table{};
    double slow_start = 1.0;  ///< how many times as long the first two calls take
};

/// Tokens a second over plain calls', of `tokens` tokens.
double speed(DraftPace& pace, const Machine& m, std::size_t tokens, std::uint64_t seed = 1) {
    Random random(seed);
    double ms = 0;
    std::size_t done = 0;
    while (done < tokens) {
        const std::size_t drafts = pace.next();
        if (drafts == 0) {
            pace.plain(done < 2 ? m.slow_start * m.plain : m.plain);
            ms += m.plain;
            ++done;
            continue;
        }
        std::size_t accepted = 0;
        while (accepted < drafts && static_cast<double>(random() >> 11) * 0x1p-53 < m.right)
            ++accepted;
        const double took =
            m.table.empty() ? m.plain + m.more * static_cast<double>(drafts) : m.table[drafts];
        pace.round(drafts, accepted, took);
        ms += took;
        done += accepted + 1;
    }
    return static_cast<double>(done) * m.plain / ms;
}

}  // namespace

TEST_CASE("a drafter that is never right costs less than 3 percent of plain decoding") {
    for (const double more : {0.5, 2.0, 5.0, 10.0, 14.0})
        for (const std::size_t tokens : {64u, 128u, 512u, 4096u})
            for (const double right : {0.0, 0.02}) {
                CAPTURE(more);
                CAPTURE(tokens);
                DraftPace pace(4);
                CHECK(speed(pace, {more, right}, tokens) >= 0.97);
            }
}

TEST_CASE("a drafter that is never right looks no better beside first calls that were slow") {
    for (const double more : {0.5, 2.0, 5.0, 10.0})
        for (const double slow : {1.2, 1.5, 2.0, 3.0})
            for (const std::size_t tokens : {64u, 128u, 512u}) {
                CAPTURE(more);
                CAPTURE(slow);
                CAPTURE(tokens);
                DraftPace pace(4);
                // Until plain calls are known for what they take, a few calls' time may be lost.
                const double lost = 0.03 + 2.5 / static_cast<double>(tokens);
                CHECK(speed(pace, {more, 0.0, 10.0, {}, slow}, tokens) >= 1 / (1 + lost));
            }
}

TEST_CASE("a drafter that is often right is used, with as many drafts as pay") {
    for (std::uint64_t seed = 1; seed < 6; ++seed) {
        CAPTURE(seed);
        DraftPace cheap(8), dear(8), hopeless(8);
        // 8 drafts of 0.3 ms give 6.1 tokens in 12.4 ms: 4.9 times.
        CHECK(speed(cheap, {0.3, 0.9}, 2000, seed) > 4.2);
        CHECK(cheap.next() >= 6);
        // At 4 ms a draft the best is one or two, 1.9 / 14 against 2.7 / 18.
        CHECK(speed(dear, {4.0, 0.9}, 2000, seed) > 1.35);
        // At 12 ms a draft none pays, whatever it brings.
        CHECK(speed(hopeless, {12.0, 0.9}, 2000, seed) > 0.97);
    }
}

TEST_CASE("the number of drafts is found that a machine's tiles make cheap") {
    for (std::uint64_t seed = 1; seed < 6; ++seed) {
        CAPTURE(seed);
        DraftPace pace(5);
        // Two tokens are dear, four are a tile. With three drafts 3.7 tokens in 14 ms: 2.65 times.
        CHECK(speed(pace, {0, 0.95, 10.0, {0, 16, 18, 14, 25, 27}}, 2000, seed) > 2.3);
        CHECK(pace.next() == 3);
    }
}

TEST_CASE("one call that was slow by chance is forgotten") {
    DraftPace pace(4);
    pace.plain(10);
    pace.plain(10);
    pace.round(1, 1, 11);
    pace.round(2, 2, 12);
    pace.round(4, 4, 14);
    pace.round(4, 4, 500);  // the machine did something else
    CHECK(speed(pace, {1.0, 0.9}, 3000) > 2.3);
    CHECK(pace.next() == 4);
}

TEST_CASE("a drafter that becomes bad is left, and one that becomes good is found again") {
    DraftPace pace(4);
    CHECK(speed(pace, {0.5, 0.9}, 30000) > 2.5);
    CHECK(speed(pace, {2.0, 0.0}, 200) > 0.93);  // some calls until it is seen
    CHECK(speed(pace, {2.0, 0.0}, 500) > 0.97);
    speed(pace, {0.5, 0.9}, 500);
    CHECK(speed(pace, {0.5, 0.9}, 500) > 2.5);
}

TEST_CASE("without adapting there are always as many drafts, and none if none are allowed") {
    DraftPace fixed(3, true), none(0), many(99, true);
    CHECK(fixed.next() == 3);
    for (int i = 0; i < 50; ++i) fixed.round(3, 0, 100.0);
    CHECK(fixed.next() == 3);
    none.plain(1);
    none.plain(1);
    none.plain(1);
    CHECK(none.next() == 0);
    CHECK(many.next() == DraftPace::most_drafts);
}

}  // namespace carat::test

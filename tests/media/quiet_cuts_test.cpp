#include "carat/media/audio/quiet_cuts.hpp"

#include <doctest/doctest.h>

#include <random>
#include <vector>

namespace carat {
namespace {

TEST_CASE("sound that fits is one piece, no sound is none") {
    const std::vector<float> x(1000, 0.5f);
    CHECK(cut_at_quiet(x, {1000, 10}) == std::vector<Piece>{{0, 1000}});
    CHECK(cut_at_quiet({}, {1000, 10}).empty());
}

TEST_CASE("a cut is in the middle of a pause") {
    std::mt19937 random(1);
    std::uniform_real_distribution<float> noise(-0.5f, 0.5f);
    std::vector<float> x(2600);
    for (float& v : x) v = noise(random);
    for (const std::size_t pause : {700u, 1500u})
        for (std::size_t i = pause; i < pause + 40; ++i) x[i] *= 0.001f;
    const auto pieces = cut_at_quiet(x, {1000, 40});
    REQUIRE(pieces.size() == 4);  // 0 to 720, to 1520, to somewhere, to the end
    CHECK(pieces[0] == Piece{0, 720});
    CHECK(pieces[1] == Piece{720, 800});
}

TEST_CASE("pieces follow each other and none is too long, whatever the sound") {
    std::mt19937 random(2);
    std::uniform_real_distribution<float> noise(-1.0f, 1.0f);
    for (const std::size_t n : {1u, 2u, 3u, 99u, 100u, 101u, 5000u})
        for (const CutOptions o : {CutOptions{100, 20}, {2, 1}, {3, 1000}, {0, 0}, {100, 0}}) {
            std::vector<float> x(n, 0.0f);
            if (n % 2 == 1)
                for (float& v : x) v = noise(random);
            std::size_t at = 0;
            for (const Piece& p : cut_at_quiet(x, o)) {
                CHECK(p.begin == at);
                CHECK(p.size > 0);
                CHECK(p.size <= std::max<std::size_t>(o.max_samples, 2));
                at += p.size;
            }
            CHECK(at == n);
        }
}

}  // namespace
}  // namespace carat

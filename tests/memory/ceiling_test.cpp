// Opening under a ceiling: what does not fit is told part by part, and what is told to fit does.
#include "carat/gemma4.hpp"
#include "support/fixture.hpp"

#include <doctest/doctest.h>

#include <carat/models/e2b_mini.hpp>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace carat::test {
namespace {

using Gemma = Gemma4<models::e2b_mini>;

/// The number behind `name = ` in the line of a text that starts with `line`, 0 if there is none.
std::size_t number_in(const std::string& text, const std::string& line, const std::string& name) {
    const std::size_t start = text.find("\n  " + line);
    if (start == std::string::npos) return 0;
    const std::string part = text.substr(start, text.find('\n', start + 1) - start);
    const std::size_t at = part.rfind(name + " = ");
    return at == std::string::npos ? 0 : std::stoul(part.substr(at + name.size() + 3));
}

/// The number behind `words` in a text, 0 if there is none.
std::size_t number_behind(const std::string& text, const std::string& words) {
    const std::size_t at = text.find(words);
    return at == std::string::npos ? 0 : std::stoul(text.substr(at + words.size()));
}

TEST_CASE("a model opens where its plan fits, to the byte") {
    const SessionOptions options{.context_tokens = 2048, .chunk_tokens = 256};
    const std::size_t planned = Gemma::memory_plan(options, 2).resident();
    CHECK(Gemma::open(fixture_path("e2b-mini"), {planned, options, 2}));
    const auto refused = Gemma::open(fixture_path("e2b-mini"), {planned - 1, options, 2});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Errc::out_of_memory);
}

TEST_CASE("a plan that does not fit says what each part takes, and what is said to fit fits") {
    const SessionOptions options{.context_tokens = 4096, .chunk_tokens = 512};
    const std::size_t planned = Gemma::memory_plan(options, 8).resident();
    const std::size_t weights = Gemma::memory_plan(options, 8).weights;
    std::size_t contexts = 0, chunks = 0, threads = 0, together = 0;
    for (std::size_t ceiling = planned - 1; ceiling > weights;
         ceiling -= (planned - weights) / 40) {
        const auto model = Gemma::open(fixture_path("e2b-mini"), {ceiling, options, 8});
        REQUIRE_FALSE(model);
        const std::string& text = model.error().text;
        CAPTURE(text);
        CHECK(text.find("weights: " + std::to_string(weights) + " bytes") != std::string::npos);
        const auto fits = [&](std::size_t context, std::size_t chunk, std::size_t n) {
            return Gemma::memory_plan({context, chunk}, n).resident() <= ceiling;
        };
        if (const std::size_t n = number_in(text, "cache", "context_tokens"); n < 4096 && n > 0) {
            CHECK(fits(n, 512, 8));
            ++contexts;
        }
        if (const std::size_t n = number_in(text, "scratch", "chunk_tokens"); n < 512 && n > 0) {
            CHECK(fits(4096, n, 8));
            ++chunks;
        }
        if (const std::size_t n = number_in(text, "threads", "threads"); n < 8 && n > 0) {
            CHECK(fits(4096, 512, n));
            ++threads;
        }
        if (const std::size_t n = number_in(text, "together", "context_tokens"); n > 0) {
            CHECK(fits(n, 32, 1));
            ++together;
        }
    }
    CHECK(contexts > 0);
    CHECK(chunks > 0);
    CHECK(threads + together > 0);
    const auto nothing = Gemma::open(fixture_path("e2b-mini"), {1000, options, 8});
    REQUIRE_FALSE(nothing);
    CHECK(nothing.error().text.find("a smaller weight format") != std::string::npos);
    CHECK(nothing.error().text.find("no context, chunk or number of threads") != std::string::npos);
}

TEST_CASE("the ceiling holds for sessions too") {
    const SessionOptions options{.context_tokens = 128, .chunk_tokens = 16};
    const auto model =
        Gemma::open(fixture_path("e2b-mini"), {Gemma::memory_plan(options).resident(), options});
    REQUIRE(model);
    Serial serial;
    CHECK(model->session(serial, options));
    const auto longer = model->session(serial, {.context_tokens = 4096, .chunk_tokens = 16});
    REQUIRE_FALSE(longer);
    CHECK(longer.error().code == Errc::out_of_memory);
    CHECK(longer.error().text.find("context_tokens = 4096") != std::string::npos);
}

TEST_CASE("the ceiling holds for pictures and sound too, to the byte") {
    constexpr std::size_t side = 6, patches = side * side, frames = 40;
    std::vector<float> pixels(patches * Gemma::Vision::patch, 0.5f), sound(frames * 128, 0.5f);
    std::vector<std::int32_t> places;
    for (std::size_t i = 0; i < patches; ++i)
        places.insert(places.end(),
                      {static_cast<std::int32_t>(i % side), static_cast<std::int32_t>(i / side)});
    const Gemma::Picture picture{Rows<const float, Gemma::Vision::patch>(pixels.data(), patches),
                                 nn::vision::Positions(places.data(), patches)};
    const SessionOptions options{.context_tokens = 128, .chunk_tokens = 16};
    const auto with = [&](std::size_t room) {
        auto model = Gemma::open(fixture_path("e2b-mini"),
                                 {Gemma::memory_plan(options).resident() + room, options});
        REQUIRE(model);
        return std::move(*model);
    };
    Serial serial;
    const auto see = [&](std::size_t room) {
        const auto seen = with(room).see(std::span(&picture, 1), serial);
        return seen ? Error{Errc::io, "seen"} : seen.error();
    };
    const auto hear = [&](std::size_t room) {
        const auto heard =
            with(room).hear(Rows<const float, 128>(sound.data(), frames), {}, serial);
        return heard ? Error{Errc::io, "heard"} : heard.error();
    };
    constexpr std::size_t for_picture = Gemma::see_bytes(patches);
    constexpr std::size_t for_sound = Gemma::hear_bytes(frames);
    CHECK(see(for_picture).text == "seen");
    CHECK(hear(for_sound).text == "heard");
    const Error picture_fault = see(for_picture - 1), sound_fault = hear(for_sound - 1);
    CAPTURE(picture_fault.text);
    CAPTURE(sound_fault.text);
    CHECK(picture_fault.code == Errc::out_of_memory);
    CHECK(sound_fault.code == Errc::out_of_memory);
    CHECK(picture_fault.text.find("a picture of 36 patches takes " + std::to_string(for_picture)) !=
          std::string::npos);
    // What is said to fit does.
    const std::size_t fewer = number_behind(picture_fault.text, "one of ");
    CHECK(fewer > 0);
    CHECK(fewer % Gemma::Vision::cell == 0);
    CHECK(Gemma::see_bytes(fewer) < for_picture);
    const std::size_t shorter = number_behind(sound_fault.text, "one of ");
    CHECK(shorter > 0);
    CHECK(Gemma::hear_bytes(shorter) < for_sound);
    CHECK(see(0).text.find("only fewer threads or a smaller session would help") !=
          std::string::npos);
}

TEST_CASE("the parts of a session's plan make up its whole") {
    for (const std::size_t context : {1u, 100u, 4096u})
        for (const std::size_t chunk : {1u, 64u, 512u}) {
            const auto part = Gemma::Session::bytes_by_part({context, chunk}, 3);
            CHECK(part.cache + part.scratch + part.rest ==
                  Gemma::Session::bytes({context, chunk}, 3));
            CHECK(part.rest < 100'000);
        }
    // More than can be counted: nothing wraps, in the error either.
    const SessionOptions huge{std::size_t{1} << 28, std::size_t{1} << 28};
    const std::size_t many = std::size_t{1} << 60;
    CHECK(Gemma::Session::bytes(huge, many) == most_planned);
    CHECK(Gemma::Session::bytes_by_part(huge, many).scratch == most_planned);
    CHECK(Gemma::Session::bytes_by_part(huge, many).rest == 0);
    const auto refused = Gemma::open(fixture_path("e2b-mini"), {1 << 20, huge, many});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().text.find("logits and the rest: 0 bytes") != std::string::npos);
}

}  // namespace
}  // namespace carat::test

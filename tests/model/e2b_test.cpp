#include "model/audio_checks.hpp"
#include "model/decoder_checks.hpp"
#include "model/drafter_checks.hpp"
#include "model/see_checks.hpp"
#include "model/vision_checks.hpp"

#include <carat/models/e2b_mini.hpp>
#include <limits>

namespace carat::test {
namespace {

using Gemma = Gemma4<models::e2b_mini>;
using Decoder = DecoderChecks<Gemma>;
using See = SeeChecks<Gemma>;
using Vision = VisionChecks<models::e2b_mini, weights::bf16>;
using Audio = AudioChecks<models::e2b_mini, weights::bf16>;
using Assistant = DrafterChecks<Gemma, models::e2b_mini_drafter>;

TEST_CASE(
    "e2b: hidden states, attentions, router and logits are the reference's to its noise floor") {
    Decoder("e2b-mini").text();
}
TEST_CASE("e2b: chunks and threads do not change a bit") { Decoder("e2b-mini").chunks(); }
TEST_CASE("e2b: rows that are not kept change nothing") { Decoder("e2b-mini").kept_rows(); }
TEST_CASE("e2b: the cache is right around the window") { Decoder("e2b-mini").window(); }
TEST_CASE("e2b: greedy continuation is the reference's, token for token") {
    Decoder("e2b-mini").greedy();
}
TEST_CASE("e2b: left-padded batches") { Decoder("e2b-mini").batch(); }
TEST_CASE("e2b: far positions") { Decoder("e2b-mini").far(); }
TEST_CASE("e2b: loss") { Decoder("e2b-mini").loss(); }
TEST_CASE("e2b: soft tokens and their masks") { Decoder("e2b-mini").multimodal(); }

TEST_CASE("e2b-mini: prompts with sound have the reference's logits and words") {
    See("e2b-mini").sounds();
}
TEST_CASE("e2b-mini: prompts with pictures have the reference's logits and words") {
    See("e2b-mini").prompts();
}
TEST_CASE("pictures of one call do not know of each other") { See("e2b-mini").independent(); }

TEST_CASE("e2b-mini's vision tower agrees with the reference") { Vision("e2b-mini").reference(); }
TEST_CASE("e2b-mini's vision tower does not depend on threads") { Vision("e2b-mini").threads(); }
TEST_CASE("a picture whose patches make no grid is refused") { Vision("e2b-mini").bad_pictures(); }

TEST_CASE("e2b-mini's audio tower agrees with the reference") { Audio("e2b-mini").reference(); }
TEST_CASE("hidden states of e2b-mini's towers can be put into others") {
    Vision("e2b-mini").patching();
    Audio("e2b-mini").patching();
}
TEST_CASE("e2b-mini's audio tower does not depend on threads") { Audio("e2b-mini").threads(); }
TEST_CASE("a soft token depends on the sound up to it") { Audio("e2b-mini").causal(); }
TEST_CASE("a caller can stop the audio tower between layers") { Audio("e2b-mini").cancelled(); }

// A clip of 30 s takes no more than a constant and so much a second.
static_assert(Audio::Tower::scratch_bytes(2999, 1) < 31 * Audio::Tower::scratch_bytes(100, 1));

constexpr ModelConfig text_only = [] {
    ModelConfig c = models::e2b_mini;
    c.vision = {};
    c.audio = {};
    return c;
}();

TEST_CASE("a model without towers says so in one line") {
    auto files = CheckpointFiles::open(fixture_path("e2b-mini"));
    REQUIRE(files);
    const auto model = Gemma4<text_only>::from(std::move(*files));
    REQUIRE(model);
    Serial serial;
    const auto seen = model->see({}, serial);
    REQUIRE_FALSE(seen);
    CHECK(seen.error().text == "this model does not see: its config has no vision tower");
    const auto heard = model->hear({}, {}, serial);
    REQUIRE_FALSE(heard);
    CHECK(heard.error().text == "this model does not hear: its config has no audio tower");
    CHECK_FALSE(Gemma4<text_only>::can_see());
    CHECK_FALSE(Gemma4<text_only>::can_hear());
    CHECK(Gemma::can_see());
    CHECK(Gemma::can_hear());
}

using Features = Rows<const float, nn::audio::mel_bins>;

TEST_CASE("bad features are one line") {
    const Gemma model = See::open("e2b-mini");
    Serial serial;
    std::vector<float> features(10 * 128, 0.5f);
    std::vector<std::uint8_t> mask(10, 1);
    const auto hear = [&](std::size_t masked) {
        const auto r =
            model.hear(Features(features.data(), 10), std::span(mask).first(masked), serial);
        return r ? std::to_string(r->rows()) : r.error().text;
    };
    CHECK(hear(10) == "3");
    CHECK(hear(0) == "3");
    CHECK(hear(9) == "input_features_mask has 9 frames, expected 10");
    mask[3] = 0;
    CHECK(hear(10) ==
          "input_features_mask is 0 at frame 3 and 1 at frame 4, expected ones and then zeros");
    std::fill(mask.begin() + 3, mask.end(), std::uint8_t{0});
    CHECK(hear(10) == "1");
    features[4 * 128] = std::numeric_limits<float>::quiet_NaN();  // where nobody listens
    CHECK(hear(10) == "1");
    features[2 * 128] = std::numeric_limits<float>::infinity();
    CHECK(hear(10) == "input_features has a value at frame 2 that is not a finite number");
    std::fill(mask.begin(), mask.end(), std::uint8_t{0});
    CHECK(hear(10) == "0");
}

TEST_CASE("e2b-mini: the assistant drafts what the reference's does, to its noise floor") {
    Assistant("e2b-mini").steps();
}
TEST_CASE("e2b-mini: with the assistant the same tokens are generated as without") {
    Assistant("e2b-mini").generation();
}
TEST_CASE("e2b-mini: the assistant takes the memory that is planned") {
    Assistant("e2b-mini").memory();
}

}  // namespace
}  // namespace carat::test

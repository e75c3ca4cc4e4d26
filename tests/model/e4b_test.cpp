#include "model/audio_checks.hpp"
#include "model/decoder_checks.hpp"
#include "model/see_checks.hpp"
#include "model/vision_checks.hpp"

#include <carat/models/e4b_mini.hpp>

namespace carat::test {
namespace {

using Gemma = Gemma4<models::e4b_mini>;
using Decoder = DecoderChecks<Gemma>;
using See = SeeChecks<Gemma>;
using Vision = VisionChecks<models::e4b_mini, weights::f32>;
using Audio = AudioChecks<models::e4b_mini, weights::f32>;

TEST_CASE(
    "e4b: hidden states, attentions, router and logits are the reference's to its noise floor") {
    Decoder("e4b-mini").text();
}
TEST_CASE("e4b: chunks and threads do not change a bit") { Decoder("e4b-mini").chunks(); }
TEST_CASE("e4b: rows that are not kept change nothing") { Decoder("e4b-mini").kept_rows(); }
TEST_CASE("e4b: the cache is right around the window") { Decoder("e4b-mini").window(); }
TEST_CASE("e4b: greedy continuation is the reference's, token for token") {
    Decoder("e4b-mini").greedy();
}
TEST_CASE("e4b: left-padded batches") { Decoder("e4b-mini").batch(); }
TEST_CASE("e4b: far positions") { Decoder("e4b-mini").far(); }
TEST_CASE("e4b: loss") { Decoder("e4b-mini").loss(); }
TEST_CASE("e4b: soft tokens and their masks") { Decoder("e4b-mini").multimodal(); }

TEST_CASE("e4b-mini: prompts with sound have the reference's logits and words") {
    See("e4b-mini").sounds();
}
TEST_CASE("e4b-mini: prompts with pictures have the reference's logits and words") {
    See("e4b-mini").prompts();
}

TEST_CASE("e4b-mini's vision tower agrees with the reference") { Vision("e4b-mini").reference(); }
TEST_CASE("e4b-mini's vision tower does not depend on threads") { Vision("e4b-mini").threads(); }

TEST_CASE("e4b-mini's audio tower agrees with the reference") { Audio("e4b-mini").reference(); }
TEST_CASE("e4b-mini's audio tower does not depend on threads") { Audio("e4b-mini").threads(); }

}  // namespace
}  // namespace carat::test

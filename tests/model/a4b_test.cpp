#include "model/decoder_checks.hpp"
#include "model/see_checks.hpp"
#include "model/vision_checks.hpp"

#include <carat/models/a4b_mini.hpp>

namespace carat::test {
namespace {

using Gemma = Gemma4<models::a4b_mini>;
using Decoder = DecoderChecks<Gemma>;
using See = SeeChecks<Gemma>;
using Vision = VisionChecks<models::a4b_mini, weights::bf16>;

TEST_CASE(
    "a4b: hidden states, attentions, router and logits are the reference's to its noise floor") {
    Decoder("a4b-mini").text();
}
TEST_CASE("a4b: chunks and threads do not change a bit") { Decoder("a4b-mini").chunks(); }
TEST_CASE("a4b: rows that are not kept change nothing") { Decoder("a4b-mini").kept_rows(); }
TEST_CASE("a4b: the cache is right around the window") { Decoder("a4b-mini").window(); }
TEST_CASE("a4b: greedy continuation is the reference's, token for token") {
    Decoder("a4b-mini").greedy();
}
TEST_CASE("a4b: left-padded batches") { Decoder("a4b-mini").batch(); }
TEST_CASE("a4b: far positions") { Decoder("a4b-mini").far(); }
TEST_CASE("a4b: loss") { Decoder("a4b-mini").loss(); }
TEST_CASE("a4b: soft tokens and their masks") { Decoder("a4b-mini").multimodal(); }

TEST_CASE("a4b-mini: prompts with pictures have the reference's logits and words") {
    See("a4b-mini").prompts();
}

TEST_CASE("a4b-mini's vision tower agrees with the reference") { Vision("a4b-mini").reference(); }
TEST_CASE("a4b-mini's vision tower does not depend on threads") { Vision("a4b-mini").threads(); }

}  // namespace
}  // namespace carat::test

#include "model/decoder_checks.hpp"
#include "model/drafter_checks.hpp"
#include "model/see_checks.hpp"
#include "model/vision_checks.hpp"

#include <carat/models/gemma4_31b_mini.hpp>

namespace carat::test {
namespace {

using Gemma = Gemma4<models::gemma4_31b_mini>;
using Decoder = DecoderChecks<Gemma>;
using See = SeeChecks<Gemma>;
using Vision = VisionChecks<models::gemma4_31b_mini, weights::bf16>;
using Assistant = DrafterChecks<Gemma, models::gemma4_31b_mini_drafter>;

TEST_CASE(
    "31b: hidden states, attentions, router and logits are the reference's to its noise floor") {
    Decoder("31b-mini").text();
}
TEST_CASE("31b: chunks and threads do not change a bit") { Decoder("31b-mini").chunks(); }
TEST_CASE("31b: rows that are not kept change nothing") { Decoder("31b-mini").kept_rows(); }
TEST_CASE("31b: the cache is right around the window") { Decoder("31b-mini").window(); }
TEST_CASE("31b: greedy continuation is the reference's, token for token") {
    Decoder("31b-mini").greedy();
}
TEST_CASE("31b: left-padded batches") { Decoder("31b-mini").batch(); }
TEST_CASE("31b: far positions") { Decoder("31b-mini").far(); }
TEST_CASE("31b: loss") { Decoder("31b-mini").loss(); }
TEST_CASE("31b: soft tokens and their masks") { Decoder("31b-mini").multimodal(); }

TEST_CASE("31b-mini: prompts with pictures have the reference's logits and words") {
    See("31b-mini").prompts();
}

TEST_CASE("31b-mini's vision tower agrees with the reference") { Vision("31b-mini").reference(); }
TEST_CASE("31b-mini's vision tower does not depend on threads") { Vision("31b-mini").threads(); }

TEST_CASE("31b-mini: the assistant drafts what the reference's does, to its noise floor") {
    Assistant("31b-mini").steps();
}
TEST_CASE("31b-mini: with the assistant the same tokens are generated as without") {
    Assistant("31b-mini").generation();
}
TEST_CASE("31b-mini: the assistant takes the memory that is planned") {
    Assistant("31b-mini").memory();
}

}  // namespace
}  // namespace carat::test

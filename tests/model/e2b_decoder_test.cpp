#include "model/decoder_checks.hpp"

#include <carat/models/e2b_mini.hpp>

namespace carat::test {
namespace {

using Gemma = Gemma4<models::e2b_mini>;

TEST_CASE(
    "e2b: hidden states, attentions, router and logits are the reference's to its noise floor") {
    DecoderChecks<Gemma>("e2b-mini").text();
}
TEST_CASE("e2b: chunks and threads do not change a bit") {
    DecoderChecks<Gemma>("e2b-mini").chunks();
}
TEST_CASE("e2b: rows that are not kept change nothing") {
    DecoderChecks<Gemma>("e2b-mini").kept_rows();
}
TEST_CASE("e2b: the cache is right around the window") {
    DecoderChecks<Gemma>("e2b-mini").window();
}
TEST_CASE("e2b: greedy continuation is the reference's, token for token") {
    DecoderChecks<Gemma>("e2b-mini").greedy();
}
TEST_CASE("e2b: left-padded batches") { DecoderChecks<Gemma>("e2b-mini").batch(); }
TEST_CASE("e2b: far positions") { DecoderChecks<Gemma>("e2b-mini").far(); }
TEST_CASE("e2b: loss") { DecoderChecks<Gemma>("e2b-mini").loss(); }
TEST_CASE("e2b: soft tokens and their masks") { DecoderChecks<Gemma>("e2b-mini").multimodal(); }

}  // namespace
}  // namespace carat::test

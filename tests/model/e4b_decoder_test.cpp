#include "model/decoder_checks.hpp"

#include <carat/models/e4b_mini.hpp>

namespace carat::test {
namespace {

using Gemma = Gemma4<models::e4b_mini>;

TEST_CASE(
    "e4b: hidden states, attentions, router and logits are the reference's to its noise floor") {
    DecoderChecks<Gemma>("e4b-mini").text();
}
TEST_CASE("e4b: chunks and threads do not change a bit") {
    DecoderChecks<Gemma>("e4b-mini").chunks();
}
TEST_CASE("e4b: rows that are not kept change nothing") {
    DecoderChecks<Gemma>("e4b-mini").kept_rows();
}
TEST_CASE("e4b: the cache is right around the window") {
    DecoderChecks<Gemma>("e4b-mini").window();
}
TEST_CASE("e4b: greedy continuation is the reference's, token for token") {
    DecoderChecks<Gemma>("e4b-mini").greedy();
}
TEST_CASE("e4b: left-padded batches") { DecoderChecks<Gemma>("e4b-mini").batch(); }
TEST_CASE("e4b: far positions") { DecoderChecks<Gemma>("e4b-mini").far(); }
TEST_CASE("e4b: loss") { DecoderChecks<Gemma>("e4b-mini").loss(); }
TEST_CASE("e4b: soft tokens and their masks") { DecoderChecks<Gemma>("e4b-mini").multimodal(); }

}  // namespace
}  // namespace carat::test

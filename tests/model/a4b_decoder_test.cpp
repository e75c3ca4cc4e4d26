#include "model/decoder_checks.hpp"

#include <carat/models/a4b_mini.hpp>

namespace carat::test {
namespace {

using Gemma = Gemma4<models::a4b_mini>;

TEST_CASE(
    "a4b: hidden states, attentions, router and logits are the reference's to its noise floor") {
    DecoderChecks<Gemma>("a4b-mini").text();
}
TEST_CASE("a4b: chunks and threads do not change a bit") {
    DecoderChecks<Gemma>("a4b-mini").chunks();
}
TEST_CASE("a4b: rows that are not kept change nothing") {
    DecoderChecks<Gemma>("a4b-mini").kept_rows();
}
TEST_CASE("a4b: the cache is right around the window") {
    DecoderChecks<Gemma>("a4b-mini").window();
}
TEST_CASE("a4b: greedy continuation is the reference's, token for token") {
    DecoderChecks<Gemma>("a4b-mini").greedy();
}
TEST_CASE("a4b: left-padded batches") { DecoderChecks<Gemma>("a4b-mini").batch(); }
TEST_CASE("a4b: far positions") { DecoderChecks<Gemma>("a4b-mini").far(); }
TEST_CASE("a4b: loss") { DecoderChecks<Gemma>("a4b-mini").loss(); }
TEST_CASE("a4b: soft tokens and their masks") { DecoderChecks<Gemma>("a4b-mini").multimodal(); }

}  // namespace
}  // namespace carat::test

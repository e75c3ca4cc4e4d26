#include "model/decoder_checks.hpp"

#include <carat/models/gemma4_31b_mini.hpp>

namespace carat::test {
namespace {

using Gemma = Gemma4<models::gemma4_31b_mini>;

TEST_CASE(
    "31b: hidden states, attentions, router and logits are the reference's to its noise floor") {
    DecoderChecks<Gemma>("31b-mini").text();
}
TEST_CASE("31b: chunks and threads do not change a bit") {
    DecoderChecks<Gemma>("31b-mini").chunks();
}
TEST_CASE("31b: rows that are not kept change nothing") {
    DecoderChecks<Gemma>("31b-mini").kept_rows();
}
TEST_CASE("31b: the cache is right around the window") {
    DecoderChecks<Gemma>("31b-mini").window();
}
TEST_CASE("31b: greedy continuation is the reference's, token for token") {
    DecoderChecks<Gemma>("31b-mini").greedy();
}
TEST_CASE("31b: left-padded batches") { DecoderChecks<Gemma>("31b-mini").batch(); }
TEST_CASE("31b: far positions") { DecoderChecks<Gemma>("31b-mini").far(); }
TEST_CASE("31b: loss") { DecoderChecks<Gemma>("31b-mini").loss(); }
TEST_CASE("31b: soft tokens and their masks") { DecoderChecks<Gemma>("31b-mini").multimodal(); }

}  // namespace
}  // namespace carat::test

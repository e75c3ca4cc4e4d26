#include "carat/checkpoint/config/drafter_config_json.hpp"

#include "carat/checkpoint/config/config_json.hpp"
#include "carat/config/drafter_check.hpp"

#include <doctest/doctest.h>

#include <string>

namespace carat::test {
namespace {

const std::string fixtures = CARAT_SOURCE_DIR "/tests/fixtures/hf/";

std::string changed(std::string from, const std::string& to) {
    std::string text(MappedFile::open(fixtures + "assistant-e2b-mini/config.json")->text());
    const std::size_t at = text.find(from);
    REQUIRE(at != std::string::npos);
    return text.replace(at, from.size(), to);
}
std::string fault_of(const std::string& from, const std::string& to) {
    const auto read = read_drafter_config(changed(from, to), "config.json");
    return read ? std::string() : read.error().text;
}

}  // namespace

TEST_CASE("an assistant's config.json is read, with centroids only where it uses them") {
    const auto e2b = read_drafter_config_file(fixtures + "assistant-e2b-mini");
    REQUIRE(e2b);
    CHECK(e2b->backbone_hidden_size == 64);
    CHECK(e2b->num_centroids == 32);
    CHECK(e2b->centroid_intermediate_top_k == 4);
    CHECK(e2b->text.hidden_size == 32);
    CHECK(e2b->text.num_kv_shared_layers == 4);
    const auto large = read_drafter_config_file(fixtures + "assistant-31b-mini/");
    REQUIRE(large);
    CHECK(large->num_centroids == 0);  // the file says 2048, and that they are not used
    CHECK(large->text.full_kv_heads() == 2);
    CHECK(fault(*e2b, read_config_file(fixtures + "e2b-mini")->text) == nullptr);
    CHECK(fault(*large, read_config_file(fixtures + "31b-mini")->text) == nullptr);
    CHECK(fault(*e2b, read_config_file(fixtures + "31b-mini")->text) != nullptr);
}

TEST_CASE("what is wrong with an assistant's config.json is said with the key") {
    const auto says = [](const std::string& fault, const char* word) {
        INFO(fault);
        CHECK(fault.find(word) != std::string::npos);
    };
    says(fault_of("\"gemma4_assistant\"", "\"gemma4\""), "model_type is \"gemma4\"");
    says(fault_of("\"backbone_hidden_size\": 64", "\"backbone_hidden_size\": \"x\""),
         "backbone_hidden_size is \"x\"");
    says(fault_of("\"backbone_hidden_size\": 64,", ""), "backbone_hidden_size must be positive");
    says(fault_of("\"num_centroids\": 32", "\"num_centroids\": 33"), "num_centroids");
    says(fault_of("\"num_kv_shared_layers\": 4", "\"num_kv_shared_layers\": 0"),
         "num_kv_shared_layers");
    says(fault_of("\"num_hidden_layers\": 4", "\"num_hidden_layers\": 5"), "layer_types");
    CHECK(!read_drafter_config("[]", "x"));
    CHECK(!read_drafter_config("{", "x"));
    CHECK(!read_drafter_config_file(fixtures + "nowhere"));
}

TEST_CASE("a drafter that is not the compiled one is told apart by the fields that count") {
    const auto e2b = read_drafter_config_file(fixtures + "assistant-e2b-mini");
    REQUIRE(e2b);
    CHECK(describe_difference(*e2b, *e2b).empty());
    DrafterConfig other = *e2b;
    other.centroid_intermediate_top_k = 5;
    other.text.intermediate_size = 96;
    const std::string text = describe_difference(other, *e2b);
    CHECK(text.find("centroid_intermediate_top_k is 4 in the file, but this program was "
                    "compiled for 5") != std::string::npos);
    CHECK(text.find("intermediate_size is 64") != std::string::npos);
    other = *e2b;
    other.num_centroids = 0;
    CHECK(describe_difference(other, *e2b).find("use_ordered_embeddings") != std::string::npos);
}

}  // namespace carat::test

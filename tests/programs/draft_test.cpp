// chat with an assistant: made-up weights, which guess badly and change nothing.
#include "carat/checkpoint/safetensors_writer.hpp"
#include "carat/format/json.hpp"
#include "run_program.hpp"
#include "support/random.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace carat::test {
namespace {

const std::string folder = CARAT_SOURCE_DIR "/tests/fixtures/assistant-pocket/";

#if CARAT_DRAFTS
/// An assistant's folder, with one name or one number of its own.
std::string assistant(const std::string& name, const std::string& wrong = "",
                      std::int64_t first_token = 0) {
    const std::string path = scratch + name;
    std::filesystem::create_directories(path);
    for (const char* file : {"config.json", "generation_config.json"})
        std::filesystem::copy_file(folder + file, path + "/" + file,
                                   std::filesystem::copy_options::overwrite_existing);
    SafetensorsWriter out;
    Random random(5);
    const auto add = [&](const std::string& tensor, std::vector<std::size_t> shape, float scale,
                         float middle = 0) {
        std::size_t n = 1;
        for (const std::size_t extent : shape) n *= extent;
        std::vector<bf16> values(n);
        for (bf16& v : values) v = to_bf16(middle + scale * random.number());
        REQUIRE(out.add(tensor == wrong ? "other" : tensor, shape, values));
    };
    add("pre_projection.weight", {64, 512}, 0.05f);
    add("post_projection.weight", {256, 64}, 0.2f);
    add("model.embed_tokens.weight", {2048, 64}, 0.2f);
    add("model.norm.weight", {64}, 0.1f, 1);
    add("masked_embedding.centroids.weight", {64, 64}, 0.2f);
    std::vector<std::int64_t> order(2048);
    for (std::size_t i = 0; i < order.size(); ++i)
        order[i] = static_cast<std::int64_t>(i * 5 % 2048);
    order[0] = first_token;
    const std::string ordering = "masked_embedding.token_ordering";
    REQUIRE(out.add(ordering == wrong ? "other" : ordering, {2048}, order));
    for (std::size_t l = 0; l < 4; ++l) {
        const std::string layer = "model.layers." + std::to_string(l) + ".";
        const std::size_t head = l == 3 ? 128 : 64;
        for (const char* norm : {"input_layernorm", "post_attention_layernorm",
                                 "pre_feedforward_layernorm", "post_feedforward_layernorm"})
            add(layer + norm + ".weight", {64}, 0.1f, 1);
        add(layer + "layer_scalar", {1}, 0.1f, 1);
        add(layer + "self_attn.q_proj.weight", {4 * head, 64}, 0.2f);
        add(layer + "self_attn.o_proj.weight", {64, 4 * head}, 0.2f);
        add(layer + "self_attn.q_norm.weight", {head}, 0.1f, 1);
        add(layer + "mlp.gate_proj.weight", {64, 64}, 0.2f);
        add(layer + "mlp.up_proj.weight", {64, 64}, 0.2f);
        add(layer + "mlp.down_proj.weight", {64, 64}, 0.2f);
    }
    REQUIRE(out.write(path + "/model.safetensors"));
    return path;
}

TEST_CASE("chat says with an assistant what it says without, and what the assistant did") {
    const std::string question = "--model " + pocket + " --json --threads 2 ";
    std::filesystem::create_directories(scratch);
    for (const std::string how :
         {"'Tell me a story.'", "--temperature 1 --seed 3 'Tell me a story.'",
          "--choice yes --choice no 'Is it raining?'"}) {
        CAPTURE(how);
        const Ran plain = run("chat", question + how);
        const Ran drafted = run("chat", question + "--draft " + assistant("assistant") + " " + how);
        REQUIRE(plain.status == 0);
        INFO(drafted.error);
        REQUIRE(drafted.status == 0);
        const auto a = parse_json(plain.out, "plain"), b = parse_json(drafted.out, "drafted");
        REQUIRE((a && b));
        CHECK(json::find(*a, "text") != nullptr);
        CHECK(json::string(json::find(*a, "text")) == json::string(json::find(*b, "text")));
        CHECK(json::elements(json::find(*a, "token_ids")).size() ==
              json::elements(json::find(*b, "token_ids")).size());
        CHECK(json::find(*a, "drafts") == nullptr);
        const JsonValue* drafts = json::find(*b, "drafts");
        const auto number = [&](const char* key) {
            return json::unsigned_integer(json::find(drafts, key)).value();
        };
        CHECK(number("passes") + number("accepted") ==
              json::elements(json::find(*b, "token_ids")).size() - 1);
        CHECK(number("drafted") >= number("accepted"));
        const auto planned = [](const Json& j) {
            return json::unsigned_integer(json::find(json::find(j, "memory"), "planned_bytes"))
                .value();
        };
        CHECK(planned(*b) > planned(*a));
    }
}

TEST_CASE("an assistant that cannot be is one line, and its model says nothing") {
    std::filesystem::create_directories(scratch);
    const auto refused = [](const std::string& path, const std::string& word) {
        const Ran r = run("chat", "--model " + pocket + " --draft " + path + " Hello");
        CAPTURE(word);
        CHECK(r.status != 0);
        CHECK(r.out == "");
        CHECK(r.error.find("chat: ") == 0);
        CHECK(r.error.find(word) != std::string::npos);
        // A line for each field that differs.
        if (path.find("e2b") == std::string::npos)
            CHECK(std::count(r.error.begin(), r.error.end(), '\n') == 1);
    };
    refused(scratch + "nowhere", "nowhere/config.json");
    refused(pocket, "model_type is \"gemma4\", expected gemma4_assistant");
    refused(assistant("nameless", "post_projection.weight"),
            "tensor post_projection.weight is missing");
    refused(assistant("twice", "", 5), "token_ordering[1] is 5, which is there before");
    refused(assistant("beyond", "", 2048), "token_ordering[0] is 2048, expected 0 to 2047");
    refused(assistant("below", "", -1), "token_ordering[0] is -1, expected 0 to 2047");
    refused(assistant("without", "masked_embedding.token_ordering"), "token_ordering is missing");
    refused(CARAT_SOURCE_DIR "/tests/fixtures/hf/assistant-e2b-mini",
            "backbone_hidden_size is 64 in the file");
}
#else
TEST_CASE("a chat that is compiled without an assistant says how to have one") {
    std::filesystem::create_directories(scratch);
    const Ran r = run("chat", "--model " + pocket + " --draft " + folder + " Hello");
    CHECK(r.status != 0);
    CHECK(r.out == "");
    CHECK(r.error.find("-DCARAT_DRAFT=") != std::string::npos);
    CHECK(std::count(r.error.begin(), r.error.end(), '\n') == 1);
}
#endif

}  // namespace
}  // namespace carat::test

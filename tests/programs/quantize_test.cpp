// quantize: a checkpoint in, a packed one out, which the other programs take for what it came from.
#include "carat/checkpoint/safetensors_writer.hpp"
#include "carat/format/json.hpp"
#include "run_program.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

namespace carat::test {
namespace {

namespace fs = std::filesystem;

std::string file_text(const std::string& path) {
    const auto read = read_file(path);
    REQUIRE_MESSAGE(read, path);
    return *read;
}
std::set<std::string> names_in(const std::string& folder) {
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder))
        names.insert(entry.path().filename().string());
    return names;
}
Ran quantize(const std::string& from, const std::string& to) {
    return run("quantize", "--model " + from + " --out " + to);
}
/// What a refusal must be: one line that begins with the program's name, and holds `part`.
void check_refused(const Ran& r, const std::string& program, const std::string& part) {
    CAPTURE(r.error);
    CHECK(r.status != 0);
    CHECK(r.out == "");
    CHECK(r.error.starts_with(program + ": "));
    CHECK(r.error.find(part) != std::string::npos);
    CHECK(std::count(r.error.begin(), r.error.end(), '\n') == 1);
}
/// A folder of its own, empty.
std::string fresh(const std::string& name) {
    const std::string folder = scratch + "quantize/" + name;
    fs::remove_all(folder);
    fs::create_directories(scratch + "quantize");
    return folder;
}

}  // namespace

TEST_CASE("a packed checkpoint speaks and computes as the one it was made from") {
    const std::string packed = fresh("packed");
    const Ran q = quantize(pocket, packed);
    CHECK(q.error == "");
    CHECK(q.out == "");
    REQUIRE(q.status == 0);
    CHECK(names_in(packed) == std::set<std::string>{"chat_template.jinja", "config.json",
                                                    "generation_config.json", "model.carat",
                                                    "processor_config.json", "tokenizer.json",
                                                    "tokenizer.model", "tokenizer_config.json"});
    const auto said = [](const std::string& model, const std::string& question) {
        const Ran r = run("chat", "--model " + model + " --greedy --json " + question);
        CAPTURE(r.error);
        REQUIRE(r.status == 0);
        const auto json = parse_json(r.out, "chat");
        REQUIRE(json);
        std::vector<std::int64_t> ids;
        for (const char* key : {"input_ids", "token_ids"})
            for (const JsonValue& id : json::elements(json::find(*json, key)))
                ids.push_back(json::integer(id).value());
        return ids;
    };
    const std::vector<std::string> questions{
        "'What is the capital of France?'",
        "--image " + pocket + "/samples/shapes.png 'Describe the image.'",
        "--audio " + pocket + "/samples/question.wav 'Answer the question.'"};
    for (const std::string& question : questions) {
        CAPTURE(question);
        const auto expected = said(pocket, question);
        CHECK(expected.size() > 10);
        CHECK(said(packed, question) == expected);
        CHECK(said(packed + " --in-place", question) == expected);
    }

    SafetensorsWriter inputs;
    REQUIRE(inputs.add("input_ids", {1, 6}, std::vector<std::int64_t>{2, 30, 67, 104, 141, 178}));
    REQUIRE(inputs.write(scratch + "quantize/in.safetensors"));
    const auto logits = [](const std::string& model) {
        const std::string out = scratch + "quantize/out.safetensors";
        fs::remove(out);
        const Ran r = run("forward", "--model " + model + " --inputs " + scratch +
                                         "quantize/in.safetensors --out " + out);
        CAPTURE(r.error);
        REQUIRE(r.status == 0);
        return file_text(out);
    };
    CHECK(logits(packed) == logits(pocket));

    // Once more into the same folder: what is there is replaced by the same bytes.
    const std::string before = file_text(packed + "/model.carat");
    CHECK(quantize(pocket, packed).status == 0);
    CHECK(file_text(packed + "/model.carat") == before);
}

TEST_CASE("what quantize cannot do is one line, and leaves nothing behind") {
    const std::string out = fresh("out"), other = fresh("other");
    // Another config than the program's.
    const Ran q = quantize(CARAT_SOURCE_DIR "/tests/fixtures/hf/e2b-mini", out);
    CHECK(q.status != 0);
    CHECK(q.error.starts_with("quantize: "));
    CHECK(q.error.find("config.json: ") != std::string::npos);
    CHECK(q.error.find("but this program was compiled for") != std::string::npos);
    CHECK_FALSE(fs::exists(out));
    check_refused(quantize(scratch + "none", out), "quantize", scratch + "none");
    CHECK_FALSE(fs::exists(out));
    // A file of another format than its name says.
    write("quantize/m.gguf", file_text(pocket + "/model.safetensors"));
    check_refused(quantize(scratch + "quantize/m.gguf", out), "quantize", "not a GGUF file");
    CHECK_FALSE(fs::exists(out));
    // A target that is something else already.
    fs::create_directory(other);
    write("quantize/other/model.safetensors", "mine");
    check_refused(quantize(pocket, other), "quantize",
                  "has a model.safetensors: a packed checkpoint needs a folder of its own");
    CHECK(names_in(other) == std::set<std::string>{"model.safetensors"});
    CHECK(file_text(other + "/model.safetensors") == "mine");
    check_refused(quantize(pocket, other + "/model.safetensors"), "quantize",
                  other + "/model.safetensors");
    CHECK(file_text(other + "/model.safetensors") == "mine");
    check_refused(quantize(pocket, other + "/none/deeper"), "quantize", "cannot create");
    CHECK(names_in(other) == std::set<std::string>{"model.safetensors"});
    check_refused(run("quantize", "--model " + pocket), "quantize", "--out is required");
    // What is packed already.
    REQUIRE(quantize(pocket, out).status == 0);
    check_refused(quantize(out, fresh("again")), "quantize", "is a packed checkpoint already");
    CHECK_FALSE(fs::exists(scratch + "quantize/again"));
}

TEST_CASE("a packed checkpoint of another version or config is refused in a line") {
    const std::string packed = fresh("packed");
    REQUIRE(quantize(pocket, packed).status == 0);
    const std::string weights = file_text(packed + "/model.carat");
    const auto chat = [&] { return run("chat", "--model " + packed + " Hello"); };
    std::string changed = weights;
    changed[8] = 2;
    write("quantize/packed/model.carat", changed);
    check_refused(chat(), "chat", "is a packed checkpoint of version 2, expected 1: pack it again");
    changed = weights;
    changed[changed.size() / 2] = static_cast<char>(changed[changed.size() / 2] ^ 1);
    write("quantize/packed/model.carat", changed);
    check_refused(chat(), "chat", "is damaged");
    write("quantize/packed/model.carat", weights.substr(0, weights.size() / 2));
    check_refused(chat(), "chat", packed + "/model.carat: ");
    write("quantize/packed/model.carat", weights);
    const std::string config = file_text(packed + "/config.json"), key = "\"sliding_window\": ";
    const std::size_t at = config.find(key);
    REQUIRE(at != std::string::npos);
    write("quantize/packed/config.json",
          std::string(config).replace(at, key.size(), key + "1"));  // 16 becomes 116
    check_refused(chat(), "chat", "sliding_window is ");
    write("quantize/packed/config.json", config);
    CHECK(chat().status == 0);
}

}  // namespace carat::test

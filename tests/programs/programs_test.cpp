// The real programs on pocket's pictures, sounds and videos: what they print and write must be what
// the reference said, word for word.
#include "carat/checkpoint/mapped_file.hpp"
#include "carat/checkpoint/safetensors.hpp"
#include "carat/checkpoint/safetensors_writer.hpp"
#include "carat/format/json.hpp"
#include "carat/format/json_writer.hpp"
#include "carat/media/audio/audio_file.hpp"
#include "carat/text/read_file.hpp"
#include "run_program.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

namespace carat::test {
namespace {

std::vector<std::int64_t> integers(const JsonValue* list) {
    std::vector<std::int64_t> out;
    for (const JsonValue& v : json::elements(list)) out.push_back(json::integer(v).value());
    return out;
}
template <class T>
std::vector<T> values(const Safetensors& file, const char* name) {
    const StoredTensor* t = file.find(name);
    if (t == nullptr) FAIL(name << " is missing");
    std::vector<T> out(t->count());
    REQUIRE(t->bytes == out.size() * sizeof(T));
    std::memcpy(out.data(), t->data, t->bytes);
    return out;
}

/// f(id, its first step) for every record with media, whose messages are then in messages.json.
template <class F>
std::size_t for_each_record(F&& f) {
    const auto text = read_file(pocket + "/expected.json");
    REQUIRE(text);
    const auto records = parse_json(*text, "expected.json");
    REQUIRE(records);
    std::size_t count = 0;
    for (const JsonValue& record : json::elements(*records)) {
        const JsonValue& step = json::elements(json::find(record, "steps"))[0];
        if (json::elements(json::find(step, "soft_tokens")).empty()) continue;
        JsonWriter w;
        w.begin_object().key("messages").value(*json::find(record, "messages")).end_object();
        std::string messages(w.text());
        const std::string from = "samples/", to = pocket + "/samples/";
        for (std::size_t at = messages.find(from); at != std::string::npos;
             at = messages.find(from, at + to.size()))
            messages.replace(at, from.size(), to);
        write("messages.json", messages);
        const std::string id(json::string(json::find(record, "id")).value());
        CAPTURE(id);
        f(id, step);
        ++count;
    }
    return count;
}

TEST_CASE("chat says of pocket's samples what the reference says, token for token") {
    std::filesystem::create_directories(scratch);
    const std::size_t records = for_each_record([&](const std::string&, const JsonValue& step) {
        const Ran r = run("chat", "--model " + pocket + " --messages " + scratch +
                                      "messages.json --greedy --json");
        CHECK(r.error == "");
        REQUIRE(r.status == 0);
        const auto said = parse_json(r.out, "chat");
        REQUIRE(said);
        CHECK(integers(json::find(*said, "input_ids")) == integers(json::find(step, "input_ids")));
        CHECK(integers(json::find(*said, "token_ids")) == integers(json::find(step, "output_ids")));
        CHECK(json::string(json::find(*said, "text")) ==
              json::string(json::find(step, "output_text")));
    });
    CHECK(records == 10);
}

TEST_CASE("process and forward make of them the reference's ids and logits") {
    std::filesystem::create_directories(scratch);
    const auto logits_file = MappedFile::open(pocket + "/expected_logits.safetensors");
    REQUIRE(logits_file);
    const auto expected = Safetensors::read(logits_file->bytes(), "expected_logits");
    REQUIRE(expected);
    std::size_t compared = 0;
    for_each_record([&](const std::string& id, const JsonValue& step) {
        const std::string in = scratch + "inputs.safetensors",
                          out = scratch + "outputs.safetensors";
        const Ran p = run("process", "--model " + pocket + " --messages " + scratch +
                                         "messages.json --out " + in);
        CHECK(p.error == "");
        REQUIRE(p.status == 0);
        const Ran f = run("forward", "--model " + pocket + " --inputs " + in + " --out " + out +
                                         " --logits-to-keep 1");
        CHECK(f.error == "");
        REQUIRE(f.status == 0);
        const auto in_file = MappedFile::open(in), out_file = MappedFile::open(out);
        REQUIRE(in_file);
        REQUIRE(out_file);
        const auto inputs = Safetensors::read(in_file->bytes(), in);
        const auto outputs = Safetensors::read(out_file->bytes(), out);
        REQUIRE(inputs);
        REQUIRE(outputs);
        CHECK(values<std::int64_t>(*inputs, "input_ids") ==
              integers(json::find(step, "input_ids")));
        const auto logits = values<float>(*outputs, "logits");
        CHECK(std::max_element(logits.begin(), logits.end()) - logits.begin() ==
              integers(json::find(step, "output_ids"))[0]);
        if (json::boolean(json::find(step, "first_logits")) != true) return;
        const auto wanted = values<float>(*expected, id.c_str());
        REQUIRE(wanted.size() == logits.size());
        float largest = 0;
        for (std::size_t i = 0; i < logits.size(); ++i)
            largest = std::max(largest, std::abs(logits[i] - wanted[i]));
        CHECK(largest <= 2e-3f);
        ++compared;
    });
    CHECK(compared >= 3);
}

TEST_CASE("forward gives logits of the tokens that the inputs name, in their order") {
    std::filesystem::create_directories(scratch);
    const auto outputs = [&](const std::vector<std::int64_t>& keep) {
        SafetensorsWriter file;
        REQUIRE(file.add("input_ids", {2, 4},
                         std::vector<std::int64_t>{2, 9, 40, 300, 2, 1000, 77, 5}));
        if (!keep.empty()) REQUIRE(file.add("logits_to_keep", {keep.size()}, keep));
        REQUIRE(file.write(scratch + "kept.safetensors"));
        return run("forward", "--model " + pocket + " --inputs " + scratch +
                                  "kept.safetensors --out " + scratch + "logits.safetensors");
    };
    const auto logits = [&](const std::vector<std::int64_t>& keep) {
        const Ran ran = outputs(keep);
        CHECK(ran.error == "");
        REQUIRE(ran.status == 0);
        const auto file = MappedFile::open(scratch + "logits.safetensors");
        REQUIRE(file);
        const auto tensors = Safetensors::read(file->bytes(), "logits");
        REQUIRE(tensors);
        return values<float>(*tensors, "logits");
    };
    const auto all = logits({});
    const std::size_t vocab = all.size() / 8;
    const std::vector<std::int64_t> keep{2, -1, 0};
    const auto some = logits(keep);
    REQUIRE(some.size() == 6 * vocab);
    const std::size_t rows[] = {2, 3, 0, 6, 7, 4};  // of both sequences
    for (std::size_t i = 0; i < 6; ++i)
        CHECK(std::equal(some.begin() + static_cast<std::ptrdiff_t>(i * vocab),
                         some.begin() + static_cast<std::ptrdiff_t>((i + 1) * vocab),
                         all.begin() + static_cast<std::ptrdiff_t>(rows[i] * vocab)));
    CHECK(outputs({1, 4}).error == "forward: " + scratch +
                                       "kept.safetensors: logits_to_keep has 4 at element 1, "
                                       "expected -4 to 3\n");
    CHECK(outputs({0, 1, 2, 3, 0}).error ==
          "forward: " + scratch +
              "kept.safetensors: logits_to_keep is I64 [5], expected I64 or I32 [1 to 4]\n");
}

TEST_CASE("transcribe hears more than the model hears at once") {
    std::filesystem::create_directories(scratch);
    const auto read = [](const char* name) {
        auto sound = read_audio_file(pocket + "/samples/" + name);
        REQUIRE(sound);
        return sound->samples;
    };
    std::vector<std::int16_t> all;
    const auto say = [&](const std::vector<float>& samples) {
        for (const float x : samples)
            all.push_back(
                static_cast<std::int16_t>(std::lround(std::clamp(x, -1.0f, 1.0f) * 32767)));
        all.insert(all.end(), 16000 * 6 / 5, 0);
    };
    const auto digits = read("digits.wav"), sentence = read("sentence.wav");
    std::size_t rounds = 0;
    for (; all.size() < 35 * 16000; ++rounds) {
        say(digits);
        say(sentence);
    }
    std::string wav("RIFF....WAVEfmt ", 16);
    const auto number = [&](std::uint32_t v, int bytes) {
        for (int i = 0; i < bytes; ++i) wav += static_cast<char>(v >> 8 * i & 255);
    };
    number(16, 4), number(1, 2), number(1, 2), number(16000, 4), number(32000, 4), number(2, 2);
    number(16, 2);
    wav += "data";
    number(static_cast<std::uint32_t>(2 * all.size()), 4);
    wav.append(reinterpret_cast<const char*>(all.data()), 2 * all.size());
    write("long.wav", wav);
    const auto pieces = [&](const std::string& options) {
        const Ran r = run("transcribe", "--model " + pocket + " " + scratch + "long.wav" + options);
        CHECK(r.error == "");
        CHECK(r.status == 0);
        return r.out;
    };
    // Whole, it is two pieces of more words than pocket knows to follow; at most 4 s it gets right.
    const std::string whole = pieces("");
    CHECK(std::count(whole.begin(), whole.end(), '\n') == 2);
    const std::string words = pieces(" --seconds 4");
    const auto count = [&](const std::string& text) {
        std::size_t n = 0;
        for (std::size_t at = words.find(text); at != std::string::npos;
             at = words.find(text, at + 1))
            ++n;
        return n;
    };
    CAPTURE(words);
    CHECK(count("three five nine\n") == rounds);
    CHECK(count("the small cat likes the red fish\n") == rounds);
    CHECK(static_cast<std::size_t>(std::count(words.begin(), words.end(), '\n')) == 2 * rounds);
}

TEST_CASE("what cannot be seen or heard is one line, and no file is left") {
    std::filesystem::create_directories(scratch);
    write("nan.wav", [] {
        std::string wav(
            "RIFF....WAVEfmt "
            "\x10\0\0\0\x03\0\x01\0\x80\x3e\0\0\0\xfa\0\0\x04\0\x20\0data\x10\0\0\0",
            44);
        for (int i = 0; i < 4; ++i) wav += std::string("\0\0\xc0\x7f", 4);
        return wav;
    }());
    write(
        "empty.wav",
        std::string(
            "RIFF....WAVEfmt \x10\0\0\0\x01\0\x01\0\x80\x3e\0\0\0\x7d\0\0\x02\0\x10\0data\0\0\0\0",
            44));
    write("lying.wav",
          std::string(
              "RIFF....WAVEfmt "
              "\x10\0\0\0\x01\0\xff\xff\xff\xff\xff\xff\0\x7d\0\0\x02\0\x10\0data\xff\xff\xff\x7f",
              44));
    write("text.txt", "no sound at all, and no picture");
    write("nothing", "");
    for (const char* kind : {"image", "audio", "video"})
        for (const char* name :
             {"nan.wav", "empty.wav", "lying.wav", "text.txt", "nothing", "no_such_file"}) {
            const std::string messages =
                std::string(R"({"messages": [{"role": "user", "content": [{"type": ")") + kind +
                R"(", "path": ")" + name + R"("}]}]})";
            CAPTURE(messages);
            write("bad.json", messages);
            const std::string out = scratch + "bad.safetensors";
            std::filesystem::remove(out);
            const Ran p = run("process", "--model " + pocket + " --messages " + scratch +
                                             "bad.json --out " + out);
            CHECK(p.status != 0);
            CHECK(p.error.find("process: ") == 0);
            CHECK(p.error.find(name) != std::string::npos);
            CHECK(std::count(p.error.begin(), p.error.end(), '\n') == 1);
            CHECK_FALSE(std::filesystem::exists(out));
            const Ran c =
                run("chat", "--model " + pocket + " --" + kind + " " + scratch + name + " What?");
            CHECK(c.status != 0);
            CHECK(c.out == "");
            CHECK(std::count(c.error.begin(), c.error.end(), '\n') == 1);
        }
}

}  // namespace
}  // namespace carat::test

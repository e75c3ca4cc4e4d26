// Packed checkpoints of all variants and weight formats: what comes back is what went in.
#include "carat/pack.hpp"
#include "carat/parallel/thread_pool.hpp"
#include "support/files.hpp"
#include "support/gguf_file.hpp"
#include "support/prompt_logits.hpp"
#include "support/weights_sum.hpp"

#include <doctest/doctest.h>

#include <carat/models/a4b_mini.hpp>
#include <carat/models/e2b_mini.hpp>
#include <carat/models/e4b_mini.hpp>
#include <carat/models/gemma4_31b_mini.hpp>
#include <carat/models/pocket.hpp>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace carat::test {
namespace {

template <class Gemma>
Gemma opened(const std::string& path, BindOptions options = {}) {
    auto model = Gemma::open(path, {}, options);
    REQUIRE_MESSAGE(model, model.error().text);
    return *std::move(model);
}
template <class Gemma>
std::string refusal(const std::string& path) {
    const auto model = Gemma::open(path);
    return model ? "accepted" : model.error().text;
}

/// Packs a checkpoint and opens it in every way.
template <class Gemma>
void round_trip(const std::string& path) {
    const Folder folder("packed");
    const std::string packed = folder / "packed";
    ThreadPool pool(2);
    const auto done = pack_checkpoint<Gemma>(path, packed, {}, {.executor = pool});
    REQUIRE_MESSAGE(done, done.error().text);
    const Gemma source = opened<Gemma>(path);
    const std::uint64_t expected = weights_sum(source);
    const std::size_t resident = source.memory_bytes();

    const Gemma copied = opened<Gemma>(packed);
    CHECK(weights_sum(copied) == expected);
    CHECK(copied.memory_bytes() <= resident);  // what was converted for a tower stays in the file
    CHECK(copied.generation() == source.generation());
    CHECK(weights_sum(opened<Gemma>(packed, {.executor = pool})) == expected);
    const Gemma in_place = opened<Gemma>(packed, {.executor = pool, .in_place = true});
    CHECK(weights_sum(in_place) == expected);
    CHECK(in_place.memory_bytes() <= std::size_t{8}
                                         << 16);  // a table's rows at most, nothing copied
    CHECK(weights_sum(opened<Gemma>(packed, {.in_place = true, .verify = false})) == expected);

    const auto file = MappedFile::open(packed + "/model.carat");
    REQUIRE(file);
    const auto viewed = Gemma::view(file->bytes(), "packed", {}, {}, {.in_place = true});
    REQUIRE_MESSAGE(viewed, viewed.error().text);
    CHECK(weights_sum(*viewed) == expected);
    CHECK(viewed->memory_bytes() == 0);
    // From memory that is aligned to nothing.
    std::string shifted(1, '\0');
    shifted.append(file->text());
    const auto odd = Gemma::view(bytes(shifted).subspan(1), "packed", {}, {}, {.in_place = true});
    REQUIRE_MESSAGE(odd, odd.error().text);
    CHECK(weights_sum(*odd) == expected);
    CHECK(odd->memory_bytes() > 0);
}

/// Some roles in another format than the others.
struct Mixed : weights::bf16 {
    using embedding = carat::q8_0;
    using per_layer = carat::as_stored;
    using experts = carat::f32;
    using tower = carat::f32;
};

}  // namespace

TEST_CASE("every variant comes back from a packed checkpoint, in every format of its weights") {
    round_trip<Gemma4<models::e2b_mini, weights::f32>>(fixtures + "e2b-mini");
    round_trip<Gemma4<models::e2b_mini, weights::bf16>>(fixtures + "e2b-mini");
    round_trip<Gemma4<models::e4b_mini, weights::bf16>>(fixtures + "e4b-mini");
    round_trip<Gemma4<models::a4b_mini, weights::bf16>>(fixtures + "a4b-mini");
    round_trip<Gemma4<models::gemma4_31b_mini, weights::f16>>(fixtures + "31b-mini");
    // Of the other minis, some rows are no whole blocks.
    round_trip<Gemma4<models::gemma4_31b_mini, weights::q8_0>>(fixtures + "31b-mini");
    round_trip<Gemma4<models::pocket, weights::q4_0>>(pocket);
    round_trip<Gemma4<models::e2b_mini, Mixed>>(fixtures + "e2b-mini");
    round_trip<Gemma4<models::a4b_mini, Mixed>>(fixtures + "a4b-mini");
}

namespace {

using E2b = Gemma4<models::e2b_mini, weights::bf16>;

/// Logits after a prompt, and soft tokens of a made-up picture and sound.
std::vector<float> answers(const E2b& model) {
    Serial serial;
    std::vector<float> out = prompt_logits(model);
    const auto add = [&](const Result<E2b::SoftTokens>& tokens) {
        REQUIRE_MESSAGE(tokens, tokens.error().text);
        const auto all = tokens->view().span();
        out.insert(out.end(), all.begin(), all.end());
    };
    std::vector<float> pixels(9 * E2b::Vision::patch), sound(40 * 128);
    for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<float>(i % 17) / 17.0f;
    for (std::size_t i = 0; i < sound.size(); ++i) sound[i] = static_cast<float>(i % 13) / 13.0f;
    std::vector<std::int32_t> places;
    for (std::int32_t i = 0; i < 9; ++i) places.insert(places.end(), {i % 3, i / 3});
    const E2b::Picture picture{Rows<const float, E2b::Vision::patch>(pixels.data(), 9),
                               nn::vision::Positions(places.data(), 9)};
    add(model.see(std::span(&picture, 1), serial));
    add(model.hear(Rows<const float, 128>(sound.data(), 40), {}, serial));
    return out;
}

void overwrite(const std::string& path, const std::string& text) {
    std::filesystem::remove(path);
    write_text(path, text);
}

}  // namespace

TEST_CASE("a packed model speaks, sees and hears as its source, bit for bit") {
    const Folder folder("packed");
    REQUIRE(pack_checkpoint<E2b>(fixtures + "e2b-mini", folder / "p"));
    const auto expected = answers(opened<E2b>(fixtures + "e2b-mini"));
    CHECK(answers(opened<E2b>(folder / "p")) == expected);
    CHECK(answers(opened<E2b>(folder / "p", {.in_place = true})) == expected);
}

TEST_CASE("a packed GGUF file is the model of that file, and needs nothing beside itself") {
    const Folder folder("packed");
    using Pocket = Gemma4<models::pocket, weights::q4_0>;
    write_text(folder / "m.gguf", gguf_of(pocket, models::pocket.text).bytes());
    REQUIRE(pack_checkpoint<Pocket>(folder / "m.gguf", folder / "p"));
    const Pocket source = opened<Pocket>(folder / "m.gguf");
    const std::uint64_t expected = weights_sum(source);
    std::filesystem::remove(folder / "m.gguf");
    const Pocket packed = opened<Pocket>(folder / "p");
    CHECK(weights_sum(packed) == expected);
    CHECK(packed.generation() == source.generation());
    const auto head = MappedFile::open(folder / "p/tokenizer.gguf");
    REQUIRE(head);
    CHECK(Gguf::read(head->bytes(), "tokenizer.gguf"));
}

TEST_CASE("weights beside a GGUF file of another model are not that file's, and need a config") {
    const Folder folder("packed");
    const std::string from = folder / "from";
    std::filesystem::create_directory(from);
    for (const char* name : {"model.safetensors", "tokenizer.json"})
        std::filesystem::copy_file(fixtures + "e2b-mini/" + name, from + "/" + name);
    write_text(from + "/x.gguf", "");
    CHECK(contains(refusal<E2b>(from), "config.json: cannot open"));
    const auto done = pack_checkpoint<E2b>(from, folder / "to");
    REQUIRE_FALSE(done);
    CHECK(contains(done.error().text, "config.json: cannot open"));
    CHECK_FALSE(std::filesystem::exists(folder / "to"));
}

TEST_CASE("a packed checkpoint for something else is refused in one line") {
    const Folder folder("packed");
    const std::string packed = folder / "p";
    REQUIRE(pack_checkpoint<E2b>(fixtures + "e2b-mini", packed));
    CHECK(refusal<E2b>(packed) == "accepted");
    const std::string file = packed + "/model.carat";

    // Another format of some role.
    CHECK(refusal<Gemma4<models::e2b_mini, Mixed>>(packed) ==
          file +
              ": is packed as linear BF16, embedding BF16, per-layer BF16, experts BF16, towers "
              "BF16, but this program wants linear BF16, embedding Q8_0, per-layer as stored, "
              "experts F32, towers F32: pack it again from its source");
    // What multiplies and what is cached is not the file's matter.
    CHECK(refusal<Gemma4<models::e2b_mini, weights::Fast<weights::bf16>>>(packed) == "accepted");

    // Another config, said by config.json or by the file itself.
    static constexpr ModelConfig more_window = [] {
        ModelConfig c = models::e2b_mini;
        c.text.sliding_window = 17;
        return c;
    }();
    CHECK(contains(refusal<Gemma4<more_window, weights::bf16>>(packed),
                   "config.json: sliding_window is 16 in the file, but"));
    const std::string config = read_text(packed + "/config.json");
    std::string other = config;
    const std::size_t at = other.find("\"sliding_window\": 16");
    REQUIRE(at != std::string::npos);
    other.replace(at, 20, "\"sliding_window\": 17");
    overwrite(packed + "/config.json", other);
    CHECK(refusal<Gemma4<more_window, weights::bf16>>(packed) ==
          file +
              ": is packed for a model of another config than this program's: pack it again "
              "from its source");
    overwrite(packed + "/config.json", config);

    // Another version, which nobody may guess about.
    const std::string all = read_text(file);
    std::string changed = all;
    changed[8] = 2;
    overwrite(file, changed);
    CHECK(refusal<E2b>(packed) ==
          file + ": is a packed checkpoint of version 2, expected 1: pack it again");
    overwrite(file, all);
    CHECK(refusal<E2b>(packed) == "accepted");
    for (std::size_t n = 0; n < all.size(); n += 1 + all.size() / 50) {
        CAPTURE(n);
        overwrite(file, all.substr(0, n));
        CHECK(refusal<E2b>(packed) != "accepted");
    }
}

TEST_CASE("packing what is packed, or into another checkpoint's folder, is refused") {
    const Folder folder("packed");
    REQUIRE(pack_checkpoint<E2b>(fixtures + "e2b-mini", folder / "p"));
    const std::size_t files = folder.files();
    auto again = pack_checkpoint<E2b>(folder / "p", folder / "q");
    REQUIRE_FALSE(again);
    CHECK(again.error().text == (folder / "p") + ": is a packed checkpoint already");
    CHECK(folder.files() == files);  // no folder q either
    write_text(folder / "model.safetensors", "x");
    again = pack_checkpoint<E2b>(fixtures + "e2b-mini", folder.path());
    REQUIRE_FALSE(again);
    CHECK(contains(again.error().text, "a packed checkpoint needs a folder of its own"));
    again = pack_checkpoint<E2b>(fixtures + "e2b-mini", folder / "none/there");
    REQUIRE_FALSE(again);
    CHECK(again.error().code == Errc::io);
    // Cancelled in the middle.
    std::size_t words = 0;
    const auto stop = [&](std::size_t, std::size_t) { return ++words < 5; };
    again = pack_checkpoint<E2b>(fixtures + "e2b-mini", folder / "c", stop);
    REQUIRE_FALSE(again);
    CHECK(again.error().code == Errc::cancelled);
    CHECK_FALSE(std::filesystem::exists(folder / "c"));
    // A good one is there until a better one is complete.
    words = 0;
    REQUIRE_FALSE(pack_checkpoint<E2b>(fixtures + "e2b-mini", folder / "p", stop));
    CHECK(refusal<E2b>(folder / "p") == "accepted");
    CHECK(pack_checkpoint<E2b>(fixtures + "e2b-mini", folder / "p"));
    CHECK(refusal<E2b>(folder / "p") == "accepted");
}

TEST_CASE("a folder in the place of a file is refused before any file has changed") {
    const Folder folder("packed");
    REQUIRE(pack_checkpoint<E2b>(fixtures + "e2b-mini", folder / "p"));
    write_text(folder / "p/config.json", "as it was");
    for (const char* name : {"model.carat", "tokenizer.json"}) {
        CAPTURE(name);
        const std::string taken = folder / "p/" + name;
        std::filesystem::rename(taken, folder / "aside");
        std::filesystem::create_directory(taken);
        const std::size_t files = folder.files();
        const auto again = pack_checkpoint<E2b>(fixtures + "e2b-mini", folder / "p");
        REQUIRE_FALSE(again);
        CHECK(again.error().text == taken + ": cannot replace: Is a directory");
        CHECK(read_text(folder / "p/config.json") == "as it was");
        CHECK(folder.files() == files);
        std::filesystem::remove(taken);
        std::filesystem::rename(folder / "aside", taken);
    }
}

}  // namespace carat::test

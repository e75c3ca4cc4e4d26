// Pictures and sounds through towers out of GGUF: the same as through those of safetensors.
#include "carat/gemma4.hpp"
#include "carat/pack.hpp"
#include "support/files.hpp"
#include "support/fixture.hpp"
#include "support/gguf_projector.hpp"

#include <doctest/doctest.h>

#include <carat/models/e2b_mini.hpp>
#include <carat/models/gemma4_31b_mini.hpp>
#include <cstdint>
#include <string>
#include <vector>

namespace carat::test {
namespace {

using E2b = Gemma4<models::e2b_mini>;
using Gemma31b = Gemma4<models::gemma4_31b_mini>;
constexpr const ModelConfig& e2b = models::e2b_mini;

/// Soft tokens of a made-up picture, and of a made-up sound behind them where the model hears; and
/// the logits of a prompt with them.
template <class Model>
std::vector<float> seen_and_heard(const Model& model) {
    constexpr std::size_t patch = Model::Vision::patch, columns = 6, rows = 3;
    Serial serial;
    std::vector<float> pixels(columns * rows * patch);
    std::vector<std::int32_t> places;
    for (std::size_t i = 0; i < pixels.size(); ++i)
        pixels[i] = static_cast<float>(i * 37 % 256) / 255.0f;
    for (std::int32_t y = 0; y < std::int32_t{rows}; ++y)
        for (std::int32_t x = 0; x < std::int32_t{columns}; ++x)
            places.insert(places.end(), {x, y});
    const typename Model::Picture picture{Rows<const float, patch>(pixels.data(), columns * rows),
                                          nn::vision::Positions(places.data(), columns * rows)};
    const auto seen = model.see(std::span(&picture, 1), serial);
    if (!seen) FAIL(seen.error().text);
    typename Model::SoftTokens soft;
    soft.append(*seen);
    std::vector<std::int32_t> ids{2};
    std::vector<std::uint8_t> types{0};
    const auto place = [&](std::size_t tokens, std::int32_t id, std::uint8_t type) {
        ids.insert(ids.end(), tokens, id);
        types.insert(types.end(), tokens, type);
    };
    place(seen->view().rows(), Model::config.tokens.image, 1);
    if constexpr (Model::config.audio.present()) {
        constexpr std::size_t frames = 40;
        std::vector<float> features(frames * nn::audio::mel_bins);
        for (std::size_t i = 0; i < features.size(); ++i)
            features[i] = static_cast<float>(i * 29 % 200) / 50.0f - 3.0f;
        const auto heard =
            model.hear(Rows<const float, nn::audio::mel_bins>(features.data(), frames), {}, serial);
        if (!heard) FAIL(heard.error().text);
        soft.append(*heard);
        place(heard->view().rows(), Model::config.tokens.audio, 3);
    }
    for (std::int32_t i = 0; i < 5; ++i) place(1, 30 + i, 0);
    const auto tokens = soft.view();
    std::vector<float> out(tokens.data(), tokens.data() + tokens.size());
    auto session = model.session(serial, {.context_tokens = 64});
    REQUIRE(session);
    const auto read = session->append(
        {.ids = ids, .soft_tokens = tokens, .token_types = types, .logits_to_keep = 0},
        [&](std::size_t, std::span<const float> z) { out.insert(out.end(), z.begin(), z.end()); });
    if (!read) FAIL(read.error().text);
    return out;
}

template <class Model>
std::vector<float> seen_and_heard(const std::string& path) {
    const auto model = Model::open(path);
    if (!model) FAIL(model.error().text);
    return seen_and_heard(*model);
}
template <class Model>
std::string fault_of(const std::string& path) {
    const auto model = Model::open(path);
    return model ? "opened" : model.error().text;
}

/// A folder with e2b-mini's text, and towers in `towers` beside it.
struct TextAndTowers {
    Folder folder{"towers"};
    TextAndTowers() {
        write_text(folder / "text.gguf", gguf_of(fixture_path("e2b-mini"), e2b.text).bytes());
    }
    void towers(const std::string& bytes) const { write_text(folder / "mmproj-bf16.gguf", bytes); }
    [[nodiscard]] std::string fault() const { return fault_of<E2b>(folder / "text.gguf"); }
};
/// The file of towers, of which `but` changes a tensor or leaves it out (add_towers).
template <class But>
std::string towers_but(But&& but, bool wide = false) {
    GgufFile to;
    add_tower_config(to, e2b, TowerWriter::llama_cpp);
    add_towers(to, fixture_path("e2b-mini"), TowerWriter::llama_cpp, wide, but);
    return to.bytes();
}

}  // namespace

TEST_CASE("what a file of towers beside a GGUF file sees and hears is the same, bit for bit") {
    const TextAndTowers files;
    const auto expected = seen_and_heard<E2b>(fixture_path("e2b-mini"));
    REQUIRE(expected.size() > 1000);
    files.towers(projector_of(fixture_path("e2b-mini"), e2b).bytes());
    CHECK(seen_and_heard<E2b>(files.folder / "text.gguf") == expected);
    CHECK(seen_and_heard<E2b>(files.folder.path()) == expected);
    files.towers(towers_but([](auto&&...) { return true; }, true));  // all of it F32
    CHECK(seen_and_heard<E2b>(files.folder / "text.gguf") == expected);
    CHECK(seen_and_heard<Gemma4<models::e2b_mini, weights::f32>>(files.folder / "text.gguf") ==
          seen_and_heard<Gemma4<models::e2b_mini, weights::f32>>(fixture_path("e2b-mini")));
    REQUIRE(pack_checkpoint<E2b>(files.folder / "text.gguf", files.folder / "packed"));
    CHECK(seen_and_heard<E2b>(files.folder / "packed") == expected);
}

TEST_CASE("towers in the text model's file, by the names that they have there, are the same") {
    const Folder folder("towers");
    GgufFile all = gguf_of(fixture_path("e2b-mini"), e2b.text);
    add_tower_config(all, e2b, TowerWriter::ollama);
    add_towers(all, fixture_path("e2b-mini"), TowerWriter::ollama);
    all.tensor("v.clamp_data", {4}, 0, std::string(16, 'c'));  // once more, for nobody
    write_text(folder / "all.gguf", all.bytes());
    CHECK(seen_and_heard<E2b>(folder / "all.gguf") ==
          seen_and_heard<E2b>(fixture_path("e2b-mini")));
}

TEST_CASE("a tower that standardises, and has no bounds, is the same out of GGUF") {
    const Folder folder("towers");
    const std::string source = fixture_path("31b-mini");
    constexpr const ModelConfig& c = models::gemma4_31b_mini;
    write_text(folder / "g.gguf", gguf_of(source, c.text).bytes());
    write_text(folder / "g.mmproj-f16.gguf", projector_of(source, c).bytes());
    CHECK(seen_and_heard<Gemma31b>(folder.path()) == seen_and_heard<Gemma31b>(source));
}

TEST_CASE("without a file of towers a GGUF file is a model that only reads") {
    const TextAndTowers files;
    const auto model = E2b::open(files.folder / "text.gguf");
    REQUIRE(model);
    Serial serial;
    const auto seen = model->see({}, serial);
    REQUIRE_FALSE(seen);
    CHECK(contains(seen.error().text, "its checkpoint has no tensors of a vision tower"));
    const auto heard = model->hear(Rows<const float, nn::audio::mel_bins>(nullptr, 0), {}, serial);
    REQUIRE_FALSE(heard);
    CHECK(contains(heard.error().text, "its checkpoint has no tensors of an audio tower"));
}

TEST_CASE("what is wrong with a file of towers is said, and in which file") {
    const TextAndTowers files;
    using Shape = std::vector<std::size_t>;
    using Values = std::vector<float>;
    const auto without = [](const std::string& left_out) {
        return towers_but(
            [=](const std::string& name, Shape&, Values&) { return name != left_out; });
    };
    const auto with_shape = [](const std::string& changed, const Shape& to) {
        return towers_but([=](const std::string& name, Shape& shape, Values& values) {
            if (name != changed) return true;
            shape = to;
            std::size_t count = 1;
            for (const std::size_t n : to) count *= n;
            values.resize(count);
            return true;
        });
    };
    const auto fault = [&](const std::string& bytes) {
        files.towers(bytes);
        return files.fault();
    };
    // missing
    CHECK(contains(fault(without("v.blk.1.attn_q.weight")),
                   "tensor model.vision_tower.encoder.layers.1.self_attn.q_proj.linear.weight is "
                   "missing"));
    CHECK(contains(fault(without("a.blk.1.ln2.weight")),
                   "tensor model.audio_tower.layers.1.norm_out.weight is missing"));
    CHECK(contains(fault(without("a.input_projection.weight")),
                   "input_proj_linear.weight is missing"));
    // of another shape
    const std::string name = "mmproj-bf16.gguf: tensor ";
    CHECK(contains(fault(with_shape("v.blk.0.ffn_up.weight", {80, 40})),
                   name + "v.blk.0.ffn_up.weight is [80, 40], expected [80, 48]"));
    CHECK(contains(fault(with_shape("v.patch_embd.weight", {48, 3, 8, 32})),
                   name + "v.patch_embd.weight is [48, 3, 8, 32], expected [48, 768]"));
    CHECK(contains(fault(with_shape("v.patch_embd.weight", {48, 3, 8, 8})),
                   name + "v.patch_embd.weight is [48, 192], expected [48, 768]"));
    CHECK(contains(fault(with_shape("a.blk.0.conv_dw.weight", {5, 32})),
                   name + "a.blk.0.conv_dw.weight is [5, 32], expected [32, 1, 5]"));
    CHECK(contains(fault(with_shape("a.blk.0.per_dim_scale.weight", {4})),
                   name + "a.blk.0.per_dim_scale.weight is [4], expected [8]"));
    // no softplus of anything
    CHECK(contains(fault(towers_but([](const std::string& n, Shape&, Values& values) {
                       if (n == "a.blk.0.per_dim_scale.weight") values[3] = -0.5f;
                       return true;
                   })),
                   name + "a.blk.0.per_dim_scale.weight has values that are no softplus"));
    // cut off, or no GGUF file at all
    const std::string good = towers_but([](auto&&...) { return true; });
    for (const std::size_t n :
         {std::size_t{0}, std::size_t{10}, good.size() / 100, good.size() / 2, good.size() - 32}) {
        CAPTURE(n);
        const std::string text = fault(good.substr(0, n));
        CHECK(contains(text, "mmproj-bf16.gguf: "));
    }
    CHECK(contains(fault("towers"), "mmproj-bf16.gguf: "));
    CHECK(fault(good) == "opened");
}

TEST_CASE("metadata of towers that are not this program's are refused, everything at once") {
    const TextAndTowers files;
    const auto fault = [&](const ModelConfig& c, const std::string& architecture = "clip",
                           const std::string& vision = "gemma4v") {
        GgufFile to;
        add_tower_config(to, c, TowerWriter::llama_cpp);
        const auto replace = [&](const std::string& from, const std::string& with) {
            const std::string before = GgufFile::string(from), after = GgufFile::string(with);
            to.entries.replace(to.entries.find(before), before.size(), after);
        };
        if (architecture != "clip") replace("clip", architecture);
        if (vision != "gemma4v") replace("gemma4v", vision);
        add_towers(to, fixture_path("e2b-mini"), TowerWriter::llama_cpp);
        files.towers(to.bytes());
        return files.fault();
    };
    CHECK(fault(e2b) == "opened");
    CHECK(contains(fault(e2b, "bert"),
                   "mmproj-bf16.gguf: general.architecture is \"bert\", expected \"clip\""));
    CHECK(contains(fault(e2b, "clip", "pixtral"),
                   "mmproj-bf16.gguf: clip.vision.projector_type is \"pixtral\", expected "
                   "\"gemma4v\""));
    ModelConfig other = e2b;
    other.vision.num_hidden_layers = 27;
    other.audio.hidden_size = 1024;
    const std::string text = fault(other);
    CHECK(contains(text,
                   "mmproj-bf16.gguf: clip.vision.block_count is 27, but this program was "
                   "compiled for " +
                       std::to_string(e2b.vision.num_hidden_layers)));
    CHECK(
        contains(text, "clip.audio.embedding_length is 1024, but this program was compiled for "));
    CHECK(contains(text, "clip.audio.feed_forward_length is 4096"));
    // A model without towers does not look at them.
    constexpr ModelConfig only_text = [] {
        ModelConfig c = models::e2b_mini;
        c.vision = {};
        c.audio = {};
        return c;
    }();
    CHECK(fault(other) != "opened");
    CHECK(fault_of<Gemma4<only_text>>(files.folder / "text.gguf") == "opened");
}

}  // namespace carat::test

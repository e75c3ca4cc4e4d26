#include "carat/checkpoint/gguf/gguf_towers.hpp"

#include "carat/checkpoint/gguf/gguf_config.hpp"
#include "support/files.hpp"
#include "support/gguf_projector.hpp"

#include <doctest/doctest.h>

#include <carat/models/e2b_mini.hpp>
#include <carat/models/gemma4_31b_mini.hpp>
#include <carat/models/pocket.hpp>
#include <functional>

using namespace carat;
using namespace carat::test;

namespace {

GgufFile text_of(const std::string& source, const ModelConfig& c) {
    GgufFile text = gguf_of(source, c.text);
    add_tokens(text, c.tokens);
    return text;
}
Result<ModelConfig> config_of(const std::string& path) {
    const auto files = CheckpointFiles::open(path);
    if (!files) return files.error();
    auto config = read_gguf_config(*files);
    if (!config) return config;
    if (auto read = read_gguf_towers(*files, *config); !read) return read.error();
    return config;
}

/// e2b-mini's text, and towers that `change` has changed beside it.
struct Changed {
    using Shape = std::vector<std::size_t>;
    using Change = std::function<bool(const std::string& name, Shape&, std::vector<float>&)>;
    static constexpr const ModelConfig& c = models::e2b_mini;
    Folder folder{"towers"};

    Changed() { write_text(folder / "text.gguf", text_of(fixtures + "e2b-mini", c).bytes()); }
    [[nodiscard]] std::string fault(const GgufFile& towers) const {
        write_text(folder / "mmproj.gguf", towers.bytes());
        const auto config = config_of(folder / "text.gguf");
        return config ? "accepted" : config.error().text;
    }
    [[nodiscard]] std::string fault(const ModelConfig& said, const Change& change) const {
        GgufFile towers;
        add_tower_config(towers, said, TowerWriter::llama_cpp);
        add_towers(towers, fixtures + "e2b-mini", TowerWriter::llama_cpp, false, change);
        return fault(towers);
    }
    [[nodiscard]] std::string fault(const ModelConfig& said) const {
        return fault(said, [](auto&&...) { return true; });
    }
};

}  // namespace

TEST_CASE("a GGUF file and its towers make the config that config.json makes") {
    const auto check = [](const std::string& source, const ModelConfig& expected) {
        CAPTURE(source);
        const Folder folder("towers");
        write_text(folder / "text.gguf", text_of(source, expected).bytes());
        write_text(folder / "mmproj.gguf", projector_of(source, expected).bytes());
        for (const std::string& path : {folder / "text.gguf", folder.path()}) {
            const auto made = config_of(path);
            REQUIRE_MESSAGE(made, made.error().text);
            CHECK(made->text == expected.text);
            CHECK(made->vision == expected.vision);
            CHECK(made->audio == expected.audio);
            CHECK(*made == expected);
        }
        const Folder ollama("towers");  // all in one file
        GgufFile all = text_of(source, expected);
        add_tower_config(all, expected, TowerWriter::ollama);
        add_towers(all, source, TowerWriter::ollama);
        write_text(ollama / "all.gguf", all.bytes());
        const auto made = config_of(ollama / "all.gguf");
        REQUIRE_MESSAGE(made, made.error().text);
        CHECK(*made == expected);
    };
    check(fixtures + "e2b-mini", models::e2b_mini);
    check(fixtures + "31b-mini", models::gemma4_31b_mini);
    check(pocket, models::pocket);
}

TEST_CASE("without towers a config gets none") {
    const Folder folder("towers");
    write_text(folder / "text.gguf", text_of(fixtures + "e2b-mini", models::e2b_mini).bytes());
    const auto made = config_of(folder / "text.gguf");
    REQUIRE_MESSAGE(made, made.error().text);
    CHECK_FALSE(made->vision.present());
    CHECK_FALSE(made->audio.present());
    CHECK(made->text == models::e2b_mini.text);
}

TEST_CASE("the tensors of towers say their sizes where no key does, and where one does, the same") {
    const Changed files;
    ModelConfig said = files.c;
    CHECK(files.fault(said) == "accepted");
    said.vision.pooling_kernel_size = 2;  // which no key of llama.cpp's says
    CHECK(files.fault(said) == "accepted");
    GgufFile keyless;
    keyless.add("general.architecture", "clip");
    add_towers(keyless, fixtures + "e2b-mini", TowerWriter::llama_cpp);
    REQUIRE(files.fault(keyless) == "accepted");
    CHECK(*config_of(files.folder.path()) == files.c);
    GgufFile pooled = keyless;
    pooled.add("clip.has_vision_encoder", true);
    pooled.add("clip.projector_type", "gemma4v");
    pooled.add("clip.vision.projector.scale_factor", 2u);
    REQUIRE(files.fault(pooled) == "accepted");
    CHECK(config_of(files.folder.path())->vision.pooling_kernel_size == 2);

    said = files.c;
    said.vision.num_hidden_layers = 27;
    said.audio.hidden_size = 1024;
    said.text.hidden_size = 96;
    const std::string text = files.fault(said);
    const std::string but = ", but the rest of the files says ";
    CHECK(contains(text, "mmproj.gguf: clip.vision.block_count is 27" + but + "3"));
    CHECK(contains(text, "clip.vision.projection_dim is 96" + but + "64"));
    CHECK(contains(text, "clip.audio.embedding_length is 1024" + but + "32"));
    CHECK(contains(text, "clip.audio.feed_forward_length is 4096" + but + "128"));
}

TEST_CASE("towers that no config can be made of are refused in words") {
    const Changed files;
    using Shape = Changed::Shape;
    using Values = std::vector<float>;
    const auto without = [&](const std::string& left_out) {
        return files.fault(
            files.c, [=](const std::string& name, Shape&, Values&) { return name != left_out; });
    };
    CHECK(contains(without("v.position_embd.weight"),
                   "mmproj.gguf: tensor "
                   "model.vision_tower.patch_embedder.position_embedding_table is missing"));
    CHECK(contains(without("a.blk.0.ln2.weight"),
                   "tensor model.audio_tower.layers.0.norm_out.weight is missing"));
    const auto with_shape = [&](const std::string& changed, const Shape& to) {
        return files.fault(files.c, [=](const std::string& name, Shape& shape, Values& values) {
            if (name != changed) return true;
            shape = to;
            std::size_t count = 1;
            for (const std::size_t n : to) count *= n;
            values.resize(count);
            return true;
        });
    };
    CHECK(contains(with_shape("v.patch_embd.weight", {48, 767}),
                   "by its tensors vision_config.patch_size is 0, expected 1 to 1024"));
    CHECK(contains(with_shape("v.blk.0.attn_q_norm.weight", {11}),
                   "by its tensors vision_config.num_attention_heads is 0, expected 1 to "));
    GgufFile other;
    other.add("general.architecture", "clip");
    other.add("clip.has_vision_encoder", true);
    other.add("clip.projector_type", "pixtral");
    CHECK(files.fault(other).ends_with(
        "mmproj.gguf: clip.projector_type is \"pixtral\", expected \"gemma4v\""));
    GgufFile nothing;
    CHECK(contains(files.fault(nothing), "mmproj.gguf: general.architecture is missing"));
}

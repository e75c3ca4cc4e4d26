// A policy names a type for each role of weights: every tensor of the role has it, a file of
// another type is converted into it, or refused, and where the per-layer table lies changes no bit.
#include "carat/checkpoint/tensors/audio_tensors.hpp"
#include "carat/checkpoint/tensors/text_tensors.hpp"
#include "carat/checkpoint/tensors/vision_tensors.hpp"
#include "carat/config/presets.hpp"
#include "carat/gemma4.hpp"
#include "support/files.hpp"
#include "support/gguf_file.hpp"
#include "support/prompt_logits.hpp"

#include <doctest/doctest.h>

#include <carat/models/a4b_mini.hpp>
#include <carat/models/e2b_mini.hpp>
#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace carat::test {
namespace {

/// Five roles, five types.
struct Mixed : weights::bf16 {
    using linear = carat::f16;
    using embedding = carat::q8_0;
    using per_layer = carat::f32;
    using experts = carat::q4_0;
    using tower = carat::bf16;
};
/// bf16 but for one role.
struct LinearF32 : weights::bf16 {
    using linear = carat::f32;
};
struct EmbeddingF32 : weights::bf16 {
    using embedding = carat::f32;
};
struct PerLayerF32 : weights::bf16 {
    using per_layer = carat::f32;
};
struct PerLayerAsStored : weights::bf16 {
    using per_layer = as_stored;
};
struct ExpertsF32 : weights::bf16 {
    using experts = carat::f32;
};
struct TowersF32 : weights::bf16 {
    using tower = carat::f32;
};

/// A Bind that notes what type a model wants of every tensor.
struct Types {
    using Name = std::string;
    static Name layer_prefix(std::size_t l) { return "layers." + std::to_string(l) + "."; }
    std::map<std::string, std::string> types;

    template <class T, std::size_t... E, class... Rest>
    void operator()(const Name& name, View<const T, E...>&, Rest...) {
        types[name] = name_of(dtype_of<T>);
    }
    template <class T, std::size_t... E, class... Rest>
    void optional(const Name&, View<const T, E...>&, Rest...) {}  // bounds of a tower: floats
    template <std::size_t rows, std::size_t width>
    void operator()(const Name& name, StoredRows<rows, width>&, Residence) {
        types[name] = "as stored";
    }
    template <class Format, std::size_t out, std::size_t in, class... Rest>
    void operator()(const Name& name, PanelView<Format, out, in>&, Rest...) {
        types[name] = name_of(dtype_of<QuantBlock<Format>>);
    }
    template <class Format, std::size_t n, std::size_t out, std::size_t in, class... Rest>
    void operator()(const Name& name, PanelStack<Format, n, out, in>&, Rest...) {
        types[name] = name_of(dtype_of<QuantBlock<Format>>);
    }
};

bool is_tower(std::string_view name) {
    return contains(name, "_tower.") || name.starts_with("embed_vision") ||
           name.starts_with("embed_audio");
}
/// The role of a tensor by its name; none for what is small and always f32.
std::string_view role_of(std::string_view name) {
    const bool one_value_a_channel = contains(name, "norm") || contains(name, "std_") ||
                                     contains(name, "scal") || contains(name, "bias") ||
                                     contains(name, "conv.weight") || contains(name, "depthwise");
    if (one_value_a_channel || contains(name, "router")) return "none";
    if (is_tower(name)) return "tower";
    if (name == "embed_tokens.weight") return "embedding";
    if (name == "embed_tokens_per_layer.weight") return "per_layer";
    return contains(name, "experts.") ? "experts" : "linear";
}
template <ModelConfig C, class Policy>
std::map<std::string, std::string> types_of() {
    using Model = Gemma4<C, Policy>;
    Types types;
    typename Model::Text::Weights text{};
    bind_text_model<typename Model::Text>(types, text);
    if constexpr (C.vision.present()) {
        typename Model::Vision::Weights vision{};
        bind_vision_tower<typename Model::Vision>(types, vision);
    }
    if constexpr (C.audio.present()) {
        typename Model::Audio::Weights audio{};
        bind_audio_tower<typename Model::Audio>(types, audio);
    }
    return types.types;
}

/// The text of a GGUF file (matrices BF16, the rest F32) bound without conversion: what is refused.
template <ModelConfig C, class Policy>
std::string refused(const CheckpointFiles& files) {
    using Text = TextModel<C.text, Policy, Gemma4Modules<Policy>>;
    typename Text::Weights weights{};
    Binder bind(files, "model.language_model.", {.convert = false});
    bind_text_model<Text>(bind, weights);
    const auto memory = bind.finish();
    return memory ? "" : memory.error().text;
}
/// How many tensors a text of refusals speaks of, and whether all that it names are of a role.
std::size_t count_of(const std::string& text, std::string_view role) {
    std::size_t count = 0;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find('\n', at), text.size());
        const std::string line = text.substr(at, end - at);
        at = end + 1;
        if (line.starts_with("and ")) {
            count += std::stoul(line.substr(4));
            continue;
        }
        ++count;
        CAPTURE(line);
        CHECK(contains(line, " is BF16, expected F32"));
        const std::size_t from = line.find("tensor ") + 7;
        const std::string name =
            name_from_gguf(line.substr(from, line.find(" is ") - from), GgufAudioNames::llama_cpp);
        CHECK(role_of(name.substr(name.find("model.language_model.") + 21)) == role);
    }
    return count;
}
template <ModelConfig C>
std::size_t tensors_of(std::string_view role) {
    std::size_t count = 0;
    for (const auto& [name, type] : types_of<C, weights::bf16>())
        if (role_of(name) == role) ++count;
    return count;
}

constexpr const ModelConfig& e2b = models::e2b_mini;
constexpr const ModelConfig& a4b = models::a4b_mini;

}  // namespace

TEST_CASE("every tensor has the type that the policy names for its role") {
    const std::map<std::string_view, std::string> expected{
        {"linear", "F16"},   {"embedding", "Q8_0"}, {"per_layer", "F32"},
        {"experts", "Q4_0"}, {"tower", "BF16"},     {"none", "F32"}};
    std::map<std::string_view, std::size_t> seen;
    for (const auto& types : {types_of<e2b, Mixed>(), types_of<presets::gemma4_26b_a4b, Mixed>()})
        for (const auto& type : types) {
            const std::string_view name = type.first;
            CAPTURE(name);
            CHECK(type.second == expected.at(role_of(name)));
            ++seen[role_of(name)];
        }
    CHECK(seen.size() == expected.size());  // every role is there
    CHECK(types_of<presets::e2b, weights::q8_0>().at("embed_tokens_per_layer.weight") ==
          "as stored");
    // One role alone.
    const auto differ = [](const auto& a, const auto& b, std::string_view role) {
        REQUIRE(a.size() == b.size());
        for (const auto& type : a) {
            const std::string& name = type.first;
            CAPTURE(name);
            CHECK((type.second != b.at(name)) == (role_of(name) == role));
        }
    };
    differ(types_of<e2b, weights::bf16>(), types_of<e2b, LinearF32>(), "linear");
    differ(types_of<e2b, weights::bf16>(), types_of<e2b, EmbeddingF32>(), "embedding");
    differ(types_of<e2b, weights::bf16>(), types_of<e2b, PerLayerF32>(), "per_layer");
    differ(types_of<a4b, weights::bf16>(), types_of<a4b, ExpertsF32>(), "experts");
    differ(types_of<e2b, weights::bf16>(), types_of<e2b, TowersF32>(), "tower");
}

TEST_CASE("a file of other types is refused where conversion is, role by role") {
    const std::string dense = gguf_of(fixtures + "e2b-mini", e2b.text).bytes();
    const std::string mixture = gguf_of(fixtures + "a4b-mini", a4b.text).bytes();
    const auto d = CheckpointFiles::view(bytes(dense), "dense"),
               m = CheckpointFiles::view(bytes(mixture), "mixture");
    REQUIRE(d);
    REQUIRE(m);
    CHECK(refused<e2b, weights::bf16>(*d) == "");
    CHECK(refused<a4b, weights::bf16>(*m) == "");
    CHECK(count_of(refused<e2b, LinearF32>(*d), "linear") == tensors_of<e2b>("linear"));
    CHECK(refused<e2b, EmbeddingF32>(*d) ==
          "dense: tensor token_embd.weight is BF16, expected F32");
    CHECK(refused<e2b, PerLayerF32>(*d) ==
          "dense: tensor per_layer_token_embd.weight is BF16, expected F32");
    CHECK(refused<e2b, PerLayerAsStored>(*d) == "");
    CHECK(count_of(refused<a4b, ExpertsF32>(*m), "experts") == tensors_of<a4b>("experts"));
    // Towers, out of the published layout, whose norms are bf16: of those too is said what is
    // wrong.
    const auto files = CheckpointFiles::open(fixtures + "e2b-mini");
    REQUIRE(files);
    const auto tower = [&]<class Policy>(Policy) {
        using Vision = VisionTower<e2b.vision, e2b.text.hidden_size, Policy>;
        typename Vision::Weights weights{};
        Binder bind(*files, "model.", {.convert = false});
        bind_vision_tower<Vision>(bind, weights);
        const auto memory = bind.finish();
        return memory ? std::string() : memory.error().text;
    };
    const std::string patches =
        "vision_tower.patch_embedder.input_proj.weight is BF16, expected F32";
    CHECK(contains(tower(TowersF32{}), patches));
    CHECK_FALSE(contains(tower(weights::bf16{}), patches));
    CHECK(
        contains(tower(weights::bf16{}), "layers.0.input_layernorm.weight is BF16, expected F32"));
}

TEST_CASE("a file of other types is converted into those of the roles") {
    const auto files = CheckpointFiles::open(fixtures + "e2b-mini");
    REQUIRE(files);
    using Text = TextModel<e2b.text, Mixed, Gemma4Modules<Mixed>>;
    Text::Weights weights{};
    Binder bind(*files, "model.language_model.");
    bind_text_model<Text>(bind, weights);
    const auto memory = bind.finish();
    REQUIRE_MESSAGE(memory, memory.error().text);
    const auto stored = [&](const std::string& name) {
        const auto found = files->find("model.language_model." + name);
        REQUIRE(found);
        std::vector<float> values(found.tensor->count());
        read_stored(found.tensor->dtype, found.tensor->data, values.size(), values.data());
        return values;
    };
    std::size_t wrong = 0;
    const auto table = stored("embed_tokens_per_layer.weight");
    for (std::size_t i = 0; i < table.size(); ++i)
        wrong += weights.per_layer.embed_tokens_per_layer.data()[i] == table[i] ? 0u : 1u;
    const auto linear = stored("per_layer_model_projection.weight");
    for (std::size_t i = 0; i < linear.size(); ++i)
        wrong += weights.per_layer.per_layer_model_projection.data()[i].bits ==
                         from_f32<f16>(linear[i]).bits
                     ? 0u
                     : 1u;
    CHECK(wrong == 0);
}

TEST_CASE("the per-layer table in its file and in memory are the same table, bit for bit") {
    const std::string folder = fixtures + "e2b-mini";
    const auto in_file = Gemma4<e2b, weights::bf16>::open(folder);
    const auto in_memory = Gemma4<e2b, PerLayerF32>::open(folder);
    const auto as_it_is = Gemma4<e2b, PerLayerAsStored>::open(folder);
    REQUIRE(in_file);
    REQUIRE(in_memory);
    REQUIRE(as_it_is);
    // Where it is: memory is what is left without the rows that a mapped table may have there.
    constexpr std::size_t table = e2b.text.vocab_size_per_layer_input * e2b.text.num_hidden_layers *
                                  e2b.text.hidden_size_per_layer_input * sizeof(float);
    const std::size_t rows = std::size_t{8} << 16;
    CHECK(in_memory->memory_bytes() == in_file->memory_bytes() - rows + aligned_size(table));
    CHECK(as_it_is->memory_bytes() == in_file->memory_bytes());
    const auto expected = prompt_logits(*in_file);
    CHECK(prompt_logits(*in_memory) == expected);
    CHECK(prompt_logits(*as_it_is) == expected);
}

}  // namespace carat::test

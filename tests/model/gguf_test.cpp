// The same model out of safetensors and out of GGUF: the same logits.
#include "carat/gemma4.hpp"
#include "carat/pack.hpp"
#include "carat/parallel/thread_pool.hpp"
#include "support/files.hpp"
#include "support/gguf_file.hpp"
#include "support/prompt_logits.hpp"

#include <doctest/doctest.h>

#include <carat/models/a4b_mini.hpp>
#include <carat/models/pocket.hpp>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace carat::test {
namespace {

template <class Model>
std::vector<float> logits(const std::string& path, BindOptions options = {}) {
    const auto model = Model::open(path, {}, options);
    REQUIRE_MESSAGE(model, model.error().text);
    return prompt_logits(*model);
}

using Pocket = Gemma4<models::pocket, weights::bf16>;
using Mixture = Gemma4<models::a4b_mini, weights::bf16>;

/// Every matrix of the text in blocks of one type, encoded by the same rule as carat's own.
template <class Format>
GgufFile quantized(const std::string& folder, const TextConfig& c, std::uint32_t type) {
    GgufFile to;
    add_config(to, c);
    const auto files = CheckpointFiles::open(folder);
    REQUIRE(files);
    const auto names = gguf_names(c.num_hidden_layers);
    for (const StoredTensor& t : files->files()[0].tensors) {
        const auto name = names.find(t.name);
        if (name == names.end()) continue;
        std::vector<float> values(t.count());
        read_stored(t.dtype, t.data, t.count(), values.data());
        if (t.shape.size() < 2) {
            to.tensor(name->second, {t.count()}, 0,
                      {reinterpret_cast<const char*>(values.data()), values.size() * 4});
            continue;
        }
        std::vector<QuantBlock<Format>> blocks;
        for (std::size_t i = 0; i < values.size(); i += quant_block)
            blocks.push_back(QuantBlock<Format>::quantize(&values[i]));
        to.tensor(name->second, t.shape, type,
                  {reinterpret_cast<const char*>(blocks.data()),
                   blocks.size() * sizeof(QuantBlock<Format>)});
    }
    return to;
}

/// Cut as llama-gguf-split --no-tensor-first-split does: all metadata in the first part, which has
/// no tensors. The name of the first.
std::string write_parts(const Folder& folder, const std::string& whole, const TextConfig& c) {
    constexpr std::uint16_t count = 3;
    GgufFile parts[count];
    add_config(parts[0], c);
    const auto files = CheckpointFiles::open(whole);
    REQUIRE(files);
    std::size_t next = 0;
    for (const StoredTensor& t : files->files()[0].tensors)
        parts[1 + next++ % 2].tensor(t.spelling(), t.shape, t.dtype == DType::bf16 ? 30 : 0,
                                     {reinterpret_cast<const char*>(t.data), t.bytes});
    for (std::uint16_t n = 0; n < count; ++n) {
        parts[n].add("split.no", 2, GgufFile::raw(n));
        parts[n].add("split.count", 2, GgufFile::raw(count));
        write_text(folder / ("m-0000" + std::to_string(n + 1) + "-of-00003.gguf"),
                   parts[n].bytes());
    }
    return folder / "m-00001-of-00003.gguf";
}

}  // namespace

TEST_CASE("logits from GGUF are those from safetensors, bit for bit") {
    const Folder folder("gguf");
    write_text(folder / "pocket.gguf", gguf_of(pocket, models::pocket.text).bytes());
    const auto expected = logits<Pocket>(pocket);
    CHECK(logits<Pocket>(folder / "pocket.gguf") == expected);
    CHECK(logits<Pocket>(folder.path()) == expected);  // the only one in its folder
    ThreadPool pool(3);
    CHECK(logits<Pocket>(folder / "pocket.gguf", {.executor = pool}) == expected);
    CHECK(logits<Pocket>(pocket, {.executor = pool}) == expected);
}

TEST_CASE("the parts of a split file are one model, by the first's name or by their folder's") {
    const Folder whole("gguf"), folder("gguf_parts");
    write_text(whole / "pocket.gguf", gguf_of(pocket, models::pocket.text).bytes());
    const std::string first = write_parts(folder, whole / "pocket.gguf", models::pocket.text);
    const auto expected = logits<Pocket>(pocket);
    CHECK(logits<Pocket>(first) == expected);
    CHECK(logits<Pocket>(folder.path()) == expected);
    REQUIRE(pack_checkpoint<Pocket>(first, whole / "packed"));
    CHECK(logits<Pocket>(whole / "packed") == expected);
    std::filesystem::remove(folder / "m-00003-of-00003.gguf");
    const auto cut = Pocket::open(first);
    REQUIRE_FALSE(cut);
    CHECK(contains(cut.error().text, "m-00003-of-00003.gguf: cannot open"));
}

TEST_CASE("experts in one tensor or in two are the same experts") {
    const Folder folder("gguf");
    const auto c = models::a4b_mini.text;
    write_text(folder / "one.gguf", gguf_of(fixtures + "a4b-mini", c).bytes());
    write_text(folder / "two.gguf", gguf_of(fixtures + "a4b-mini", c, true).bytes());
    const auto expected = logits<Mixture>(fixtures + "a4b-mini");
    CHECK(logits<Mixture>(folder / "one.gguf") == expected);
    CHECK(logits<Mixture>(folder / "two.gguf") == expected);
}

TEST_CASE("blocks of a file become panels as they are, as if carat had made them") {
    const Folder folder("gguf");
    using Q8 = Gemma4<models::pocket, weights::q8_0>;
    const auto c = models::pocket.text;
    // The per-layer table is read as stored, so that it differs by its rounding: bf16 in one file,
    // q8_0 in the other. With the table of both files alike, everything is.
    GgufFile blocks = quantized<q8_0>(pocket, c, 8);
    write_text(folder / "q8_0.gguf", blocks.bytes());
    const auto packed = logits<Q8>(folder / "q8_0.gguf");
    ThreadPool pool(2);
    CHECK(logits<Q8>(folder / "q8_0.gguf", {.executor = pool}) == packed);
    const auto floats = logits<Q8>(pocket);
    double worst = 0.0;
    REQUIRE(packed.size() == floats.size());
    for (std::size_t i = 0; i < packed.size(); ++i)
        worst = std::max(worst, static_cast<double>(std::abs(packed[i] - floats[i])));
    CHECK(worst > 0.0);
    CHECK(worst < 0.5);
}

TEST_CASE("a type that the policy does not want is converted, or refused in words") {
    const Folder folder("gguf");
    write_text(folder / "m.gguf", gguf_of(pocket, models::pocket.text).bytes());
    using F32 = Gemma4<models::pocket, weights::f32>;
    const auto refused = F32::open(folder / "m.gguf", {}, {.convert = false});
    REQUIRE_FALSE(refused);
    CHECK(contains(refused.error().text, "tensor token_embd.weight is BF16, expected F32"));
    CHECK(contains(refused.error().text, "m.gguf: "));
    const auto other = Mixture::open(folder / "m.gguf");
    REQUIRE_FALSE(other);
    CHECK(contains(other.error().text, "hidden_size"));
}

}  // namespace carat::test

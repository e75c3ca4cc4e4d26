#include "carat/nn/embedding.hpp"

#include "carat/checkpoint/tensors/text_tensors.hpp"
#include "support/fixture.hpp"

#include <doctest/doctest.h>

#include <array>
#include <carat/models/e2b_mini.hpp>
#include <carat/models/gemma4_31b_mini.hpp>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace carat::test {
namespace {

template <TextConfig C>
void check_embedding(const std::string& model) {
    CAPTURE(model);
    const Fixture text(model, "text");
    auto files = CheckpointFiles::open(fixture_path(model));
    REQUIRE(files);
    Binder bind(*files, *text_prefix(*files));
    View<const bf16, C.vocab_size, C.hidden_size> table;
    bind("embed_tokens.weight", table);
    const auto memory = bind.finish();
    REQUIRE(memory);
    const auto ids = text.ints("input_ids");
    std::vector<float> out(ids.size() * C.hidden_size);
    nn::embed(table, std::span(ids), Rows<float, C.hidden_size>(out.data(), ids.size()));
    text.check("hidden.0", out);
}

TEST_CASE("token embeddings are the reference's") {
    check_embedding<models::e2b_mini.text>("e2b-mini");
    check_embedding<models::gemma4_31b_mini.text>("31b-mini");
}

/// The factor of a width, as an element of one sees it.
template <std::size_t width>
float factor() {
    std::vector<bf16> ones(width, to_bf16(1.0f));
    std::vector<float> out(width);
    const std::int32_t id = 0;
    nn::embed(View<const bf16, 1, width>(ones.data()), std::span(&id, 1),
              Rows<float, width>(out.data(), 1u));
    return out[width - 1];
}

TEST_CASE("the factor is the root of the width in f32, not rounded to the type of the weights") {
    CHECK(factor<1536>() == static_cast<float>(39.191835884530846));
    CHECK(factor<2560>() == static_cast<float>(50.59644256269407));
    CHECK(factor<2816>() == static_cast<float>(53.0659966456864));
    CHECK(factor<5376>() == static_cast<float>(73.32121111929344));
}

}  // namespace
}  // namespace carat::test

// A weight format of a researcher's own. One that keeps its floats must give the logits of f32 bit
// for bit, in every role; one that rounds gives others.
#include "carat/gemma4.hpp"
#include "carat/models/a4b_mini.hpp"
#include "carat/models/e2b_mini.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace carat::test {
namespace {

template <bool rounds>
struct Floats {
    static constexpr std::size_t values = 8;
    std::array<float, values> x;

    static Floats quantize(const float* from) {
        Floats block;
        std::copy_n(from, values, block.x.begin());
        if (rounds)
            for (float& v : block.x) v = std::round(v * 8.0f) / 8.0f;
        return block;
    }
    void dequantize(float* to) const { std::copy(x.begin(), x.end(), to); }
};
template <bool rounds>
struct Policy : weights::Quantized<Floats<rounds>> {
    using tower = f32;
};

template <ModelConfig C, class P>
std::vector<float> logits(const char* name) {
    const std::string folder = CARAT_SOURCE_DIR "/tests/fixtures/hf/" + std::string(name);
    const auto model = Gemma4<C, P>::open(folder);
    REQUIRE(model);
    Serial serial;
    auto session = model->session(serial, {.context_tokens = 32});
    REQUIRE(session);
    std::vector<std::int32_t> ids(20);
    for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<std::int32_t>(7 * i + 2);
    std::vector<float> all;
    REQUIRE(session->append(
        {.ids = ids, .logits_to_keep = 0},
        [&](std::size_t, std::span<const float> z) { all.insert(all.end(), z.begin(), z.end()); }));
    const auto one = session->append(std::span(ids).first(1));
    REQUIRE(one);
    all.insert(all.end(), one->begin(), one->end());
    return all;
}

TEST_CASE("a weight format that keeps its floats gives the logits of f32, bit for bit") {
    const auto stock = logits<models::e2b_mini, weights::f32>("e2b-mini");
    CHECK(logits<models::e2b_mini, Policy<false>>("e2b-mini") == stock);
    CHECK(logits<models::e2b_mini, Policy<true>>("e2b-mini") != stock);
    CHECK(logits<models::a4b_mini, Policy<false>>("a4b-mini") ==
          logits<models::a4b_mini, weights::f32>("a4b-mini"));
}

TEST_CASE("a weight format of one's own is planned for with the bytes of its blocks") {
    using Own = Gemma4<models::a4b_mini, Policy<false>>;
    using Stock = Gemma4<models::a4b_mini, weights::f32>;
    static_assert(Own::memory_plan().weights == Stock::memory_plan().weights);
}

}  // namespace
}  // namespace carat::test

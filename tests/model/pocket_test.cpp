// A really trained checkpoint: what the model says must be what the reference says, word for word.
#include "carat/gemma4.hpp"
#include "carat/generate/generate.hpp"
#include "carat/parallel/thread_pool.hpp"
#include "support/fixture.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <carat/models/pocket.hpp>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

namespace carat::test {
namespace {

using Gemma = Gemma4<models::pocket>;

const std::string folder = CARAT_SOURCE_DIR "/examples/pocket";

std::vector<std::int32_t> ids_of(const JsonValue& step, const char* name) {
    std::vector<std::int32_t> ids;
    for (const JsonValue& id : json::elements(json::find(step, name)))
        ids.push_back(static_cast<std::int32_t>(*json::integer(id)));
    REQUIRE_FALSE(ids.empty());
    return ids;
}

struct Setup {
    MappedFile text_file, logits_file;
    Json records;
    Safetensors logits;

    Setup() {
        auto text = MappedFile::open(folder + "/expected.json");
        auto tensors = MappedFile::open(folder + "/expected_logits.safetensors");
        REQUIRE(text);
        REQUIRE(tensors);
        text_file = std::move(*text);
        logits_file = std::move(*tensors);
        auto json = parse_json(text_file.text(), "expected.json");
        auto read = Safetensors::read(logits_file.bytes(), "expected_logits.safetensors");
        REQUIRE(json);
        REQUIRE(read);
        records = std::move(*json);
        logits = std::move(*read);
    }
    static Gemma open() {
        auto opened = Gemma::open(folder);
        if (!opened) FAIL(opened.error().text);
        return std::move(*opened);
    }
    /// f(id, step, first of the record) for every step whose prompt is nothing but text.
    template <class F>
    void for_each_step(F&& f) const {
        for (const JsonValue& record : json::elements(records)) {
            bool first = true;
            for (const JsonValue& step : json::elements(json::find(record, "steps"))) {
                const std::string id(*json::string(json::find(record, "id")));
                CAPTURE(id);
                if (json::elements(json::find(step, "soft_tokens")).empty()) f(id, step, first);
                first = false;
            }
        }
    }
};

TEST_CASE_FIXTURE(Setup,
                  "pocket answers every prompt of text as the reference does, token for token") {
    const Gemma model = open();
    ThreadPool pool(2);
    auto session = model.session(pool, {.context_tokens = 1024, .chunk_tokens = 64});
    auto sampler = Sampler::create(models::pocket.text.vocab_size, model.sampler_options());
    REQUIRE(session);
    REQUIRE(sampler);
    CHECK(sampler->options().greedy);
    const GenerateOptions options{.max_tokens = 400, .stop_ids = model.generation().eos_token_ids};
    std::size_t steps = 0, second_steps = 0;
    for_each_step([&](const std::string&, const JsonValue& step, bool first) {
        const auto prompt = ids_of(step, "input_ids"), expected = ids_of(step, "output_ids");
        session->clear();
        std::vector<std::int32_t> ids;
        const auto reason = generate(*session, {.ids = prompt}, *sampler, options,
                                     [&](std::int32_t id) { ids.push_back(id); });
        REQUIRE(reason);
        CHECK(*reason == StopReason::stop_token);
        CHECK(ids == expected);
        ++steps;
        second_steps += first ? 0u : 1u;
    });
    CHECK(steps >= 20);
    CHECK(second_steps >= 4);  // answers from a tool's response
}

TEST_CASE_FIXTURE(Setup, "pocket's first logits are the reference's to a thousandth") {
    const Gemma model = open();
    Serial serial;
    std::size_t compared = 0;
    for_each_step([&](const std::string& id, const JsonValue& step, bool) {
        if (json::boolean(json::find(step, "first_logits")) != true) return;
        const StoredTensor* stored = logits.find(id);
        REQUIRE(stored != nullptr);
        std::vector<float> expected(stored->count());
        std::memcpy(expected.data(), stored->data, stored->bytes);
        const auto prompt = ids_of(step, "input_ids");
        auto session = model.session(serial, {.context_tokens = 1024});
        REQUIRE(session);
        const auto actual = session->append(prompt);
        REQUIRE(actual);
        REQUIRE(actual->size() == expected.size());
        float largest = 0.0f;
        for (std::size_t i = 0; i < expected.size(); ++i)
            largest = std::max(largest, std::abs((*actual)[i] - expected[i]));
        CHECK(largest <= 1e-3f);
        ++compared;
    });
    CHECK(compared >= 4);
}

}  // namespace
}  // namespace carat::test

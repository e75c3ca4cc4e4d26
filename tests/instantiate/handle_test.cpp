// This unit has no model's code: it includes declarations, and model_test.cpp beside it compiles
// pocket once.
#include "carat/instantiate/handle.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

struct Pocket;
std::vector<float> logits_by_gemma4(const std::vector<std::int32_t>& ids);

#if defined(HWY_HIGHWAY_INCLUDED) || defined(RAPIDJSON_DOCUMENT_H_) || defined(EIGEN_CORE_H)
#error "handle.hpp must cost nothing: it includes a package"
#endif

TEST_CASE("a model of another unit gives the logits that Gemma4 gives, bit for bit") {
    const auto model = carat::open<Pocket>(CARAT_SOURCE_DIR "/examples/pocket");
    REQUIRE(model);
    carat::Serial serial;
    const auto session = (*model)->session(serial, 64);
    REQUIRE(session);
    const std::vector<std::int32_t> ids{2, 105, 107, 9};
    const auto logits = (*session)->append(ids);
    REQUIRE(logits);
    CHECK(std::vector<float>(logits->begin(), logits->end()) == logits_by_gemma4(ids));
    CHECK(logits->size() == (*model)->vocab_size());
    CHECK((*session)->size() == ids.size());
    CHECK((*session)->rewind(2));
    CHECK((*session)->size() == 2);
    (*session)->clear();
    CHECK((*session)->size() == 0);
    CHECK((*session)->memory_bytes() > 0);
    CHECK((*model)->memory_bytes() > 0);
    CHECK_FALSE((*model)->stop_ids().empty());
    CHECK_FALSE((*session)->append(std::array<std::int32_t, 1>{-1}));
}
TEST_CASE("a model of another unit hands errors on") {
    CHECK(carat::open<Pocket>("nowhere").error().code == carat::Errc::io);
    const auto model = carat::open<Pocket>(CARAT_SOURCE_DIR "/examples/pocket");
    REQUIRE(model);
    carat::Serial serial;
    CHECK((*model)->session(serial, 0).error().code == carat::Errc::invalid_argument);
}

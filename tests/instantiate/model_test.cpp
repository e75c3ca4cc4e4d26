// The one unit that compiles a model; handle_test.cpp uses it.
#include "carat/instantiate/gemma4.hpp"

#include <carat/models/pocket.hpp>
#include <cstdint>
#include <string>
#include <vector>

struct Pocket;
using Model = carat::Gemma4<carat::models::pocket>;
CARAT_INSTANTIATE(Pocket, Model)

std::vector<float> logits_by_gemma4(const std::vector<std::int32_t>& ids);
std::vector<float> logits_by_gemma4(const std::vector<std::int32_t>& ids) {
    const auto model = Model::open(CARAT_SOURCE_DIR "/examples/pocket");
    if (!model) return {};
    carat::Serial serial;
    auto session = model->session(serial, {.context_tokens = 64});
    if (!session) return {};
    const auto logits = session->append(ids);
    if (!logits) return {};
    return {logits->begin(), logits->end()};
}

// Compiled once for each instruction set: a whole model, behind a function of a name of its own.
#include "carat/gemma4.hpp"
#include "carat/models/pocket.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

/// Logits of a few tokens; empty if the model does not open.
std::vector<float> CARAT_UNIT() {
    using Model = carat::Gemma4<carat::models::pocket, carat::weights::q8_0>;
    const auto model = Model::open(CARAT_SOURCE_DIR "/examples/pocket");
    if (!model) return {};
    carat::Serial serial;
    auto session = model->session(serial, {.context_tokens = 32});
    if (!session) return {};
    std::vector<std::int32_t> ids(20);
    for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<std::int32_t>(7 * i + 2);
    const auto logits = session->append(ids);
    if (!logits) return {};
    return {logits->begin(), logits->end()};
}

// carat where there are no threads, no file system and no exceptions: a checkpoint's bytes in,
// logits out. Built as for a machine that is no Unix, and looked at by symbols.cmake.
#include "bare.hpp"

#include "carat/gemma4.hpp"
#include "carat/models/pocket.hpp"

#include <algorithm>

std::size_t bare_logits(std::span<const std::byte> checkpoint, std::span<const std::int32_t> ids,
                        std::span<float> out) {
    const auto model = carat::Gemma4<carat::models::pocket>::view(checkpoint, "pocket");
    if (!model) return 0;
    carat::Serial serial;
    auto session = model->session(serial, {.context_tokens = 64});
    if (!session) return 0;
    const auto logits = session->append(ids);
    if (!logits || logits->size() > out.size()) return 0;
    std::copy(logits->begin(), logits->end(), out.begin());
    return logits->size();
}

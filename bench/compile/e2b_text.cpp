// The unit of the budget: opens and runs E2B, text only.
#include <carat/config/presets.hpp>
#include <carat/gemma4.hpp>
#include <cstdint>

static constexpr carat::ModelConfig text_only() {
    carat::ModelConfig c = carat::presets::e2b;
    c.vision = {};
    c.audio = {};
    c.multimodal = false;
    return c;
}

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    const auto model = carat::Gemma4<text_only()>::open(argv[1]);
    if (!model) return 1;
    carat::Serial serial;
    auto session = model->session(serial);
    if (!session) return 1;
    const std::int32_t ids[] = {2};
    const auto logits = session->append(ids);
    return logits && logits->front() > 0 ? 0 : 1;
}

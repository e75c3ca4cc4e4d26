// The same with vision and audio towers.
#include <carat/config/presets.hpp>
#include <carat/gemma4.hpp>
#include <cstdint>

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    const auto model = carat::Gemma4<carat::presets::e2b>::open(argv[1]);
    if (!model) return 1;
    carat::Serial serial;
    auto session = model->session(serial);
    if (!session || !model->see({}, serial) || !model->hear({}, {}, serial)) return 1;
    const std::int32_t ids[] = {2};
    const auto logits = session->append(ids);
    return logits && logits->front() > 0 ? 0 : 1;
}

// A unit that uses a model which another unit compiles.
#include <carat/instantiate/handle.hpp>
#include <cstdint>

struct Model;

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    const auto model = carat::open<Model>(argv[1]);
    if (!model) return 1;
    carat::Serial serial;
    const auto session = (*model)->session(serial);
    if (!session) return 1;
    const std::int32_t ids[] = {2};
    const auto logits = (*session)->append(ids);
    return logits && logits->front() > 0 ? 0 : 1;
}

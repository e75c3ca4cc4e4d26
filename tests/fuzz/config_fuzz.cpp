// A config.json.
#include "carat/checkpoint/config/config_difference.hpp"
#include "carat/checkpoint/config/config_json.hpp"
#include "carat/config/presets.hpp"
#include "check.hpp"

using namespace carat;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto config = read_config(test::text_of(data, size), "config.json");
    if (test::good(config)) static_cast<void>(describe_difference(presets::e2b, *config));
    return 0;
}

// The small JSON files beside a model, each by its reader.
#include "carat/checkpoint/config/generation_config.hpp"
#include "carat/media/audio/mel_config.hpp"
#include "carat/media/image/picture_config.hpp"
#include "carat/text/tokenizer_config.hpp"
#include "check.hpp"

using namespace carat;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text = test::text_of(data, size);
    test::good(read_generation_config(text, "generation_config.json"));
    test::good(read_mel_config(text, "processor_config.json"));
    test::good(read_vision_processor_config(text, "processor_config.json"));
    Vocabulary v;
    test::good(apply_tokenizer_config(v, text, "tokenizer_config.json"));
    return 0;
}

// Sound files, and the features of what is in them: whole, and in pieces.
#include "carat/media/audio/audio_file.hpp"
#include "carat/media/audio/mel.hpp"
#include "check.hpp"

#include <algorithm>
#include <vector>

using namespace carat;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    AudioFileOptions options;
    options.max_seconds = 4;
    const auto clip = decode_audio(test::bytes_of(data, size), "fuzz", options);
    std::vector<float> samples;
    if (test::good(clip)) samples = clip->samples;
    if (samples.empty())  // then the bytes themselves are sound
        for (std::size_t i = 0; i < std::min<std::size_t>(size, 4000); ++i)
            samples.push_back(static_cast<float>(data[i]) / 128.0f - 1.0f);
    std::vector<float> whole, pieces;
    const auto into = [](std::vector<float>& rows) {
        return [&rows](std::span<const float> row) {
            rows.insert(rows.end(), row.begin(), row.end());
        };
    };
    MelExtractor one, many;
    test::good(one.push(samples, into(whole)));
    std::size_t cut = size > 0 ? data[size - 1] : 0;
    for (std::size_t at = 0; at < samples.size();) {
        const std::size_t n = std::min(samples.size() - at, cut % 700);
        test::good(many.push(std::span(samples).subspan(at, n), into(pieces)));
        at += n;
        cut = cut * 31 + 17;
    }
    test::hold(whole == pieces, "features do not depend on the pieces");
    return 0;
}

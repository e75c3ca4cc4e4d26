// says: carat: a policy's weights must be f32, bf16, f16, q8_0, q4_0 or a WeightFormat, with
// values, quantize(const float*) and dequantize(float*) const
#include "carat/config/presets.hpp"
#include "carat/model/text_model.hpp"

#include <cstddef>

struct Signs {
    static constexpr std::size_t values = 8;
    unsigned char negative;
#if !defined(FAIL)
    static Signs quantize(const float*) { return {}; }
#endif
    void dequantize(float*) const {}
};
using Model = carat::TextModel<carat::presets::e2b.text, carat::weights::Quantized<Signs>>;
static_assert(sizeof(Model::Weights) > 0);

#include <carat/base/result.hpp>
#include <carat/config/parameters.hpp>
#include <carat/embedded/pocket.hpp>
#include <carat/models/pocket.hpp>
#include <carat/models/pocket_gguf.hpp>
#include <carat/models/pocket_text.hpp>
#include <carat/simd/dot.hpp>
#include <carat/version.hpp>
#include <type_traits>

int main() {
    constexpr auto& model = carat::models::pocket;
    static_assert(carat::parameters(model) > 0);
    static_assert(carat::models::pocket_gguf == model);
    static_assert(carat::models::pocket_text ==
                  carat::ModelConfig{.text = model.text, .multimodal = false});
    static_assert(std::is_same_v<carat::models::pocket_gguf_stored, carat::weights::bf16>);
    if (carat::embedded::pocket_weights().size() < carat::parameters(model)) return 1;
    const float a[] = {1, 2, 3}, b[] = {4, 5, 6};
    if (carat::simd::dot(a, b, 3) != 32.0f) return 1;
    const carat::Result<carat::Version> version = carat::version;
    return version && *version == carat::version ? 0 : 1;
}

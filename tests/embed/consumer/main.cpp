// A packed checkpoint inside its program: used where it lies, and the logits of its source.
#include <algorithm>
#include <carat/embedded/packed.hpp>
#include <carat/gemma4.hpp>
#include <carat/models/model.hpp>
#include <cstdint>
#include <cstdio>
#include <span>
#include <vector>

using Model = carat::Gemma4<carat::models::model>;

namespace {

std::vector<float> logits(const carat::Result<Model>& model) {
    if (!model) return std::puts(model.error().text.c_str()), std::vector<float>();
    carat::Serial one_thread;
    auto session = model->session(one_thread, {.context_tokens = 16});
    const std::vector<std::int32_t> ids{2, 30, 67, 104};
    const auto z = session ? session->append(ids) : session.error();
    if (!z) return std::puts(z.error().text.c_str()), std::vector<float>();
    return {z->begin(), z->end()};
}

}  // namespace

int main() {
    using namespace carat::embedded;
    const auto inside = Model::view(packed_weights(), "the embedded model",
                                    packed_generation_config(), {}, {.in_place = true});
    const auto expected = logits(Model::open(SOURCE)), found = logits(inside);
    if (found.empty() || found != expected) return std::puts("other logits"), 1;
    if (inside->memory_bytes() != 0) return std::puts("weights were copied"), 1;
    if (packed_tokenizer_json().empty() || packed_chat_template().empty())
        return std::puts("a text is missing"), 1;
    return 0;
}

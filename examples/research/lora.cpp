// A LoRA adapter as PEFT saves it: W + (lora_alpha / r) · B · A, merged into the bytes of the
// model's file, which the model then reads from memory. Which token follows, without and with it?
//
//   lora examples/pocket my-adapter
#include "carat/checkpoint/tensors/convert_elements.hpp"
#include "carat/gemma4.hpp"

#include <algorithm>
#include <carat/models/model.hpp>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

/// Adds the adapter in `folder` to the weights in `file`, rounded as they are stored there.
static carat::Result<void> merge(std::vector<std::byte>& file, const std::string& folder) {
    using namespace carat;
    using namespace carat::json;
    const auto json = MappedFile::open(folder + "/adapter_config.json");
    const auto config = json ? parse_json(json->text(), folder) : json.error();
    if (!config) return config.error();
    const auto alpha = number(find(*config, "lora_alpha"));
    if (!alpha || truthy(find(*config, "alpha_pattern")) || truthy(find(*config, "use_rslora")))
        return Error{Errc::unsupported, folder + ": its scale must be lora_alpha / r for all"};
    const auto adapter = CheckpointFiles::open(folder + "/adapter_model.safetensors");
    const auto base = CheckpointFiles::view(file, "model.safetensors");
    if (!adapter || !base) return adapter ? base.error() : adapter.error();
    const std::string root = "base_model.model.", end = ".lora_A.weight";
    for (const StoredTensor& a : adapter->files()[0].tensors) {
        if (a.name.ends_with(".lora_B.weight")) continue;
        const Error wrong{Errc::mismatch, folder + ": not for this model: " + a.name};
        if (!a.name.starts_with(root) || !a.name.ends_with(end)) return wrong;
        const std::string layer = a.name.substr(0, a.name.size() - end.size());
        const auto *b = adapter->find(layer + ".lora_B.weight").tensor,
                   *w = base->find(layer.substr(root.size()) + ".weight").tensor;
        if (!b || !w || a.shape.size() != 2 || w->shape.size() != 2) return wrong;
        const std::size_t rank = a.shape[0], out = w->shape[0], in = w->shape[1];
        if (a.shape[1] != in || b->shape != std::vector{out, rank}) return wrong;
        std::vector<float> down(rank * in), up(out * rank), sum(out * in);
        for (const auto& [t, values] : {std::pair(&a, &down), {b, &up}, {w, &sum}}) {
            if (!is_float_stored(t->dtype)) return wrong;
            read_stored(t->dtype, t->data, values->size(), values->data());
        }
        const auto scale = static_cast<float>(*alpha) / static_cast<float>(rank);
        for (std::size_t i = 0; i < sum.size(); ++i)
            for (std::size_t k = 0; k < rank; ++k)
                sum[i] += scale * up[i / in * rank + k] * down[k * in + i % in];
        const auto* from = reinterpret_cast<const std::byte*>(sum.data());
        convert_elements(&file[0] + (w->data - &file[0]), w->dtype, from, DType::f32, sum.size());
    }
    return {};
}

static carat::Result<void> print_next(const std::string& folder, const char* adapter) {
    const auto map = carat::MappedFile::open(folder + "/model.safetensors");
    if (!map) return map.error();
    std::vector<std::byte> file(map->bytes().begin(), map->bytes().end());
    const auto merged = adapter ? merge(file, adapter) : carat::Result<void>();
    if (!merged) return merged.error();
    using Model = carat::Gemma4<carat::models::model, CARAT_POLICY>;
    const auto model = Model::view(file, "model.safetensors");
    if (!model) return model.error();
    carat::Serial serial;
    auto session = model->session(serial, {.context_tokens = 64});
    if (!session) return session.error();
    const auto logits = session->append(std::vector<std::int32_t>{2, 105, 107, 9});
    if (!logits) return logits.error();
    const auto best = std::max_element(logits->begin(), logits->end());
    std::printf("token %td follows, with a logit of %.5f\n", best - logits->begin(), double{*best});
    return {};
}

int main(int argc, char** argv) {
    if (argc < 2 || argc > 3) return std::fputs("usage: lora MODEL [ADAPTER]\n", stderr), 1;
    const auto done = print_next(argv[1], argc == 3 ? argv[2] : nullptr);
    if (!done) return std::fprintf(stderr, "%s\n", done.error().text.c_str()), 1;
}

// g++ -std=c++20 -O2 demo.cpp: one header of carat, token ids in, logits out.
#include "carat.hpp"

#include <cstdint>
#include <cstdio>

// The model of the repository, written down: what carat_add_model would make of its config.json.
constexpr carat::ModelConfig pocket{.text = {.vocab_size = 2048,
                                             .vocab_size_per_layer_input = 2048,
                                             .hidden_size = 256,
                                             .hidden_size_per_layer_input = 32,
                                             .intermediate_size = 256,
                                             .num_hidden_layers = 10,
                                             .num_attention_heads = 4,
                                             .num_key_value_heads = 1,
                                             .head_dim = 64,
                                             .global_head_dim = 128,
                                             .full_attention = carat::every_nth(5, 10),
                                             .sliding_window = 128,
                                             .num_kv_shared_layers = 4,
                                             .max_position_embeddings = 8192,
                                             .use_double_wide_mlp = true,
                                             .final_logit_softcapping = 30.0}};

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    auto files = carat::CheckpointFiles::open(argv[1]);
    if (!files) return std::puts(files.error().text.c_str()), 1;
    const auto model = carat::Gemma4<pocket>::from(std::move(*files));
    if (!model) return std::puts(model.error().text.c_str()), 1;
    carat::Serial serial;
    auto session = model->session(serial, {.context_tokens = 64});
    if (!session) return std::puts(session.error().text.c_str()), 1;
    const std::int32_t ids[] = {2, 105, 107};
    const auto logits = session->append(ids);
    if (!logits) return std::puts(logits.error().text.c_str()), 1;
    std::printf("%.4f of %zu\n", static_cast<double>(logits->front()), logits->size());
    return logits->size() == pocket.text.vocab_size ? 0 : 1;
}

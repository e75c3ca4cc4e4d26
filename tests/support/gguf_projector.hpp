/// \file
/// The towers of a folder as Hugging Face lays it out, as the two programs that write GGUF files
/// write them: their names, the layouts that they change, and their metadata. Said here once more,
/// so that a name or an order that carat has wrong shows. Sources: checkpoint/gguf/gguf_names.hpp,
/// converted_values.hpp and gguf_towers.hpp.
#pragma once

#include "carat/checkpoint/checkpoint_files.hpp"
#include "carat/config/model_config.hpp"
#include "carat/tensor/stored_blocks.hpp"
#include "support/gguf_file.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace carat::test {

enum class TowerWriter { llama_cpp, ollama };

/// The name that a tower's tensor gets, without what follows ".linear".
inline std::string tower_name(std::string name, TowerWriter writer) {
    using Pairs = std::vector<std::pair<std::string, std::string>>;
    const bool llama_cpp = writer == TowerWriter::llama_cpp,
               audio = name.find("audio") != name.npos;
    const auto replace = [&](const Pairs& pairs) {
        for (const auto& [from, to] : pairs)
            if (const auto at = name.find(from); at != name.npos) name.replace(at, from.size(), to);
    };
    replace(
        {{".linear.weight", ".weight"},
         {"model.audio_tower.subsample_conv_projection.layer", "a.conv1d."},
         {".conv.weight", ".weight"},
         {"model.audio_tower.subsample_conv_projection.input_proj_linear",
          llama_cpp ? "a.input_projection" : "a.pre_encode.out"},
         {"model.audio_tower.output_proj", llama_cpp ? "a.pre_encode.out" : "mm.a.fc"},
         {"model.embed_audio.embedding_projection", "mm.a.input_projection"},
         {"model.embed_vision.embedding_projection", "mm.input_projection"},
         {"model.vision_tower.patch_embedder.input_proj", "v.patch_embd"},
         {"model.vision_tower.patch_embedder.position_embedding_table", "v.position_embd.weight"},
         {"model.vision_tower.std_", "v.std_"},
         {"model.audio_tower.layers.", "a.blk."},
         {"model.vision_tower.encoder.layers.", "v.blk."}});
    replace({{"feed_forward1.pre_layer_norm", "ffn_norm"},
             {"feed_forward1.post_layer_norm", "ffn_post_norm"},
             {"feed_forward1.ffw_layer_1", "ffn_up"},
             {"feed_forward1.ffw_layer_2", "ffn_down"},
             {"feed_forward2.pre_layer_norm", "ffn_norm_1"},
             {"feed_forward2.post_layer_norm", "ffn_post_norm_1"},
             {"feed_forward2.ffw_layer_1", "ffn_up_1"},
             {"feed_forward2.ffw_layer_2", "ffn_down_1"},
             {"norm_pre_attn", llama_cpp ? "attn_pre_norm" : "ln1"},
             {"norm_post_attn", llama_cpp ? "attn_post_norm" : "ln2"},
             {"norm_out", llama_cpp ? "ln2" : "layer_pre_norm"},
             {"lconv1d.conv_norm", "norm_conv"},
             {"lconv1d.pre_layer_norm", "conv_norm"},
             {"lconv1d.depthwise_conv1d", "conv_dw"},
             {"lconv1d.linear_start", "conv_pw1"},
             {"lconv1d.linear_end", "conv_pw2"},
             {"self_attn.relative_k_proj", llama_cpp ? "attn_k_rel" : "linear_pos"},
             {"self_attn.per_dim_scale", "per_dim_scale.weight"},
             {"self_attn.q_proj", "attn_q"},
             {"self_attn.k_proj", "attn_k"},
             {"self_attn.v_proj", "attn_v"},
             {"self_attn.post", "attn_out"},
             {"self_attn.o_proj", "attn_out"},
             {"self_attn.q_norm", "attn_q_norm"},
             {"self_attn.k_norm", "attn_k_norm"},
             {"mlp.gate_proj", "ffn_gate"},
             {"mlp.up_proj", "ffn_up"},
             {"mlp.down_proj", "ffn_down"}});
    if (!audio)
        replace({{"input_layernorm", "ln1"},
                 {"post_attention_layernorm", "attn_post_norm"},
                 {"pre_feedforward_layernorm", "ln2"},
                 {"post_feedforward_layernorm", "ffn_post_norm"}});
    return name;
}

/// Whose type stays, bf16; everything else becomes F32.
inline bool is_tower_matrix(const StoredTensor& t) {
    return t.shape.size() == 2 && t.name.find("input_proj.weight") == t.name.npos;
}

/// Adds the towers of `folder`, whose tensors are bf16. `but` may change a tensor before it is
/// written, and leaves it out by returning false. `wide`: matrices too become F32.
template <class But>
void add_towers(GgufFile& to, const std::string& folder, TowerWriter writer, bool wide, But&& but) {
    const auto files = CheckpointFiles::open(folder);
    REQUIRE(files);
    for (const auto& file : files->files())
        for (const StoredTensor& t : file.tensors) {
            if (t.name.find("vision") == t.name.npos && t.name.find("audio") == t.name.npos)
                continue;  // the text model's
            REQUIRE(t.dtype == DType::bf16);
            std::string name = tower_name(t.name, writer);
            std::vector<std::size_t> shape = t.shape;
            if (shape.empty()) shape = {1};
            std::vector<float> values(t.count());
            read_stored(t.dtype, t.data, t.count(), values.data());
            if (name == "v.patch_embd.weight") {  // reshape(n, p, p, 3).permute(0, 3, 1, 2)
                const std::size_t side = 16, plane = side * side;
                const std::vector<float> rows = values;
                for (std::size_t n = 0; n < shape[0]; ++n)
                    for (std::size_t i = 0; i < plane; ++i)
                        for (std::size_t c = 0; c < 3; ++c)
                            values[(n * 3 + c) * plane + i] = rows[(n * plane + i) * 3 + c];
                shape = {shape[0], 3, side, side};
            }
            if (name.ends_with("per_dim_scale.weight"))
                for (float& x : values) x = std::log1p(std::exp(x));
            if (name.ends_with("conv_dw.weight")) shape = {shape[0], shape[2]};
            if (!but(name, shape, values)) continue;
            if (is_tower_matrix(t) && !wide && values.size() == t.count())
                to.tensor(name, shape, 30, {reinterpret_cast<const char*>(t.data), t.bytes});
            else
                to.tensor(name, shape, 0,
                          {reinterpret_cast<const char*>(values.data()), values.size() * 4});
        }
}
inline void add_towers(GgufFile& to, const std::string& folder, TowerWriter writer) {
    add_towers(to, folder, writer, false, [](auto&&...) { return true; });
}

/// What the metadata say of the towers of `c`, behind "clip." or "gemma4.".
inline void add_tower_config(GgufFile& to, const ModelConfig& c, TowerWriter writer) {
    const bool beside = writer == TowerWriter::llama_cpp;
    const std::string prefix = beside ? "clip." : "gemma4.";
    const auto add = [&](const std::string& key, std::size_t n) {
        to.add(prefix + key, static_cast<std::uint32_t>(n));
    };
    if (beside) to.add("general.architecture", "clip");
    if (c.vision.present()) {
        add("vision.embedding_length", c.vision.hidden_size);
        add("vision.feed_forward_length", c.vision.intermediate_size);
        add("vision.block_count", c.vision.num_hidden_layers);
        add("vision.attention.head_count", c.vision.num_attention_heads);
        add("vision.patch_size", c.vision.patch_size);
        to.add(prefix + "vision.attention.layer_norm_epsilon", 1e-6f);
        if (beside) {
            to.add("clip.has_vision_encoder", true);
            to.add("clip.vision.projector_type", "gemma4v");
            to.add("clip.vision.image_size", 224u);
            to.add("clip.vision.image_mean", std::vector<float>(3, 0.0f));
            to.add("clip.vision.image_std", std::vector<float>(3, 1.0f));
            add("vision.projection_dim", c.text.hidden_size);
        } else {
            to.add("gemma4.vision.num_channels", 3u);
            add("vision.projector.scale_factor", c.vision.pooling_kernel_size);
        }
    }
    if (c.audio.present()) {
        add("audio.embedding_length", c.audio.hidden_size);
        add("audio.feed_forward_length", 4 * c.audio.hidden_size);
        add("audio.block_count", c.audio.num_hidden_layers);
        add("audio.attention.head_count", c.audio.num_attention_heads);
        to.add(prefix + "audio.attention.layer_norm_epsilon", 1e-5f);
        if (beside) {
            to.add("clip.has_audio_encoder", true);
            to.add("clip.audio.projector_type", "gemma4a");
            to.add("clip.audio.num_mel_bins", 128u);
            add("audio.projection_dim", c.text.hidden_size);
        } else {
            add("audio.conv_kernel_size", c.audio.conv_kernel_size);
        }
    }
}

/// The file of towers as llama.cpp's converter writes it.
inline GgufFile projector_of(const std::string& folder, const ModelConfig& c) {
    GgufFile to;
    add_tower_config(to, c, TowerWriter::llama_cpp);
    add_towers(to, folder, TowerWriter::llama_cpp);
    return to;
}

}  // namespace carat::test

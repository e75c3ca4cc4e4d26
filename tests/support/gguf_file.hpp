/// \file
/// GGUF files made by hand, and out of a folder as Hugging Face lays it out: the same weights.
#pragma once

#include "carat/checkpoint/checkpoint_files.hpp"
#include "carat/checkpoint/gguf/gguf_names.hpp"
#include "carat/config/model_config.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace carat::test {

class GgufFile {
  public:
    template <class T>
    static std::string raw(T x) {
        std::string bytes(sizeof(T), '\0');
        std::memcpy(bytes.data(), &x, sizeof(T));
        return bytes;
    }
    static std::string string(std::string_view text) {
        return raw(std::uint64_t{text.size()}) + std::string(text);
    }

    /// A key, the number of its type, and the bytes of its value.
    void add(std::string_view key, std::uint32_t type, std::string_view value) {
        entries += string(key) + raw(type) + std::string(value);
        ++entry_count;
    }
    void add(std::string_view key, std::uint32_t x) { add(key, 4, raw(x)); }
    void add(std::string_view key, float x) { add(key, 6, raw(x)); }
    void add(std::string_view key, bool x) { add(key, 7, raw(std::uint8_t{x})); }
    void add(std::string_view key, const char* text) { add(key, 8, string(text)); }
    template <class T>
    void add(std::string_view key, const std::vector<T>& all) {
        constexpr std::uint32_t element = std::is_same_v<T, std::string>    ? 8
                                          : std::is_same_v<T, float>        ? 6
                                          : std::is_same_v<T, std::uint8_t> ? 7
                                                                            : 5;
        std::string value = raw(element) + raw(std::uint64_t{all.size()});
        for (const T& x : all)
            if constexpr (std::is_same_v<T, std::string>) {
                value += string(x);
            } else {
                value += raw(x);
            }
        add(key, 9, value);
    }
    /// `shape` as carat has it, the slowest axis first.
    void tensor(std::string_view name, const std::vector<std::size_t>& shape, std::uint32_t type,
                std::string_view bytes) {
        infos += string(name) + raw(static_cast<std::uint32_t>(shape.size()));
        for (std::size_t i = shape.size(); i-- > 0;) infos += raw(std::uint64_t{shape[i]});
        infos += raw(type) + raw(std::uint64_t{data.size()});
        data += bytes;
        data.resize((data.size() + 31) / 32 * 32);
        ++tensor_count;
    }
    [[nodiscard]] std::string bytes() const {
        std::string all =
            "GGUF" + raw(version) + raw(tensor_count) + raw(entry_count) + entries + infos;
        all.resize((all.size() + 31) / 32 * 32);
        return all + data;
    }

    std::uint32_t version = 3;
    std::uint64_t tensor_count = 0, entry_count = 0;
    std::string entries, infos, data;
};

/// The metadata that says what `c` is.
inline void add_config(GgufFile& to, const TextConfig& c) {
    const auto size = [](std::size_t n) { return static_cast<std::uint32_t>(n); };
    std::vector<std::int32_t> widths, kv_heads;
    std::vector<std::uint8_t> sliding;
    for (std::size_t l = 0; l < c.num_hidden_layers; ++l) {
        widths.push_back(static_cast<std::int32_t>(c.kind(l).intermediate_size));
        kv_heads.push_back(static_cast<std::int32_t>(c.kind(l).kv_heads));
        sliding.push_back(c.attention_type(l) == AttentionType::sliding ? 1 : 0);
    }
    to.add("general.architecture", "gemma4");
    to.add("gemma4.context_length", size(c.max_position_embeddings));
    to.add("gemma4.embedding_length", size(c.hidden_size));
    to.add("gemma4.block_count", size(c.num_hidden_layers));
    to.add("gemma4.feed_forward_length", widths);
    to.add("gemma4.embedding_length_per_layer_input", size(c.hidden_size_per_layer_input));
    to.add("gemma4.attention.head_count", size(c.num_attention_heads));
    to.add("gemma4.attention.head_count_kv", kv_heads);
    to.add("gemma4.attention.key_length", size(c.global_head_dim));
    to.add("gemma4.attention.key_length_swa", size(c.head_dim));
    to.add("gemma4.attention.layer_norm_rms_epsilon", static_cast<float>(c.rms_norm_eps));
    to.add("gemma4.attention.sliding_window", size(c.sliding_window));
    to.add("gemma4.attention.sliding_window_pattern", sliding);
    to.add("gemma4.attention.shared_kv_layers", size(c.num_kv_shared_layers));
    to.add("gemma4.rope.freq_base", static_cast<float>(c.full_rope.theta));
    to.add("gemma4.rope.freq_base_swa", static_cast<float>(c.sliding_rope.theta));
    to.add("gemma4.final_logit_softcapping", static_cast<float>(c.final_logit_softcapping));
    if (c.enable_moe_block) {
        to.add("gemma4.expert_count", size(c.num_experts));
        to.add("gemma4.expert_used_count", size(c.top_k_experts));
        to.add("gemma4.expert_feed_forward_length", size(c.moe_intermediate_size));
    }
    to.add("tokenizer.ggml.padding_token_id", static_cast<std::uint32_t>(c.pad_token_id));
    to.add("tokenizer.ggml.eos_token_id", static_cast<std::uint32_t>(c.eos_token_id));
    to.add("tokenizer.ggml.bos_token_id", static_cast<std::uint32_t>(c.bos_token_id));
}

/// A vocabulary of the tokens that stand for media, and of nothing else.
inline void add_tokens(GgufFile& to, const MediaTokens& t) {
    const std::pair<std::int32_t, const char*> media[] = {
        {t.image, "<|image|>"}, {t.video, "<|video|>"}, {t.audio, "<|audio|>"}, {t.boi, "<|image>"},
        {t.eoi, "<image|>"},    {t.boa, "<|audio>"},    {t.eoa, "<audio|>"}};
    std::vector<std::string> tokens;
    for (const auto& [id, text] : media) {
        const auto i = static_cast<std::size_t>(id);
        if (tokens.size() <= i) tokens.resize(i + 1);
        tokens[i] = text;
    }
    to.add("tokenizer.ggml.tokens", tokens);
}

/// GGUF names by carat's, for a model of so many layers.
inline std::map<std::string, std::string> gguf_names(std::size_t layers) {
    std::map<std::string, std::string> names;
    const auto add = [&](const std::string& gguf) {
        names[name_from_gguf(gguf, GgufAudioNames::llama_cpp)] = gguf;
    };
    for (const auto& pair : detail::gguf_text_names) add(std::string(pair.gguf));
    for (std::size_t l = 0; l < layers; ++l)
        for (const auto& pair : detail::gguf_layer_names)
            add("blk." + std::to_string(l) + "." + std::string(pair.gguf));
    return names;
}

/// The text model of a folder of bf16 tensors as a GGUF file: norms and scales become F32, the
/// rest stays. `split_experts`: gate and up in two tensors.
inline GgufFile gguf_of(const std::string& folder, const TextConfig& c,
                        bool split_experts = false) {
    GgufFile to;
    add_config(to, c);
    const auto files = CheckpointFiles::open(folder);
    REQUIRE(files);
    const auto names = gguf_names(c.num_hidden_layers);
    for (const auto& file : files->files())
        for (const StoredTensor& t : file.tensors) {
            const auto name = names.find(t.name);
            if (name == names.end()) continue;  // a tower's
            std::string bytes(reinterpret_cast<const char*>(t.data), t.bytes);
            if (split_experts && t.name.ends_with("experts.gate_up_proj")) {
                const std::size_t half = t.shape[1] / 2;
                const std::size_t part = half * t.shape[2] * size_of(t.dtype);
                std::string gate, up;
                for (std::size_t e = 0; e < t.shape[0]; ++e) {
                    gate += bytes.substr(2 * e * part, part);
                    up += bytes.substr((2 * e + 1) * part, part);
                }
                const std::string layer = name->second.substr(0, name->second.find("ffn_"));
                to.tensor(layer + "ffn_gate_exps.weight", {t.shape[0], half, t.shape[2]}, 30, gate);
                to.tensor(layer + "ffn_up_exps.weight", {t.shape[0], half, t.shape[2]}, 30, up);
                continue;
            }
            REQUIRE(t.dtype == DType::bf16);
            const bool wide = t.shape.size() < 2 || !t.name.ends_with(".weight") ||
                              t.name.ends_with("router.proj.weight");
            if (!wide || t.name.find("experts.") != std::string::npos) {
                to.tensor(name->second, t.shape, 30, bytes);
                continue;
            }
            std::vector<float> values(t.count());
            read_stored(t.dtype, t.data, t.count(), values.data());
            to.tensor(name->second, t.shape.empty() ? std::vector<std::size_t>{1} : t.shape, 0,
                      {reinterpret_cast<const char*>(values.data()), values.size() * 4});
        }
    const std::size_t pairs = c.global_head_dim / 2;
    const auto rotate =
        static_cast<std::size_t>(c.full_rope.partial_rotary_factor * static_cast<double>(pairs));
    std::vector<float> divisors(pairs, 1e30f);
    std::fill_n(divisors.begin(), rotate, 1.0f);
    to.tensor("rope_freqs.weight", {pairs}, 0,
              {reinterpret_cast<const char*>(divisors.data()), divisors.size() * 4});
    return to;
}

}  // namespace carat::test

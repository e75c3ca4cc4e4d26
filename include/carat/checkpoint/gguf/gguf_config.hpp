/// \file
/// The metadata of a GGUF file into a ModelConfig and a GenerationConfig. What the metadata does
/// not say is read off the tensors: sizes of tables, which layers have no value projection, how
/// many pairs rotate. Source: spec/checkpoint.md section 7.2.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/result.hpp"
#include "carat/checkpoint/checkpoint_files.hpp"
#include "carat/checkpoint/config/config_fields.hpp"
#include "carat/checkpoint/config/generation_config.hpp"
#include "carat/checkpoint/faults.hpp"
#include "carat/config/check.hpp"
#include "carat/config/model_config.hpp"
#include "carat/format/gguf.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace carat::inline CARAT_ABI {
namespace detail {

/// The double that is meant by a float of a file: 1e-6, not 9.999999974752427e-07.
inline double shortest(float x) {
    char text[32];
    const auto end = std::to_chars(text, text + sizeof text, x).ptr;
    double d = static_cast<double>(x);
    std::from_chars(text, end, d);
    return d;
}

/// Reads "gemma4.<key>" and says what is wrong with it.
class GgufFields {
  public:
    GgufFields(const Gguf& head, Faults& faults) : head_(head), faults_(faults) {}

    [[nodiscard]] const Gguf::Value* get(std::string_view key) const {
        return head_.find("gemma4." + std::string(key));
    }
    void wrong(std::string_view key, std::string_view expected, Errc code = Errc::bad_format) {
        faults_.add(code, joined({"gemma4.", key, " is ", Gguf::describe(get(key)), ", expected ",
                                  expected}));
    }
    void unsupported(std::string_view why) { faults_.add(Errc::unsupported, why); }
    void gone(std::string_view tensor) {
        faults_.add(Errc::io, joined({"tensor ", tensor,
                                      " is no longer in the file, which has been shortened"}));
    }

    /// A size that must be there, unless there is a value for one that is not.
    std::size_t size(std::string_view key, std::optional<std::size_t> missing = std::nullopt) {
        const Gguf::Value* v = get(key);
        if (v == nullptr && missing) return *missing;
        const auto n = Gguf::unsigned_integer(v);
        if (n && *n <= most_size) return static_cast<std::size_t>(*n);
        wrong(key, "a whole number up to 2147483647");
        return 0;
    }
    /// The same for every layer: one number, or an array of them.
    std::vector<std::size_t> sizes(std::string_view key, std::size_t layers) {
        const Gguf::Value* v = get(key);
        std::vector<std::size_t> all;
        if (v == nullptr || v->type != Gguf::Type::array) {
            all.assign(layers, size(key));
            return all;
        }
        for (std::size_t i = 0; i < layers && v->count == layers; ++i)
            if (const auto n = Gguf::unsigned_integer(*v, i); n && *n <= most_size)
                all.push_back(static_cast<std::size_t>(*n));
        if (all.size() != layers) {
            wrong(key, joined({"a number, or ", layers, " of them, one a layer"}));
            all.assign(layers, 0);
        }
        return all;
    }
    double real(std::string_view key, double missing) {
        const Gguf::Value* v = get(key);
        if (v == nullptr) return missing;
        const auto x = Gguf::real(v);
        if (x && std::isfinite(*x)) return shortest(*x);
        wrong(key, "a finite f32");
        return missing;
    }

  private:
    const Gguf& head_;
    Faults& faults_;
};

inline std::size_t rows_of(const CheckpointFiles& files, std::string_view name) {
    const auto found = files.find(name);
    return found && !found.tensor->shape.empty() ? found.tensor->shape[0] : 0;
}

/// The share of the pairs of full layers that rotate: rope_freqs.weight divides the others' angles
/// by 1e30. Without it, that of every Gemma 4. Other divisors are no Gemma 4's.
inline double rotating_share(const CheckpointFiles& files, GgufFields& in) {
    const auto found = files.find("rope_freqs.weight");
    if (!found || found.tensor->dtype != DType::f32 || found.tensor->shape.size() != 1 ||
        found.tensor->shape[0] == 0 || found.tensor->shape[0] > most_heads)
        return 0.25;
    if (!found.file->map.will_need(found.tensor->span())) {
        in.gone("rope_freqs.weight");
        return 0.25;
    }
    const std::size_t pairs = found.tensor->shape[0];
    const auto divisor = [&](std::size_t i) {
        return Gguf::load<float>(found.tensor->data + i * sizeof(float));
    };
    std::size_t rotate = 0, still = 0;
    while (rotate < pairs && divisor(rotate) == 1.0f) ++rotate;
    while (rotate + still < pairs && divisor(rotate + still) >= 1e10f) ++still;
    if (rotate + still < pairs)
        in.unsupported("tensor rope_freqs.weight has " + std::to_string(divisor(rotate + still)) +
                       " at " + std::to_string(rotate + still) +
                       ", expected ones and then numbers of 1e10 and more");
    return static_cast<double>(rotate) / static_cast<double>(pairs);
}

/// Ids by the texts of tokens that mean something.
inline std::int32_t token_id(const Gguf& head, std::string_view text, std::int32_t missing) {
    const Gguf::Value* tokens = head.find("tokenizer.ggml.tokens");
    if (tokens == nullptr) return missing;
    std::int32_t id = missing;
    Gguf::for_each_string(*tokens, [&](std::size_t i, std::string_view token) {
        if (token != text) return true;
        if (i <= most_size) id = static_cast<std::int32_t>(i);
        return false;
    });
    return id;
}
/// The id of a token that is marked as control or, as converters mark those of tools, user-defined:
/// what is spelled like it is not it. -1 where there is none.
inline std::int32_t marked_token_id(const Gguf& head, std::string_view text) {
    const std::int32_t id = token_id(head, text, -1);
    const Gguf::Value* types = head.find("tokenizer.ggml.token_type");
    if (id < 0 || types == nullptr) return -1;
    const auto type = Gguf::unsigned_integer(*types, static_cast<std::uint64_t>(id));
    return type == 3u || type == 4u ? id : -1;
}
inline std::int32_t tokenizer_id(const Gguf& head, std::string_view key, std::int32_t missing) {
    const auto id =
        Gguf::unsigned_integer(head.find(joined({"tokenizer.ggml.", key, "_token_id"})));
    return id && *id <= most_size ? static_cast<std::int32_t>(*id) : missing;
}

[[gnu::cold]] inline TextConfig read_gguf_text_config(const CheckpointFiles& files,
                                                      const Gguf& head, Faults& faults) {
    constexpr std::string_view prefix = "model.language_model.";
    const auto name = [&](std::string_view rest) {
        return std::string(prefix) + std::string(rest);
    };
    TextConfig c;
    GgufFields in(head, faults);
    c.num_hidden_layers = in.size("block_count");
    const std::size_t layers = c.num_hidden_layers;
    if (layers == 0 || layers > LayerSet::capacity) {
        in.wrong("block_count", joined({"1 to ", LayerSet::capacity, " layers"}),
                 Errc::unsupported);
        return c;
    }
    c.vocab_size = rows_of(files, name("embed_tokens.weight"));
    c.hidden_size = in.size("embedding_length");
    c.hidden_size_per_layer_input = in.size("embedding_length_per_layer_input", 0);
    c.vocab_size_per_layer_input = rows_of(files, name("embed_tokens_per_layer.weight"));
    if (c.hidden_size_per_layer_input == 0) c.vocab_size_per_layer_input = c.vocab_size;
    c.num_attention_heads = in.size("attention.head_count");
    c.global_head_dim = in.size("attention.key_length");
    c.head_dim = in.size("attention.key_length_swa", c.global_head_dim);
    c.sliding_window = in.size("attention.sliding_window");
    c.num_kv_shared_layers = in.size("attention.shared_kv_layers", 0);
    c.max_position_embeddings = in.size("context_length", c.max_position_embeddings);
    c.num_experts = in.size("expert_count", 0);
    c.enable_moe_block = c.num_experts > 0;
    if (c.enable_moe_block) {
        c.top_k_experts = in.size("expert_used_count");
        c.moe_intermediate_size = in.size("expert_feed_forward_length");
    }
    c.rms_norm_eps = in.real("attention.layer_norm_rms_epsilon", c.rms_norm_eps);
    c.final_logit_softcapping = in.real("final_logit_softcapping", 30.0);
    c.sliding_rope = {.theta = in.real("rope.freq_base_swa", 10000.0)};
    c.full_rope = {.theta = in.real("rope.freq_base", 1000000.0),
                   .partial_rotary_factor = rotating_share(files, in)};
    c.pad_token_id = tokenizer_id(head, "padding", c.pad_token_id);
    c.eos_token_id = tokenizer_id(head, "eos", c.eos_token_id);
    c.bos_token_id = tokenizer_id(head, "bos", c.bos_token_id);

    // Which layers are full, and what they have of their own.
    const Gguf::Value* pattern = in.get("attention.sliding_window_pattern");
    if (pattern == nullptr || pattern->type != Gguf::Type::array || pattern->count != layers ||
        !Gguf::unsigned_integer(*pattern, 0)) {
        in.wrong("attention.sliding_window_pattern",
                 std::to_string(layers) + " of bool, true for sliding layers");
        return c;
    }
    c.full_attention = LayerSet{};
    for (std::size_t l = 0; l < layers; ++l)
        if (Gguf::unsigned_integer(*pattern, l).value_or(0) == 0) c.full_attention.insert(l);
    c.full_attention.insert(layers - 1);
    if (c.num_kv_shared_layers > layers) {
        in.wrong("attention.shared_kv_layers", "at most " + std::to_string(layers));
        return c;
    }
    const auto has_values = [&](std::size_t layer) {
        return static_cast<bool>(
            files.find(name(joined({"layers.", layer, ".self_attn.v_proj.weight"}))));
    };
    for (std::size_t l = 0; l < c.first_shared_layer(); ++l)
        if (c.attention_type(l) == AttentionType::full && !has_values(l)) c.attention_k_eq_v = true;
    const std::vector<std::size_t> kv_heads = in.sizes("attention.head_count_kv", layers);
    const std::vector<std::size_t> widths = in.sizes("feed_forward_length", layers);
    c.intermediate_size = widths[0];
    c.num_key_value_heads = kv_heads[0];
    std::size_t full_heads = 0;
    for (std::size_t l = 0; l < layers; ++l) {
        const bool full = c.attention_type(l) == AttentionType::full;
        if (!full) c.num_key_value_heads = kv_heads[l];
        if (full) full_heads = kv_heads[l];
        if (c.shares_kv(l) && c.first_shared_layer() > 0 && widths[l] == 2 * widths[0])
            c.use_double_wide_mlp = true;
    }
    c.num_global_key_value_heads = full_heads == c.num_key_value_heads ? 0 : full_heads;
    if (!faults.none()) return c;
    for (std::size_t l = 0; l < layers; ++l) {
        const LayerKind kind = c.num_key_value_heads > 0 ? c.kind(l) : LayerKind{};
        if (kind.kv_heads != kv_heads[l] || kind.intermediate_size != widths[l]) {
            in.unsupported(
                joined({"layer ", l, " has ", kv_heads[l], " key/value heads and an mlp of ",
                        widths[l], ", which no Gemma 4 has beside its other layers"}));
            break;
        }
    }
    // Files do not say whom an image may see; the models without per-layer embeddings let it see
    // itself.
    c.use_bidirectional_attention = c.hidden_size_per_layer_input == 0 && c.attention_k_eq_v
                                        ? Bidirectional::vision
                                        : Bidirectional::none;
    return c;
}

}  // namespace detail

/// The configuration of the text model in a GGUF file, as config.json would say it. Towers are read
/// by gguf_towers.hpp.
/// Bad input: files that are not GGUF, another architecture, keys that are missing, of the wrong
/// type, or beyond what a Gemma 4 is; everything at once.
[[gnu::cold]] inline Result<ModelConfig> read_gguf_config(const CheckpointFiles& files) {
    Faults faults(files.name());
    const Gguf* head = files.gguf();
    if (head == nullptr) {
        faults.add(Errc::bad_format, "is no GGUF file");
        return faults.error();
    }
    const auto architecture = Gguf::string(head->find("general.architecture"));
    if (architecture != "gemma4") {
        faults.add(Errc::unsupported,
                   joined({"general.architecture is ",
                           architecture ? '"' + printable(*architecture) + '"'
                                        : Gguf::describe(head->find("general.architecture")),
                           ", expected \"gemma4\""}));
        return faults.error();
    }
    if (files.find("output.weight"))
        faults.add(Errc::unsupported,
                   "tensor output.weight is an output head of its own, but a Gemma 4's is "
                   "token_embd.weight");
    ModelConfig c;
    c.text = detail::read_gguf_text_config(files, *head, faults);
    const std::pair<std::string_view, std::int32_t MediaTokens::*> tokens[] = {
        {"<|image|>", &MediaTokens::image}, {"<|video|>", &MediaTokens::video},
        {"<|audio|>", &MediaTokens::audio}, {"<|image>", &MediaTokens::boi},
        {"<image|>", &MediaTokens::eoi},    {"<|audio>", &MediaTokens::boa},
        {"<audio|>", &MediaTokens::eoa}};
    for (const auto& [text, member] : tokens)
        c.tokens.*member = detail::token_id(*head, text, c.tokens.*member);
    c.multimodal = detail::token_id(*head, "<|image|>", -1) >= 0;
    detail::check_config(c, faults);
    if (!faults.none()) return faults.error();
    return c;
}

/// Where the model of a GGUF file stops, and the rest as base models say it: the file has no more.
[[gnu::cold]] inline GenerationConfig read_gguf_generation_config(const Gguf& head) {
    GenerationConfig c;
    c.bos_token_id = detail::tokenizer_id(head, "bos", c.bos_token_id);
    c.pad_token_id = detail::tokenizer_id(head, "padding", c.pad_token_id);
    c.eos_token_ids = {detail::tokenizer_id(head, "eos", 1)};
    for (const std::int32_t id :
         {detail::tokenizer_id(head, "eot", -1), detail::token_id(head, "<turn|>", -1),
          detail::marked_token_id(head, "<|tool_response>")})  // spec/chat.md, 9
        if (id >= 0 &&
            std::find(c.eos_token_ids.begin(), c.eos_token_ids.end(), id) == c.eos_token_ids.end())
            c.eos_token_ids.push_back(id);
    return c;
}

}  // namespace carat::inline CARAT_ABI

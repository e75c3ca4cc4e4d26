/// \file
/// What GGUF files say about the towers of a model: a config made from it, or compared with it.
/// Source: llama.cpp's MmprojModel (conversion/base.py) and Gemma4VisionAudioModel
/// (conversion/gemma.py) for a file of towers, Ollama's convert/convert_gemma4.go for towers in the
/// text model's file. They have the same keys behind "clip." and "gemma4.". Not read: epsilons and
/// image_size, which those write whatever the model has. What no key says is read off the tensors.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/printable.hpp"
#include "carat/base/result.hpp"
#include "carat/checkpoint/checkpoint_files.hpp"
#include "carat/checkpoint/config/config_fields.hpp"
#include "carat/checkpoint/faults.hpp"
#include "carat/checkpoint/tensors/converted_values.hpp"
#include "carat/config/model_config.hpp"
#include "carat/format/gguf.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace carat::inline CARAT_ABI {
namespace detail {

/// Which key behind "clip.vision." or "clip.audio." is which field.
template <class Config>
struct GgufKey {
    std::string_view key;
    std::size_t Config::*member;
};
inline constexpr GgufKey<VisionConfig> gguf_vision_keys[] = {
    {"embedding_length", &VisionConfig::hidden_size},
    {"feed_forward_length", &VisionConfig::intermediate_size},
    {"block_count", &VisionConfig::num_hidden_layers},
    {"attention.head_count", &VisionConfig::num_attention_heads},
    {"patch_size", &VisionConfig::patch_size},
    {"projector.scale_factor", &VisionConfig::pooling_kernel_size},
};
inline constexpr GgufKey<AudioConfig> gguf_audio_keys[] = {
    {"embedding_length", &AudioConfig::hidden_size},
    {"block_count", &AudioConfig::num_hidden_layers},
    {"attention.head_count", &AudioConfig::num_attention_heads},
    {"conv_kernel_size", &AudioConfig::conv_kernel_size},
};

/// The keys "<prefix>.<key>" of one tower. One that is not there says nothing.
class GgufTower {
  public:
    GgufTower(const Gguf& head, std::string prefix, Faults& faults)
        : head_(head), prefix_(std::move(prefix)), faults_(faults) {}

    template <class Config, std::size_t n>
    void read(const GgufKey<Config> (&keys)[n], Config& c) const {
        for (const auto& [key, member] : keys)
            if (const auto value = Gguf::unsigned_integer(find(key)); value && *value <= most_size)
                c.*member = static_cast<std::size_t>(*value);
    }
    template <class Config, std::size_t n>
    void compare(const GgufKey<Config> (&keys)[n], const Config& c, std::string_view other) const {
        for (const auto& [key, member] : keys) compare(key, c.*member, other);
    }
    void compare(std::string_view key, std::size_t expected, std::string_view other) const {
        const Gguf::Value* v = find(key);
        const auto n = Gguf::unsigned_integer(v);
        if (v == nullptr || n == std::uint64_t{expected}) return;
        faults_.add(n ? Errc::mismatch : Errc::bad_format,
                    joined({prefix_, key, " is ", n ? std::to_string(*n) : Gguf::describe(v),
                            ", but ", other, " ", expected}));
    }
    /// What a file of towers calls the architecture of this one.
    void projector_type(std::string_view expected) const {
        const Gguf::Value* v = find("projector_type");
        std::string key = prefix_ + "projector_type";
        if (v == nullptr) {  // in files of one tower also
            v = head_.find("clip.projector_type");
            if (v != nullptr) key = "clip.projector_type";
        }
        const auto type = Gguf::string(v);
        if (type == expected) return;
        faults_.add(Errc::unsupported,
                    joined({key, " is ", type ? '"' + printable(*type) + '"' : Gguf::describe(v),
                            ", expected \"", expected, "\""}));
    }

  private:
    [[nodiscard]] const Gguf::Value* find(std::string_view key) const {
        return head_.find(prefix_ + std::string(key));
    }

    const Gguf& head_;
    std::string prefix_;
    Faults& faults_;
};

/// Where GGUF files describe their towers.
struct GgufTowers {
    explicit GgufTowers(const CheckpointFiles& all)
        : files(all),
          beside(all.projector() != nullptr),
          head(beside ? *all.projector() : *all.gguf()),
          faults(beside ? all.files().back().name : all.name()) {
        const auto architecture = Gguf::string(head.find("general.architecture"));
        if (!beside || architecture == "clip") return;
        faults.add(Errc::unsupported,
                   joined({"general.architecture is ",
                           architecture ? '"' + printable(*architecture) + '"'
                                        : Gguf::describe(head.find("general.architecture")),
                           ", expected \"clip\" of a file of towers"}));
    }
    /// Whether a file of towers says that it has one for "vision", for "audio"; the text model's
    /// own file does not.
    [[nodiscard]] bool says(std::string_view kind) const {
        return beside &&
               (Gguf::boolean(head.find(joined({"clip.has_", kind, "_encoder"}))) == true ||
                head.find(joined({"clip.", kind, ".projector_type"})) != nullptr);
    }
    /// Whether there is one: somebody says so, or there are tensors of it.
    [[nodiscard]] bool has(std::string_view kind) const {
        if (says(kind)) return true;
        const std::string prefix = joined({"model.", kind, "_tower."});
        for (const StoredTensor& t : files.files().back().tensors)
            if (t.name.starts_with(prefix)) return true;
        return false;
    }
    [[nodiscard]] GgufTower tower(std::string_view kind) {
        return {head, joined({beside ? "clip." : "gemma4.", kind, "."}), faults};
    }
    /// Towers of other models are none of a Gemma 4.
    void check_types(bool vision, bool audio) {
        if (vision && says("vision")) tower("vision").projector_type("gemma4v");
        if (audio && says("audio")) tower("audio").projector_type("gemma4a");
    }
    /// `other` says whose numbers those of `c` are.
    void compare(const ModelConfig& c, std::string_view other) {
        if (c.vision.present() && (!beside || says("vision"))) {
            const GgufTower in = tower("vision");
            in.compare(gguf_vision_keys, c.vision, other);
            in.compare("projection_dim", c.text.hidden_size, other);
        }
        if (c.audio.present() && (!beside || says("audio"))) {
            const GgufTower in = tower("audio");
            in.compare(gguf_audio_keys, c.audio, other);
            in.compare("feed_forward_length", c.audio.ffw_size(), other);
            in.compare("num_mel_bins", AudioConfig::mel_bins, other);
            if (beside) in.compare("projection_dim", c.text.hidden_size, other);
        }
    }

    const CheckpointFiles& files;
    bool beside;  ///< in a file of their own
    const Gguf& head;
    Faults faults;
};

/// Sizes of a tower's tensors.
class TowerTensors {
  public:
    TowerTensors(const CheckpointFiles& files, std::string prefix, Faults& faults)
        : files_(files), prefix_(std::move(prefix)), faults_(faults) {}

    [[nodiscard]] bool has(std::string_view name) const {
        return static_cast<bool>(files_.find(prefix_ + std::string(name)));
    }
    /// How long an axis is; 0 where there is no such tensor, which is a fault.
    std::size_t size(std::string_view name, std::size_t axis) {
        const auto found = files_.find(prefix_ + std::string(name));
        if (!found) {
            faults_.add(Errc::mismatch, joined({"tensor ", prefix_, name, " is missing"}));
            return 0;
        }
        const std::vector<std::size_t>& shape = found.tensor->shape;
        return axis < shape.size() ? shape[axis] : 0;
    }
    std::size_t last(std::string_view name) {
        const auto found = files_.find(prefix_ + std::string(name));
        return size(name,
                    found && !found.tensor->shape.empty() ? found.tensor->shape.size() - 1 : 0);
    }
    /// How many layers have a tensor of that name.
    [[nodiscard]] std::size_t layers(std::string_view before, std::string_view name) const {
        std::size_t n = 0;
        while (has(joined({before, n, ".", name}))) ++n;
        return n;
    }

  private:
    const CheckpointFiles& files_;
    std::string prefix_;
    Faults& faults_;
};

/// Fields that lie beyond their limits, or are 0 because the shapes make no sense.
template <class Config, std::size_t n>
void check_sizes(const Config& c, const SizeField<Config> (&fields)[n], std::string_view prefix,
                 Faults& faults) {
    if (!faults.none()) return;
    for (const auto& field : fields)
        if (c.*field.member < field.least || c.*field.member > field.most)
            faults.add(Errc::unsupported,
                       joined({"by its tensors ", prefix, field.key, " is ", c.*field.member,
                               ", expected ", field.least, " to ", field.most}));
}

/// part / whole, 0 where that is no whole number.
constexpr std::size_t quotient(std::size_t whole, std::size_t part) {
    return part > 0 && whole % part == 0 ? whole / part : 0;
}

inline VisionConfig read_gguf_vision(GgufTowers& from) {
    VisionConfig c;
    from.tower("vision").read(gguf_vision_keys, c);
    TowerTensors in(from.files, "model.vision_tower.", from.faults);
    const std::string layer = "encoder.layers.0.";
    c.hidden_size = in.size("patch_embedder.input_proj.weight", 0);
    c.patch_size = patch_side(in.size("patch_embedder.input_proj.weight", 1));
    c.position_embedding_size = in.size("patch_embedder.position_embedding_table", 1);
    c.intermediate_size = in.size(layer + "mlp.gate_proj.linear.weight", 0);
    c.num_hidden_layers = in.layers("encoder.layers.", "input_layernorm.weight");
    c.head_dim = in.size(layer + "self_attn.q_norm.weight", 0);
    c.num_attention_heads =
        quotient(in.size(layer + "self_attn.q_proj.linear.weight", 0), c.head_dim);
    c.num_key_value_heads =
        quotient(in.size(layer + "self_attn.k_proj.linear.weight", 0), c.head_dim);
    c.use_clipped_linears = in.has(layer + "self_attn.q_proj.input_min");
    c.standardize = in.has("std_bias");
    check_sizes(c, vision_sizes, "vision_config.", from.faults);
    return c;
}

inline AudioConfig read_gguf_audio(GgufTowers& from) {
    AudioConfig c;
    from.tower("audio").read(gguf_audio_keys, c);
    TowerTensors in(from.files, "model.audio_tower.", from.faults);
    c.hidden_size = in.size("layers.0.norm_out.weight", 0);
    c.num_hidden_layers = in.layers("layers.", "norm_out.weight");
    c.num_attention_heads = quotient(c.hidden_size, in.size("layers.0.self_attn.per_dim_scale", 0));
    c.subsampling_conv_channels = {in.size("subsample_conv_projection.layer0.norm.weight", 0),
                                   in.size("subsample_conv_projection.layer1.norm.weight", 0)};
    c.conv_kernel_size = in.last("layers.0.lconv1d.depthwise_conv1d.weight");
    c.output_proj_dims = in.size("output_proj.weight", 0);
    c.use_clipped_linears = in.has("layers.0.self_attn.q_proj.input_min");
    check_sizes(c, audio_sizes, "audio_config.", from.faults);
    return c;
}

}  // namespace detail

/// Makes c.vision and c.audio of the towers in GGUF files, as config.json would say them: sizes
/// from their tensors, and what neither those nor a key says is that of every Gemma 4. Without
/// towers c stays as it is; with one, the model is multimodal. Bad input: a file beside the text
/// model's that is none of towers, towers of another model (unsupported), tensors that are missing,
/// keys that say something else than the tensors (mismatch).
inline Result<void> read_gguf_towers(const CheckpointFiles& files, ModelConfig& c) {
    if (files.gguf() == nullptr) return {};
    detail::GgufTowers from(files);
    const bool vision = from.has("vision"), audio = from.has("audio");
    from.check_types(vision, audio);
    if (from.faults.none() && vision) c.vision = detail::read_gguf_vision(from);
    if (from.faults.none() && audio) c.audio = detail::read_gguf_audio(from);
    if (from.faults.none()) from.compare(c, "the rest of the files says");
    if (!from.faults.none()) return from.faults.error();
    c.multimodal |= vision || audio;
    return {};
}

/// Compares what the metadata of GGUF files say about towers with those of `c`. A tower that c has
/// not is not looked at, nor one that the files do not say they have: such a model does not see, or
/// does not hear. Bad input: a file beside the text model's that is none of towers, towers of
/// another model (unsupported), of other sizes (mismatch); all faults at once.
[[gnu::cold]] inline Result<void> check_gguf_towers(const CheckpointFiles& files,
                                                    const ModelConfig& c) {
    if (files.gguf() == nullptr || (!c.vision.present() && !c.audio.present())) return {};
    detail::GgufTowers from(files);
    if (from.faults.none()) {
        from.check_types(c.vision.present(), c.audio.present());
        from.compare(c, "this program was compiled for");
    }
    if (!from.faults.none()) return from.faults.error();
    return {};
}

}  // namespace carat::inline CARAT_ABI

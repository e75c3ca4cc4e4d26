/// \file
/// What GGUF metadata say about the towers of a model, against its config. Source: llama.cpp's
/// MmprojModel (conversion/base.py) and Gemma4VisionAudioModel (conversion/gemma.py) for a file of
/// towers, Ollama's convert/convert_gemma4.go for towers in the text model's file. They have the
/// same keys behind "clip." and "gemma4.". Not compared: epsilons and image_size, which those write
/// whatever the model has, and what the shapes of tensors say anyway.
#pragma once

#include "carat/checkpoint/checkpoint_files.hpp"
#include "carat/checkpoint/faults.hpp"
#include "carat/config/model_config.hpp"
#include "carat/gguf.hpp"
#include "carat/joined.hpp"
#include "carat/printable.hpp"
#include "carat/result.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace carat::inline CARAT_ABI {
namespace detail {

/// Compares the keys "<prefix>.<key>" of one tower.
class GgufTower {
  public:
    GgufTower(const Gguf& head, std::string prefix, Faults& faults)
        : head_(head), prefix_(std::move(prefix)), faults_(faults) {}

    /// A key that is not there says nothing: the shapes of the tensors will.
    void size(std::string_view key, std::size_t compiled) const {
        const Gguf::Value* v = head_.find(prefix_ + std::string(key));
        const auto n = Gguf::unsigned_integer(v);
        if (v == nullptr || n == std::uint64_t{compiled}) return;
        faults_.add(n ? Errc::mismatch : Errc::bad_format,
                    joined({prefix_, key, " is ", n ? std::to_string(*n) : Gguf::describe(v),
                            ", but this program was compiled for ", compiled}));
    }
    /// What a file of towers calls the architecture of this one.
    void projector_type(std::string_view expected) const {
        const Gguf::Value* v = head_.find(prefix_ + "projector_type");
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
    const Gguf& head_;
    std::string prefix_;
    Faults& faults_;
};

}  // namespace detail

/// Compares what the metadata of GGUF files say about towers with those of `c`. A tower that c has
/// not is not looked at, nor one that the files do not say they have: such a model does not see, or
/// does not hear. Bad input: a file beside the text model's that is none of towers, towers of
/// another model (unsupported), of other sizes (mismatch); all faults at once.
[[gnu::cold]] inline Result<void> check_gguf_towers(const CheckpointFiles& files,
                                                    const ModelConfig& c) {
    if (files.gguf() == nullptr || (!c.vision.present() && !c.audio.present())) return {};
    const bool beside = files.projector() != nullptr;
    const Gguf& head = beside ? *files.projector() : *files.gguf();
    Faults faults(beside ? files.files().back().name : files.name());
    const auto architecture = Gguf::string(head.find("general.architecture"));
    if (beside && architecture != "clip") {
        faults.add(Errc::unsupported,
                   joined({"general.architecture is ",
                           architecture ? '"' + printable(*architecture) + '"'
                                        : Gguf::describe(head.find("general.architecture")),
                           ", expected \"clip\" of a file of towers"}));
        return faults.error();
    }
    const std::string prefix = beside ? "clip." : "gemma4.";
    const auto said = [&](const std::string& kind) {
        return !beside ||
               Gguf::boolean(head.find(joined({"clip.has_", kind, "_encoder"}))) == true ||
               head.find(joined({"clip.", kind, ".projector_type"})) != nullptr;
    };
    if (c.vision.present() && said("vision")) {
        const detail::GgufTower tower(head, prefix + "vision.", faults);
        if (beside) tower.projector_type("gemma4v");
        tower.size("embedding_length", c.vision.hidden_size);
        tower.size("feed_forward_length", c.vision.intermediate_size);
        tower.size("block_count", c.vision.num_hidden_layers);
        tower.size("attention.head_count", c.vision.num_attention_heads);
        tower.size("patch_size", c.vision.patch_size);
        tower.size("projector.scale_factor", c.vision.pooling_kernel_size);
        tower.size("projection_dim", c.text.hidden_size);
    }
    if (c.audio.present() && said("audio")) {
        const detail::GgufTower tower(head, prefix + "audio.", faults);
        if (beside) tower.projector_type("gemma4a");
        tower.size("embedding_length", c.audio.hidden_size);
        tower.size("feed_forward_length", c.audio.ffw_size());
        tower.size("block_count", c.audio.num_hidden_layers);
        tower.size("attention.head_count", c.audio.num_attention_heads);
        tower.size("conv_kernel_size", c.audio.conv_kernel_size);
        tower.size("num_mel_bins", AudioConfig::mel_bins);
        if (beside) tower.size("projection_dim", c.text.hidden_size);
    }
    if (!faults.none()) return faults.error();
    return {};
}

}  // namespace carat::inline CARAT_ABI

/// \file
/// Gemma4: a model of a config, opened from a checkpoint folder. The door that most programs use.
///
///     auto model = carat::Gemma4<carat::presets::e2b>::open("gemma-4-E2B-it");
///     if (!model) return report(model.error());
///     auto session = model->session(executor);
#pragma once

#include "carat/checkpoint/bind.hpp"
#include "carat/checkpoint/checkpoint_files.hpp"
#include "carat/checkpoint/config_difference.hpp"
#include "carat/checkpoint/config_json.hpp"
#include "carat/checkpoint/fnv1a.hpp"
#include "carat/checkpoint/generation_config.hpp"
#include "carat/checkpoint/text_tensors.hpp"
#include "carat/config/model_config.hpp"
#include "carat/generate/sampler.hpp"
#include "carat/generate/session.hpp"
#include "carat/model/text_model.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>

namespace carat {

/// A model's weights and the files they come from. Moves; sessions refer to it, and must not
/// outlive it.
template <ModelConfig C, class Policy = weights::bf16,
          template <class> class Modules = Gemma4Modules>
class Gemma4 {
  public:
    using Text = TextModel<C.text, Policy, Modules<Policy>>;
    using Session = carat::Session<Text>;
    static constexpr ModelConfig config = C;

    /// Opens a folder as Hugging Face lays it out: config.json, which must say what C says, and
    /// model.safetensors or shards with an index. Weights are copied once into aligned memory,
    /// converted if the file has another type than Policy; the per-layer table stays in the file.
    /// Bad input: every fault of the files, of the configuration against C, or of the tensors
    /// against C, all of a kind in one Error.
    static Result<Gemma4> open(const std::string& folder, Progress progress = {}) {
        Result<ModelConfig> stored = read_config_file(folder);
        if (!stored) return std::move(stored).error();
        if (!(*stored == C)) {
            const std::string difference = describe_difference(C, *stored);
            if (!difference.empty())
                return Error{Errc::mismatch, folder + "/config.json: " + difference};
        }
        Result<GenerationConfig> generation = read_generation_config_file(folder);
        if (!generation) return std::move(generation).error();
        Result<CheckpointFiles> files = CheckpointFiles::open(folder);
        if (!files) return std::move(files).error();
        Result<Gemma4> model = from(std::move(*files), progress);
        if (model) model->state_->generation = std::move(*generation);
        return model;
    }

    /// The same from files that are open already, or from bytes in memory (CheckpointFiles::view).
    static Result<Gemma4> from(CheckpointFiles files, Progress progress = {}) {
        Gemma4 model;
        model.state_ = std::make_unique<State>();
        State& state = *model.state_;
        state.files = std::move(files);
        Result<std::string> prefix = text_prefix(state.files);
        if (!prefix) return std::move(prefix).error();
        Binder bind(state.files, *prefix);
        bind_text_model<Text>(bind, state.weights);
        Result<Arena> memory = bind.finish(progress);
        if (!memory) return std::move(memory).error();
        state.memory = std::move(*memory);
        return model;
    }

    /// Bytes of memory for this model with a session, known before anything is opened.
    struct MemoryPlan {
        std::size_t weights;  ///< in memory
        std::size_t mapped;   ///< in the file, read a row a token
        std::size_t session;  ///< caches, scratch, logits
        [[nodiscard]] constexpr std::size_t resident() const { return weights + session; }
    };
    static constexpr MemoryPlan memory_plan(SessionOptions options = {}, std::size_t threads = 1) {
        constexpr WeightBytes weights = weight_bytes<Text>();
        return {weights.resident(), weights.mapped(), Session::bytes(options, threads)};
    }

    /// A sequence of tokens for this model. Bad input: as Session::create.
    Result<Session> session(ExecutorRef executor, SessionOptions options = {}) const {
        return Session::create(state_->weights, executor, options,
                               C.multimodal ? &C_tokens : nullptr);
    }

    /// What generation_config.json says: how tokens are drawn, and where the model stops.
    [[nodiscard]] const GenerationConfig& generation() const noexcept { return state_->generation; }
    /// The same for a Sampler. The placeholders of soft tokens are never drawn: fed back, they
    /// would mean nothing.
    [[nodiscard]] SamplerOptions sampler_options() const {
        const GenerationConfig& g = generation();
        SamplerOptions o{.greedy = !g.do_sample,
                         .temperature = static_cast<float>(g.temperature),
                         .top_k = g.top_k,
                         .top_p = static_cast<float>(g.top_p),
                         .min_p = static_cast<float>(g.min_p),
                         .repetition_penalty = static_cast<float>(g.repetition_penalty),
                         .suppress_tokens = g.suppress_tokens};
        if (C.multimodal)
            for (const std::int32_t id : {C.tokens.image, C.tokens.video, C.tokens.audio})
                o.suppress_tokens.push_back(id);
        return o;
    }

    /// A number that tells checkpoints apart: of every tensor the name and two samples. For files
    /// that only make sense with the model they were made with.
    [[nodiscard]] std::uint64_t fingerprint() const noexcept {
        Fnv1a hash;
        for (const CheckpointFiles::File& file : state_->files.files())
            for (const StoredTensor& t : file.tensors.tensors()) {
                hash.add(std::as_bytes(std::span(t.name)));
                const std::size_t sample = std::min<std::size_t>(t.bytes, 64);
                hash.add(t.span().first(sample));
                hash.add(t.span().subspan((t.bytes - sample) / 2, sample));
            }
        return hash.value();
    }

    [[nodiscard]] const typename Text::Weights& weights() const noexcept { return state_->weights; }
    /// Bytes of weights in memory; the tables that stay in their file are not among them.
    [[nodiscard]] std::size_t memory_bytes() const noexcept { return state_->memory.size(); }

  private:
    static constexpr MediaTokens C_tokens = C.tokens;

    struct State {  // on the heap, so that views and sessions survive a move of the model
        CheckpointFiles files;
        Arena memory;
        typename Text::Weights weights;
        GenerationConfig generation;
    };
    Gemma4() = default;

    std::unique_ptr<State> state_;
};

}  // namespace carat

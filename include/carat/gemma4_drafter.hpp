/// \file
/// Gemma4Drafter: the assistant of a Gemma 4, opened from its folder. Speculative decoding:
///
///     auto drafter = carat::Gemma4Drafter<carat::presets::e2b_assistant, Model>::open(
///         "gemma-4-E2B-it-assistant");
///     auto drafts = drafter->speculation(*session);
///     carat::generate(*session, {.ids = prompt}, *sampler,
///                     {.stop_ids = model->generation().eos_token_ids}, print, {}, {}, &*drafts);
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/progress.hpp"
#include "carat/base/result.hpp"
#include "carat/checkpoint/bind.hpp"
#include "carat/checkpoint/checkpoint_files.hpp"
#include "carat/checkpoint/config/drafter_config_json.hpp"
#include "carat/checkpoint/config/generation_config.hpp"
#include "carat/checkpoint/tensors/drafter_tensors.hpp"
#include "carat/config/drafter_config.hpp"
#include "carat/format/model_path.hpp"
#include "carat/generate/speculation.hpp"
#include "carat/model/drafter.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace carat::inline CARAT_ABI {

/// An assistant's weights and what they lie in. Moves; speculations refer to it, and must not
/// outlive it. M is the Gemma4 that it drafts for; weights are of its formats.
template <DrafterConfig D, class M, template <class> class Modules = Gemma4Modules>
class Gemma4Drafter {
  public:
    using Policy = typename M::Text::WeightPolicy;
    using Draft = Drafter<D, typename M::Text, Policy, Modules<Policy>>;
    using Speculation = carat::Speculation<Draft>;
    static constexpr DrafterConfig config = D;
    /// Where the files do not say how many tokens are drafted at once.
    static constexpr std::size_t usual_draft_tokens = 4;

    /// Opens a folder as Hugging Face lays it out, config.json and model.safetensors; the
    /// configuration there must be what D says. Weights are copied once into aligned memory,
    /// converted if the file has another type. Bad input: every fault of the files, of the
    /// configuration against D, or of the tensors against D, all of a kind in one Error; a
    /// token_ordering that is no permutation of the vocabulary; a GGUF or packed file
    /// (unsupported).
    static Result<Gemma4Drafter> open(const std::string& folder, Progress progress = {},
                                      BindOptions options = {}) {
        return memory_errors([&] { return open_folder(folder, progress, options); });
    }

    /// Bytes of the weights in memory.
    static constexpr std::size_t weight_bytes() {
        WeightBytes count(dtype_of<typename Policy::tower>);
        typename Draft::Weights nowhere{};
        bind_drafter<Draft>(count, nowhere);
        return count.resident() +
               (D.num_centroids > 0 ? D.text.vocab_size : 0) * sizeof(std::int32_t);
    }
    /// Bytes that a speculation takes beside them, for a session of these options.
    static constexpr std::size_t speculation_bytes(SessionOptions session, std::size_t threads,
                                                   std::size_t draft_tokens = usual_draft_tokens) {
        return Speculation::bytes(draft_tokens, session.context_tokens, threads);
    }

    /// Drafts for `session`, one generation at a time. Bad input: as Speculation::create.
    Result<Speculation> speculation(const typename M::Session& session,
                                    SpeculationOptions options = {}) const {
        if (options.draft_tokens == 0) options.draft_tokens = draft_tokens();
        return Speculation::create(state_->weights, session, options);
    }

    /// `num_assistant_tokens` of generation_config.json, as far as it makes sense.
    [[nodiscard]] std::size_t draft_tokens() const noexcept { return state_->draft_tokens; }
    [[nodiscard]] const typename Draft::Weights& weights() const noexcept {
        return state_->weights;
    }
    [[nodiscard]] std::size_t memory_bytes() const noexcept {
        return state_->memory.size() + state_->token_ordering.size() * sizeof(std::int32_t);
    }

  private:
    struct State {  // on the heap, so that views survive a move
        CheckpointFiles files;
        Arena memory;
        typename Draft::Weights weights;
        std::vector<std::int32_t> token_ordering;
        std::size_t draft_tokens = usual_draft_tokens;
    };
    Gemma4Drafter() = default;

    static Result<Gemma4Drafter> open_folder(const std::string& folder, Progress progress,
                                             const BindOptions& options) {
        if (is_gguf_path(folder) || is_gguf_folder(folder))
            return Error{Errc::unsupported,
                         folder +
                             ": an assistant is read from a folder with config.json and "
                             "model.safetensors, not from a GGUF file"};
        const Result<DrafterConfig> stored = read_drafter_config_file(folder);
        if (!stored) return stored.error();
        const std::string difference = describe_difference(D, *stored);
        if (!difference.empty())
            return Error{Errc::mismatch, joined({folder, "/config.json: ", difference})};
        Result<GenerationConfig> generation = read_generation_config_file(folder);
        if (!generation) return std::move(generation).error();
        Result<CheckpointFiles> files = CheckpointFiles::open(folder, false);
        if (!files) return std::move(files).error();
        if (files->packed_for() != nullptr)
            return Error{Errc::unsupported, folder + ": an assistant cannot be packed"};

        Gemma4Drafter drafter;
        drafter.state_ = std::make_unique<State>();
        State& state = *drafter.state_;
        state.files = *std::move(files);
        if (generation->num_assistant_tokens > 0)
            state.draft_tokens = std::min(generation->num_assistant_tokens, DraftPace::most_drafts);
        if constexpr (D.num_centroids > 0) {
            Result<std::vector<std::int32_t>> order =
                read_token_ordering(state.files, D.text.vocab_size);
            if (!order) return std::move(order).error();
            state.token_ordering = *std::move(order);
            state.weights.head.token_ordering = state.token_ordering;
        }
        Binder bind(state.files, {}, options);
        bind_drafter<Draft>(bind, state.weights);
        Result<Arena> memory = bind.finish(progress);
        if (!memory) return std::move(memory).error();
        state.files.let_go();
        state.memory = *std::move(memory);
        return drafter;
    }

    std::unique_ptr<State> state_;
};

}  // namespace carat::inline CARAT_ABI

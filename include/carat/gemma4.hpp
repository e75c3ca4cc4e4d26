/// \file
/// Gemma4: a model of a config, opened from a checkpoint folder. The door that most programs use.
///
///     auto model = carat::Gemma4<carat::presets::e2b>::open("gemma-4-E2B-it");
///     if (!model) return report(model.error());
///     auto session = model->session(executor);
#pragma once

#include "carat/base/joined.hpp"
#include "carat/checkpoint/bind.hpp"
#include "carat/checkpoint/checkpoint_files.hpp"
#include "carat/checkpoint/config/config_hash.hpp"
#include "carat/checkpoint/config/generation_config.hpp"
#include "carat/checkpoint/mapped_table.hpp"
#include "carat/checkpoint/open_files.hpp"
#include "carat/checkpoint/packed_for.hpp"
#include "carat/checkpoint/tensors/audio_tensors.hpp"
#include "carat/checkpoint/tensors/text_tensors.hpp"
#include "carat/checkpoint/tensors/tower_tensors.hpp"
#include "carat/checkpoint/tensors/vision_tensors.hpp"
#include "carat/config/model_config.hpp"
#include "carat/generate/memory_ceiling.hpp"
#include "carat/generate/sampler_options.hpp"
#include "carat/generate/session.hpp"
#include "carat/generate/tower_memory.hpp"
#include "carat/model/audio_tower.hpp"
#include "carat/model/soft_tokens.hpp"
#include "carat/model/text_model.hpp"
#include "carat/model/valid_frames.hpp"
#include "carat/model/vision_tower.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace carat::inline CARAT_ABI {

/// A model's weights and the files they come from. Moves; sessions refer to it, and must not
/// outlive it. Any number of threads may call its const members at once; a ThreadPool runs one call
/// at a time, so that each of them needs an executor.
template <ModelConfig C, class Policy = weights::bf16,
          template <class> class Modules = Gemma4Modules>
class Gemma4 {
  public:
    using Text = TextModel<C.text, Policy, Modules<Policy>>;
    using Session = carat::Session<Text>;
    using Vision = VisionTower<C.vision, C.text.hidden_size, Policy>;
    using Audio = AudioTower<C.audio, C.text.hidden_size, Policy>;
    using SoftTokens = carat::SoftTokens<C.text.hidden_size>;
    using Picture = typename Vision::Picture;
    static constexpr ModelConfig config = C;

    /// Opens a folder as Hugging Face lays it out, config.json and model.safetensors or shards with
    /// an index, or a GGUF file (with a mmproj file beside it for the towers), or a folder of a
    /// packed checkpoint (pack.hpp); the configuration there must be what C says. Weights are
    /// copied once into aligned memory, converted if the file has another type than Policy; the
    /// per-layer table stays in the file. A packed checkpoint has them as they are used, so that
    /// they are read only, or not even that (BindOptions::in_place). Bad input: every fault of the
    /// files, of the configuration against C, or of the tensors against C, all of a kind in one
    /// Error; a packed checkpoint for another C or Policy.
    static Result<Gemma4> open(const std::string& path, Progress progress = {},
                               BindOptions options = {}) {
        return open(path, MemoryCeiling{}, progress, options);
    }
    /// The same below a ceiling, which holds for the sessions as well, each by itself. Bad input:
    /// also a plan that does not fit (out_of_memory), with what each part takes and what would fit;
    /// that is known before a file is opened.
    static Result<Gemma4> open(const std::string& path, const MemoryCeiling& ceiling,
                               Progress progress = {}, BindOptions options = {}) {
        return memory_errors([&] { return open_path(path, ceiling, progress, options); });
    }

    /// The same from the bytes of one file of any format in the caller's memory: weights that are
    /// part of the program (carat_embed). They must stay as long as the model, which reads
    /// the per-layer table and the towers there. `generation_json` is the text of a
    /// generation_config.json, or empty: what a GGUF file says itself, and of others the defaults
    /// of a base model, which stops at `<eos>` only, unless Chat is used. `what` names the bytes in
    /// errors.
    static Result<Gemma4> view(std::span<const std::byte> bytes, std::string what,
                               std::string_view generation_json = {}, Progress progress = {},
                               BindOptions options = {}) {
        return memory_errors([&]() -> Result<Gemma4> {
            Result<CheckpointFiles> files = CheckpointFiles::view(bytes, what);
            if (!files) return std::move(files).error();
            Result<GenerationConfig> generation = generation_of(*files, generation_json, what);
            if (!generation) return std::move(generation).error();
            Result<Gemma4> model = bound(std::move(*files), MemoryCeiling{}, progress, options);
            if (model) model->state_->generation = *std::move(generation);
            return model;
        });
    }

    /// The same from files that are open already; no configuration is read.
    static Result<Gemma4> from(CheckpointFiles files, Progress progress = {},
                               BindOptions options = {}) {
        return from(std::move(files), MemoryCeiling{}, progress, options);
    }
    static Result<Gemma4> from(CheckpointFiles files, const MemoryCeiling& ceiling,
                               Progress progress = {}, BindOptions options = {}) {
        return memory_errors([&] { return bound(std::move(files), ceiling, progress, options); });
    }

    /// Writes the weights of the checkpoint at `path`, which open() would take, to `file` as they
    /// are used: the file of a packed checkpoint. The caller finishes it; pack.hpp makes the
    /// folder. Bad input: as open(); a checkpoint that is packed already.
    static Result<void> pack_weights(const std::string& path, UnfinishedFile& file,
                                     Progress progress = {}, BindOptions options = {}) {
        return memory_errors([&]() -> Result<void> {
            Result<OpenedFiles> opened = open_files(path, C);
            if (!opened) return std::move(opened).error();
            if (opened->files.packed_for() != nullptr)
                return Error{Errc::invalid_argument, path + ": is a packed checkpoint already"};
            State state;
            state.files = std::move(opened->files);
            Result<Binder> bind = binder(state, options);
            if (!bind) return std::move(bind).error();
            return bind->pack(file, packed_for(), progress);
        });
    }

    /// Bytes of memory for this model with a session, known before anything is opened; for a
    /// checkpoint of the type of Policy::per_layer, as published ones are.
    struct MemoryPlan {
        std::size_t weights;  ///< in memory, with the rows of mapped tables that are there at once
        std::size_t mapped;   ///< in the file: tables read a row a token, towers
        std::size_t session;  ///< caches, scratch, logits
        [[nodiscard]] constexpr std::size_t resident() const { return weights + session; }
    };
    static constexpr MemoryPlan memory_plan(SessionOptions options = {}, std::size_t threads = 1) {
        constexpr WeightBytes weights = [] {
            WeightBytes count = weight_bytes<Text>(dtype_of<typename Policy::tower>);
            if constexpr (C.vision.present()) {
                typename Vision::Weights nowhere{};
                InFile<WeightBytes> in_file{count};
                bind_vision_tower<Vision>(in_file, nowhere);
            }
            if constexpr (C.audio.present()) {
                typename Audio::Weights nowhere{};
                InFile<WeightBytes> in_file{count};
                bind_audio_tower<Audio>(in_file, nowhere);
            }
            return count;
        }();
        return {weights.resident() + mapped_rows, weights.mapped(),
                Session::bytes(options, threads)};
    }

    /// Bytes of memory that see() takes for its call, by the patches of the largest picture, and
    /// hear() by the frames of the clip, besides the soft tokens that they return.
    static constexpr std::size_t see_bytes(std::size_t patches, std::size_t threads = 1) {
        if constexpr (C.vision.present()) {
            return Vision::scratch_bytes(patches, threads);
        } else {
            return 0;
        }
    }
    static constexpr std::size_t hear_bytes(std::size_t frames, std::size_t threads = 1) {
        if constexpr (C.audio.present()) {
            return Audio::scratch_bytes(frames, threads);
        } else {
            return 0;
        }
    }

    /// A sequence of tokens for this model. Bad input: as Session::create; more memory than the
    /// ceiling that the model was opened with.
    Result<Session> session(ExecutorRef executor, SessionOptions options = {}) const& {
        if (state_->ceiling != most_planned) {
            const MemoryCeiling ceiling{state_->ceiling, options, executor.concurrency()};
            auto fits = check_ceiling<Session>(ceiling, memory_bytes(), state_->files.name());
            if (!fits) return std::move(fits).error();
        }
        return Session::create(state_->weights, executor, options,
                               C.multimodal ? &C_tokens : nullptr,
                               {&MappedTable::rows_read, &state_->table});
    }
    Result<Session> session(ExecutorRef, SessionOptions = {}) const&& = delete;  // would outlive it

    /// Whether the config has a tower for pictures, for sound: known before a file is opened. The
    /// error (unsupported) is what see() and hear() would say.
    static Result<void> can_see() {
        if constexpr (C.vision.present()) return {};
        return Error{Errc::unsupported, "this model does not see: its config has no vision tower"};
    }
    static Result<void> can_hear() {
        if constexpr (C.audio.present()) return {};
        return Error{Errc::unsupported, "this model does not hear: its config has no audio tower"};
    }

    /// Soft tokens of pictures, one after the other, as make_patches() cuts them; video frames are
    /// pictures. Takes its memory for the call, as much as the largest picture needs.
    /// Bad input: a config or a checkpoint without vision tower (unsupported), patches that fill no
    /// grid or lie outside the position table, values that are not finite; see_bytes() that the
    /// ceiling leaves no room for beside the session it was planned with; a progress that says
    /// stop.
    Result<SoftTokens> see(std::span<const Picture> pictures, ExecutorRef executor,
                           Progress progress = {}) const {
        if constexpr (!C.vision.present()) {
            return can_see().error();
        } else {
            return memory_errors("soft tokens", [&]() -> Result<SoftTokens> {
                if (!state_->has_vision) return no_tensors("see", "a vision tower");
                std::size_t most = 0;
                for (std::size_t i = 0; i < pictures.size(); ++i) {
                    const Result<void> fine =
                        Vision::check(pictures[i], "picture " + std::to_string(i));
                    if (!fine) return fine.error();
                    most = std::max(most, pictures[i].patches.rows());
                }
                const std::size_t workers = executor.concurrency();
                Result<Arena> memory =
                    tower_memory({"a picture", "patches", most, Vision::cell, workers, see_bytes});
                if (!memory) return std::move(memory).error();
                const auto scratch = Vision::Scratch::take(*memory, most, workers);
                SoftTokens tokens;
                for (std::size_t i = 0; i < pictures.size(); ++i) {
                    const auto part = [&](std::size_t layer, std::size_t layers) {
                        return progress(i * layers + layer, pictures.size() * layers);
                    };
                    const auto out = tokens.grow(pictures[i].patches.rows() / Vision::cell);
                    if (!Vision{}.forward(state_->vision, pictures[i], out, scratch, executor,
                                          part))
                        return Error{Errc::cancelled, "cancelled by the caller"};
                }
                return tokens;
            });
        }
    }

    /// Soft tokens of one clip: features [frames, mel bins] and their mask [frames], ones that come
    /// first (empty: all are valid), as mel_features() gives them. Takes its memory for the call,
    /// linear in the frames.
    /// Bad input: a config or a checkpoint without audio tower (unsupported), a mask of another
    /// length or with a gap, features that are not finite; hear_bytes() that the ceiling leaves no
    /// room for, as for see(); a progress that says stop.
    Result<SoftTokens> hear(Rows<const float, nn::audio::mel_bins> features,
                            std::span<const std::uint8_t> mask, ExecutorRef executor,
                            Progress progress = {}) const {
        if constexpr (!C.audio.present()) {
            return can_hear().error();
        } else {
            return memory_errors("soft tokens", [&]() -> Result<SoftTokens> {
                if (!state_->has_audio) return no_tensors("hear", "an audio tower");
                const Result<std::size_t> frames = valid_frames(features, mask);
                if (!frames) return frames.error();
                const std::size_t workers = executor.concurrency();
                Result<Arena> memory =
                    tower_memory({"a clip", "frames", *frames, 1, workers, hear_bytes});
                if (!memory) return std::move(memory).error();
                const auto scratch = Audio::Scratch::take(*memory, *frames, workers);
                SoftTokens tokens;
                const auto out = tokens.grow(Audio::soft_tokens(*frames));
                if (!Audio{}.forward(state_->audio, features.rows(0, *frames), out, scratch,
                                     executor, progress))
                    return Error{Errc::cancelled, "cancelled by the caller"};
                return tokens;
            });
        }
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
        return carat::fingerprint(state_->files);
    }

    [[nodiscard]] const typename Text::Weights& weights() const noexcept { return state_->weights; }
    /// Bytes of weights in memory; of tables that stay in their file, the rows that are there at
    /// once.
    [[nodiscard]] std::size_t memory_bytes() const noexcept {
        return state_->memory.size() + (state_->table.in_file() ? mapped_rows : 0);
    }

  private:
    static constexpr MediaTokens C_tokens = C.tokens;
    /// Bytes of the per-layer table that are in memory at once.
    static constexpr std::size_t mapped_rows = [] {
        if constexpr (Text::per_layer > 0) {
            static_assert(Text::PerLayerEmbedding::table_rows_at_once <= MappedTable::rows_kept);
            return MappedTable::bytes_kept(Text::layers * Text::per_layer * sizeof(carat::bf16));
        } else {
            return std::size_t{0};
        }
    }();

    Error no_tensors(std::string_view sense, std::string_view tower) const {
        return {Errc::unsupported, joined({state_->files.name(), ": this model does not ", sense,
                                           ": its checkpoint has no tensors of ", tower})};
    }
    Result<Arena> tower_memory(const TowerCall& call) const {
        return carat::tower_memory(call, state_->ceiling, memory_bytes() + state_->session,
                                   state_->files.name());
    }

    using VisionWeights = typename TowerWeights<C.vision.present(), Vision>::type;
    using AudioWeights = typename TowerWeights<C.audio.present(), Audio>::type;

    struct State {  // on the heap, so that views and sessions survive a move of the model
        CheckpointFiles files;
        Arena memory;
        typename Text::Weights weights;
        [[no_unique_address]] VisionWeights vision;
        [[no_unique_address]] AudioWeights audio;
        bool has_vision = false, has_audio = false;
        GenerationConfig generation;
        std::size_t ceiling = most_planned;
        std::size_t session = 0;  ///< bytes below the ceiling that are a session's
        MappedTable table;        ///< of the per-layer embedding

        void find_table() {
            const auto& rows = weights.per_layer.embed_tokens_per_layer;
            if constexpr (requires { rows.bytes(); }) {
                table.find(files, rows.bytes());
            } else {
                table.find(files, std::as_bytes(std::span(rows.data(), rows.size())));
            }
        }
    };
    Gemma4() = default;

    static PackedFor packed_for() {
        return {config_hash(C), weights_text<Policy>(), layout_text()};
    }
    /// Everything that this model wants of the files.
    static Result<Binder> binder(State& state, const BindOptions& options) {
        if (auto fits = check_packed(state.files, packed_for()); !fits)
            return std::move(fits).error();
        Result<std::string> prefix = text_prefix(state.files);
        if (!prefix) return std::move(prefix).error();
        Binder bind(state.files, *prefix, options);
        bind_text_model<Text>(bind, state.weights);
        if constexpr (C.vision.present()) state.has_vision = bind_vision(state, bind);
        if constexpr (C.audio.present()) state.has_audio = bind_audio(state, bind);
        return bind;
    }

    static Result<Gemma4> bound(CheckpointFiles files, const MemoryCeiling& ceiling,
                                Progress progress, const BindOptions& options) {
        Gemma4 model;
        model.state_ = std::make_unique<State>();
        State& state = *model.state_;
        state.files = std::move(files);
        Result<Binder> bind = binder(state, options);
        if (!bind) return std::move(bind).error();
        if (ceiling.bytes != most_planned) {  // the file's types may ask for more than the plan
            const Result<std::size_t> taken = bind->plan();
            if (!taken) return taken.error();
            if (auto fits =
                    check_ceiling<Session>(ceiling, *taken + mapped_rows, state.files.name());
                !fits)
                return std::move(fits).error();
        }
        Result<Arena> memory = bind->finish(progress);
        if (!memory) return std::move(memory).error();
        if (!options.in_place) state.files.let_go();
        state.memory = std::move(*memory);
        state.ceiling = ceiling.bytes;
        if (ceiling.bytes != most_planned)
            state.session = Session::bytes(ceiling.session, ceiling.threads);
        if constexpr (Text::per_layer > 0) state.find_table();
        return model;
    }

    static Result<Gemma4> open_path(const std::string& path, const MemoryCeiling& ceiling,
                                    Progress progress, const BindOptions& options) {
        // What stays in its file is known when the file is.
        const std::size_t planned =
            options.in_place ? 0 : memory_plan(ceiling.session, ceiling.threads).weights;
        if (auto fits = check_ceiling<Session>(ceiling, planned, path); !fits)
            return std::move(fits).error();
        Result<OpenedFiles> opened = open_files(path, C);
        if (!opened) return std::move(opened).error();
        Result<Gemma4> model = bound(std::move(opened->files), ceiling, progress, options);
        if (model) model->state_->generation = std::move(opened->generation);
        return model;
    }

    /// Asks for the vision tower's weights, where the files have one; like the audio tower's.
    static bool bind_vision(State& state, Binder& bind) {
        if (!find_tower(state.files, bind,
                        {"vision_tower.patch_embedder.input_proj.weight",
                         "vision_tower.encoder.layers.0.input_layernorm.weight"}))
            return false;
        InFile<Binder> in_file{bind};
        bind_vision_tower<Vision>(in_file, state.vision);
        return true;
    }
    static bool bind_audio(State& state, Binder& bind) {
        if (!find_tower(state.files, bind,
                        {"audio_tower.output_proj.weight", "audio_tower.layers.0.norm_out.weight"}))
            return false;
        InFile<Binder> in_file{bind};
        bind_audio_tower<Audio>(in_file, state.audio);
        return true;
    }
    std::unique_ptr<State> state_;
};

}  // namespace carat::inline CARAT_ABI

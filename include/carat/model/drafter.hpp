/// \file
/// The drafter of a Gemma 4: a decoder of a few layers that guesses the tokens behind the last one.
/// It keeps nothing of its own: every layer attends to keys and values that the model it drafts for
/// has cached. One step, from a token and a recurrent state to the next of both:
///
///     u  = pre_projection · (scaled embedding of the token in the model, state)
///     h  = norm(layers(u))
///     state' = post_projection · h,  token' = the largest of head · h
///
/// The first state is the model's final norm before the token. Source: spec/speculative.md
/// sections 2 to 4 (Gemma4AssistantForCausalLM of the reference).
#pragma once

#include "carat/config/drafter_check.hpp"
#include "carat/model/text_model.hpp"
#include "carat/nn/decoder_layer.hpp"
#include "carat/nn/draft_head.hpp"
#include "carat/nn/embedding.hpp"
#include "carat/nn/tap.hpp"
#include "carat/tensor/arena.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>

namespace carat::inline CARAT_ABI {
inline namespace HWY_NAMESPACE {

/// What stays the same while a round drafts: the position of the newest token, which the model has
/// not read yet, and which of the model's keys are seen.
struct DraftRound {
    std::size_t position = 0;
    nn::Visible sliding{}, full{};
    std::span<const std::uint8_t> key_mask{};  ///< by cache index, 0: padding; empty: nothing is

    /// The round behind `seen` tokens in the cache, at the position of as many: all of them, or
    /// those of them that the model's own token there would see.
    static DraftRound behind(std::size_t seen, std::size_t window,
                             std::span<const std::uint8_t> key_mask) {
        return {seen, {seen + 1 > window ? seen + 1 - window : 0, seen}, {0, seen}, key_mask};
    }
};

/// TargetModel is the TextModel that is drafted for.
template <DrafterConfig D, class TargetModel, class Policy = typename TargetModel::WeightPolicy,
          class Modules = Gemma4Modules<Policy>>
struct Drafter {
    static_assert(drafts_for<D, TargetModel::config>());
    using Target = TargetModel;
    static constexpr DrafterConfig config = D;
    static constexpr std::size_t hidden = D.text.hidden_size, backbone = D.backbone_hidden_size,
                                 layers = D.text.num_hidden_layers;

    template <AttentionType type>
    using Layer = nn::DecoderLayer<D.kind(type), Modules>;
    using Head = nn::DraftHead<D, Policy>;

  private:
    template <AttentionType type>
    static constexpr bool reads_targets_cache =
        D.layers_of(type) == 0 || std::is_same_v<typename Layer<type>::Attention::Cache,
                                                 typename Target::template KvCache<type>>;
    static_assert(reads_targets_cache<AttentionType::sliding> &&
                      reads_targets_cache<AttentionType::full>,
                  "carat: a drafter reads its model's keys and values: the policies of both must "
                  "have one type of them, and the attention modules one kind of cache");
    using W = typename Policy::linear;
    using A = nn::Activation<W, Policy::arithmetic>;
    template <AttentionType type>
    using Rotary = nn::RotaryEmbedding<D.kind(type).head_dim, D.kind(type).rotary_pairs>;

  public:
    struct Weights {
        Matrix<W, hidden, 2 * backbone> pre_projection;
        Matrix<W, backbone, hidden> post_projection;
        View<const float, hidden> norm;
        std::array<typename Layer<AttentionType::sliding>::Weights,
                   D.layers_of(AttentionType::sliding)>
            sliding;
        std::array<typename Layer<AttentionType::full>::Weights, D.layers_of(AttentionType::full)>
            full;
        typename Head::Weights head;

        /// Those of a layer, by its type and its place among those of the type.
        template <AttentionType type, class Self>
        static constexpr auto& of(Self& self, std::size_t ordinal) {
            if constexpr (type == AttentionType::sliding) {
                return self.sliding[ordinal];
            } else {
                return self.full[ordinal];
            }
        }
    };
    struct Scratch {
        Rows<float, 2 * backbone> input;  ///< one row, as everything here
        nn::Rounded<A, 2 * backbone> rounded_input;
        Rows<float, hidden> x;
        nn::Rounded<A, hidden> rounded_output;
        Rows<float, backbone> state;  ///< what a step leaves for the next
        Rotary<AttentionType::sliding> sliding_rotary;
        Rotary<AttentionType::full> full_rotary;
        View<nn::Visible, dynamic> visible;  ///< [sliding, full]
        typename Layer<AttentionType::sliding>::Scratch sliding;
        typename Layer<AttentionType::full>::Scratch full;
        typename Head::Scratch head;

        /// For a model's cache of so many tokens.
        template <class Space>
        static constexpr Scratch take(Space& space, std::size_t context, std::size_t workers) {
            Scratch s;
            s.input = space.template take<float, dynamic, 2 * backbone>(1);
            s.rounded_input = nn::Rounded<A, 2 * backbone>::take(space, 1);
            s.x = space.template take<float, dynamic, hidden>(1);
            s.rounded_output = nn::Rounded<A, hidden>::take(space, 1);
            s.state = space.template take<float, dynamic, backbone>(1);
            s.sliding_rotary = Rotary<AttentionType::sliding>::take(space, 1);
            s.full_rotary = Rotary<AttentionType::full>::take(space, 1);
            s.visible = space.template take<nn::Visible, dynamic>(2);
            // Two keys more than a window: those that the reference lets its drafters see.
            const std::size_t near = std::min(context, D.text.sliding_window + 2);
            share(
                space,
                [&] {
                    s.sliding =
                        Layer<AttentionType::sliding>::Scratch::take(space, 1, workers, near);
                },
                [&] {
                    s.full = Layer<AttentionType::full>::Scratch::take(space, 1, workers, context);
                },
                [&] { s.head = Head::Scratch::take(space); });
            return s;
        }
    };

    /// `f.operator()<type>(layer, ordinal)` for every layer in order; `ordinal` counts those of its
    /// type.
    template <class F>
    static constexpr void for_each_layer(F&& f) {
        [&]<std::size_t... layer>(std::index_sequence<layer...>) {
            std::size_t next[2] = {0, 0};
            (f.template operator()<D.text.attention_type(layer)>(
                 layer, next[static_cast<std::size_t>(D.text.attention_type(layer))]++),
             ...);
        }
        (std::make_index_sequence<layers>{});
    }

    /// Begins a round, for the steps that follow.
    static void begin(const DraftRound& round, const Scratch& s) {
        const auto position = static_cast<std::int32_t>(round.position);
        s.sliding_rotary.set(D.text.sliding_rope, std::span(&position, 1));
        s.full_rotary.set(D.text.full_rope, std::span(&position, 1));
        s.visible[0] = round.sliding;
        s.visible[1] = round.full;
    }

    /// One step: the token that is drafted behind `token`, whose id is one of the vocabulary. state
    /// [backbone] is the model's final norm before the round's first token, and what the step
    /// before left in s.state from then on. Weights that are no numbers draft some token.
    template <Tap T = NoTap>
    std::int32_t step(const Weights& w, const typename Target::Weights& target,
                      const typename Target::Cache& cache, const DraftRound& round,
                      std::int32_t token, std::span<const float> state, const Scratch& s,
                      ExecutorRef executor, T& tap) const {
        nn::embed(target.embed_tokens, std::span(&token, 1),
                  Rows<float, backbone>(s.input.data(), 1));
        std::copy_n(state.data(), backbone, s.input.data() + backbone);
        project(executor, s.rounded_input(s.input, executor), nn::Product{w.pre_projection, s.x});
        for_each_layer([&]<AttentionType type>(std::size_t layer, std::size_t ordinal) {
            show_hidden_state(tap, layer, 0, s.x);
            run_layer<type>(Weights::template of<type>(w, ordinal), layer, cache, round, s,
                            executor, tap);
        });
        simd::rms_norm(s.x.data(), w.norm.data(), hidden, static_cast<float>(D.text.rms_norm_eps),
                       s.x.data());
        show_hidden_state(tap, layers, 0, s.x);
        project(executor, s.rounded_output(s.x, executor), nn::Product{w.post_projection, s.state});
        const std::span<float> z = Head{}.forward(w.head, s.x, s.head, executor);
        return Head::token(w.head, s.head, nn::largest_of(z));
    }
    std::int32_t step(const Weights& w, const typename Target::Weights& target,
                      const typename Target::Cache& cache, const DraftRound& round,
                      std::int32_t token, std::span<const float> state, const Scratch& s,
                      ExecutorRef executor) const {
        NoTap tap;
        return step(w, target, cache, round, token, state, s, executor, tap);
    }

  private:
    /// Keys and values are those of the model's last layer of the type that owns some.
    template <AttentionType type, Tap T>
    void run_layer(const typename Layer<type>::Weights& w, std::size_t layer,
                   const typename Target::Cache& cache, const DraftRound& round, const Scratch& s,
                   ExecutorRef executor, T& tap) const {
        typename Layer<type>::Attention::Call call;
        call.first = round.full.end;
        call.key_mask = round.key_mask;
        call.layer = layer;
        if constexpr (type == AttentionType::sliding) {
            call.visible = s.visible.span().first(1);
            call.rotary = s.sliding_rotary;
            Layer<type>{}.forward(w, call, s.x, nullptr, 0, cache.sliding.back(), s.sliding,
                                  executor, tap);
        } else {
            call.visible = s.visible.span().last(1);
            call.rotary = s.full_rotary;
            Layer<type>{}.forward(w, call, s.x, nullptr, 0, cache.full.back(), s.full, executor,
                                  tap);
        }
    }
};

}  // namespace HWY_NAMESPACE
}  // namespace carat::inline CARAT_ABI

/// \file
/// The text decoder: embedding, decoder layers, final norm, tied head. Source: spec/text.md.
#pragma once

#include "carat/base/progress.hpp"
#include "carat/model/layer_kinds.hpp"
#include "carat/nn/decoder_layer.hpp"
#include "carat/nn/embedding.hpp"
#include "carat/nn/tap.hpp"
#include "carat/tensor/arena.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <tuple>
#include <utility>

namespace carat::inline CARAT_ABI {
inline namespace HWY_NAMESPACE {

/// Told how many rows of a table have been read, by whom the table belongs to: it may lie in a file
/// whose pages are to go again.
struct RowsRead {
    void (*tell)(const void* owner, std::size_t rows) = nullptr;
    const void* owner = nullptr;
    void operator()(std::size_t rows) const {
        if (tell != nullptr) tell(owner, rows);
    }
};

/// The tokens of one call, as ids or as embeddings, and what is known about them. Nothing here is
/// checked: Session does.
template <TextConfig C>
struct TextInput {
    std::span<const std::int32_t> ids;  ///< [tokens]; placeholders replaced by pad already
    View<const float, dynamic, C.hidden_size>
        embeds{};  ///< in place of the embeddings of ids, already scaled
    /// In place of the embeddings of the tokens marked in is_soft, in order; not scaled.
    View<const float, dynamic, C.hidden_size> soft_tokens{};
    std::span<const std::uint8_t> is_soft{};  ///< [tokens] or empty
    /// In place of the rows of the per-layer table, already scaled: [tokens, layers · width].
    View<const float, dynamic, C.num_hidden_layers * C.hidden_size_per_layer_input>
        per_layer_tokens{};
    bool no_per_layer_tokens = false;             ///< embeddings without any token part
    std::span<const std::int32_t> positions;      ///< [tokens]
    std::span<const std::uint8_t> token_types{};  ///< nn::TokenType values [tokens]
    std::span<const std::uint8_t> key_mask{};     ///< by cache index [seen + tokens], 0: padding
    RowsRead rows_read{};                         ///< told of rows of the per-layer table
    std::size_t row = 0;   ///< of the first token in what the caller passed, for taps
    bool packed = false;   ///< a break in the positions starts a sequence of its own
    std::size_t keep = 1;  ///< how many of the last tokens the caller wants results for

    [[nodiscard]] std::size_t tokens() const { return embeds ? embeds.rows() : ids.size(); }
};

template <TextConfig C, class Policy = weights::bf16, class Modules = Gemma4Modules<Policy>>
struct TextModel {
    using Kinds = LayerKinds<C>;
    using Input = TextInput<C>;
    using WeightPolicy = Policy;
    static constexpr TextConfig config = C;
    static constexpr std::size_t hidden = C.hidden_size, layers = C.num_hidden_layers,
                                 vocab = C.vocab_size;
    static constexpr std::size_t per_layer = C.hidden_size_per_layer_input;
    static constexpr std::size_t first_shared = C.first_shared_layer();

    template <std::size_t kind>
    using Layer = nn::DecoderLayer<Kinds::kinds[kind], Modules>;
    using PerLayerEmbedding =
        nn::PerLayerEmbedding<C.vocab_size_per_layer_input, hidden, layers, per_layer, Policy>;
    template <AttentionType type>
    using KvCache = typename Modules::template Attention<Kinds::owner(type)>::Cache;

  private:
    using AllKinds = std::make_index_sequence<Kinds::count>;
    template <std::size_t... kind>
    static auto weights_of(std::index_sequence<kind...>)
        -> std::tuple<std::array<typename Layer<kind>::Weights, Kinds::layers_of(kind)>...>;
    template <std::size_t... kind>
    static auto scratch_of(std::index_sequence<kind...>)
        -> std::tuple<typename Layer<kind>::Scratch...>;
    struct NoPerLayer {
        struct Weights {};
        struct Scratch {};
    };
    using PerLayer = std::conditional_t<(per_layer > 0), PerLayerEmbedding, NoPerLayer>;
    static constexpr std::size_t rotary_pairs(AttentionType type) {
        for (std::size_t l = 0; l < layers; ++l)
            if (C.attention_type(l) == type) return C.kind(l).rotary_pairs;
        return 0;
    }

  public:
    struct Weights {
        Matrix<typename Policy::embedding, vocab, hidden> embed_tokens;  ///< and the head
        View<const float, hidden> norm;
        [[no_unique_address]] typename PerLayer::Weights per_layer;
        decltype(weights_of(
            AllKinds{})) layers;  ///< by kind, then by place among the layers of the kind
    };
    /// Keys and values of the owning layers. Layers that share keys and values have none.
    struct Cache {
        std::array<KvCache<AttentionType::sliding>, Kinds::owners(AttentionType::sliding)> sliding;
        std::array<KvCache<AttentionType::full>, Kinds::owners(AttentionType::full)> full;

        template <class Space>
        static constexpr Cache take(Space& space, std::size_t context, std::size_t tokens) {
            Cache c;
            for (auto& layer : c.sliding)
                layer =
                    KvCache<AttentionType::sliding>::take(space, sliding_slots(context, tokens));
            for (auto& layer : c.full) layer = KvCache<AttentionType::full>::take(space, context);
            return c;
        }
        template <AttentionType type>
        [[nodiscard]] const auto& of(std::size_t layer) const {
            if constexpr (type == AttentionType::sliding) {
                return sliding[Kinds::cache_slot[layer]];
            } else {
                return full[Kinds::cache_slot[layer]];
            }
        }
        /// Slots of a sliding layer's ring: the keys that survive a call, and those of a call.
        static constexpr std::size_t sliding_slots(std::size_t context, std::size_t tokens) {
            if (C.use_bidirectional_attention == Bidirectional::all) return context;
            if (context - std::min(context, tokens) < C.sliding_window) return context;
            return C.sliding_window - 1 + tokens;
        }
    };
    struct Scratch {
        template <AttentionType type>
        using Rotary =
            nn::RotaryEmbedding<type == AttentionType::full ? C.global_head_dim : C.head_dim,
                                rotary_pairs(type)>;
        Rows<float, hidden> x;
        Rows<float, layers * per_layer> ple;
        Rotary<AttentionType::sliding> sliding_rotary;
        Rotary<AttentionType::full> full_rotary;
        View<nn::Visible, dynamic> sliding_visible, full_visible;
        nn::Rounded<nn::Activation<typename Policy::embedding, Policy::arithmetic>, hidden>
            head_input;
        [[no_unique_address]] typename PerLayer::Scratch per_layer_embedding;
        decltype(scratch_of(AllKinds{})) layer;

        template <class Space>
        static constexpr Scratch take(Space& space, std::size_t context, std::size_t tokens,
                                      std::size_t workers) {
            Scratch s;
            s.x = space.template take<float, dynamic, hidden>(tokens);
            if constexpr (per_layer > 0)
                s.ple = space.template take<float, dynamic, layers * per_layer>(tokens);
            s.sliding_rotary = Rotary<AttentionType::sliding>::take(space, tokens);
            s.full_rotary = Rotary<AttentionType::full>::take(space, tokens);
            s.sliding_visible = space.template take<nn::Visible, dynamic>(tokens);
            s.full_visible = space.template take<nn::Visible, dynamic>(tokens);
            const auto layer_slots = [&](AttentionType type) {
                return type == AttentionType::full ? context
                                                   : Cache::sliding_slots(context, tokens);
            };
            [&]<std::size_t... kind>(std::index_sequence<kind...>) {
                share(
                    space, [&] { s.head_input = decltype(s.head_input)::take(space, tokens); },
                    [&] {
                        if constexpr (per_layer > 0)
                            s.per_layer_embedding = PerLayer::Scratch::take(space, tokens);
                    },
                    [&] {
                        std::get<kind>(s.layer) = Layer<kind>::Scratch::take(
                            space, tokens, workers, layer_slots(Kinds::kinds[kind].attention));
                    }...);
            }
            (AllKinds{});
            return s;
        }
    };

    /// `f.operator()<kind>(layer, ordinal)` for every layer in order, until one returns false.
    template <class F>
    static constexpr bool for_each_layer(F&& f) {
        return carat::for_each_layer<C>(f);
    }

    /// Runs a call of at least one token that follows `seen` earlier ones, and leaves its keys and
    /// values in the cache. Returns the final norm of the last `keep` tokens, [keep, hidden], in
    /// scratch that the next call overwrites; of none if progress cancelled. Layers that share keys
    /// and values run for those tokens only (spec/text.md section 8), and of the others the layer
    /// before them has but its keys and values computed: exact, and most of a prompt's work saved.
    template <Tap T = NoTap>
    Rows<float, hidden> forward(const Weights& w, const Input& in, std::size_t seen,
                                const Cache& cache, const Scratch& s, ExecutorRef executor,
                                Progress progress, T& tap) const {
        const std::size_t tokens = in.tokens(), keep = std::min(in.keep, tokens);
        Rows<float, hidden> x = s.x.rows(0, tokens);
        if (in.embeds) {
            std::copy_n(in.embeds.data(), tokens * hidden, x.data());
        } else {
            nn::embed(w.embed_tokens, in.ids, x);
        }
        for (std::size_t t = 0, next = 0; t < in.is_soft.size(); ++t)
            if (in.is_soft[t] != 0)
                std::copy_n(in.soft_tokens.row(next++).data(), hidden, x.row(t).data());
        show_hidden_state(tap, 0, in.row, x);
        embed_per_layer(w, in, keep, s, executor);
        place(in, seen, s);

        std::size_t first = 0;  // row of x's first token
        const bool finished =
            for_each_layer([&]<std::size_t kind>(std::size_t layer, std::size_t ordinal) {
                if (!progress(layer, layers)) return false;
                const auto& weights = std::get<kind>(w.layers)[ordinal];
                bool only_kept = layer == first_shared;
                if constexpr (skips_all_but_keys<kind, T>)
                    if (layer + 1 == first_shared && keep < tokens) {
                        const auto call = call_of<kind>(layer, 0, tokens - keep, in, seen, s);
                        Layer<kind>{}.keys(weights, call, x.rows(0, tokens - keep),
                                           cache.template of<Kinds::kinds[kind].attention>(layer),
                                           std::get<kind>(s.layer), executor);
                        only_kept = true;
                    }
                if (only_kept && first + keep < tokens) {
                    x = x.rows(tokens - keep, keep);
                    first = tokens - keep;
                }
                if (x.rows() == 0) return true;
                run_layer<kind>(weights, layer, first, x, in, seen, cache, s, executor, tap);
                if (layer + 1 < layers) show_hidden_state(tap, layer + 1, in.row + first, x);
                return true;
            });
        if (!finished) return {};
        x = x.rows(x.rows() - keep, keep);
        for (std::size_t t = 0; t < keep; ++t)
            simd::rms_norm(x.row(t).data(), w.norm.data(), hidden,
                           static_cast<float>(C.rms_norm_eps), x.row(t).data());
        show_hidden_state(tap, layers, in.row + tokens - keep, x);
        return x;
    }

    /// logits [rows, vocab] of rows of the final norm [rows, hidden], capped.
    void head(const Weights& w, Rows<const float, hidden> x, Rows<float, vocab> logits,
              const Scratch& s, ExecutorRef executor) const {
        const auto input = s.head_input(x, executor);
        parallel_for(executor, vocab, nn::row_grain, [&](std::size_t begin, std::size_t end) {
            simd::matmul(w.embed_tokens, begin, end, input, logits.data() + begin, vocab);
            if constexpr (C.final_logit_softcapping > 0) {
                constexpr auto cap = static_cast<float>(C.final_logit_softcapping);
                for (std::size_t t = 0; t < x.rows(); ++t) {
                    float* z = logits.row(t).data() + begin;
                    simd::map(z, end - begin, z, [](auto v) {
                        using std::tanh;
                        return tanh(v / decltype(v)(cap)) * decltype(v)(cap);
                    });
                }
            }
        });
    }

  private:
    /// Per-layer inputs: all tokens for the layers that own keys and values, the last `keep` for
    /// the others.
    void embed_per_layer(const Weights& w, const Input& in, std::size_t keep, const Scratch& s,
                         ExecutorRef executor) const {
        if constexpr (per_layer > 0) {
            const auto add_token = [&](std::size_t t, std::size_t layer, float* ple) {
                if (in.per_layer_tokens) {
                    simd::add(ple, in.per_layer_tokens.row(t).data() + layer * per_layer,
                              per_layer);
                } else {
                    PerLayerEmbedding::add_token_part(w.per_layer, in.ids[t], layer, ple);
                }
            };
            const auto part = [&](std::size_t first, std::size_t rows, std::size_t layer,
                                  std::size_t count) {
                if (rows == 0 || count == 0) return;
                PerLayerEmbedding{}.forward(
                    w.per_layer, s.x.rows(first, rows), layer, count,
                    static_cast<float>(C.rms_norm_eps), s.ple.rows(first, rows),
                    s.per_layer_embedding, executor, !in.no_per_layer_tokens,
                    [&](std::size_t t, std::size_t l, float* ple) { add_token(first + t, l, ple); },
                    in.rows_read);
            };
            const std::size_t tokens = in.tokens();
            part(0, tokens, 0, first_shared);
            part(tokens - keep, keep, first_shared, layers - first_shared);
        }
    }

    /// Angles and masks of the call's tokens, for both attention types.
    static void place(const Input& in, std::size_t seen, const Scratch& s) {
        const nn::CallShape call{seen, in.tokens(), in.positions, in.token_types, in.packed};
        s.sliding_rotary.set(C.sliding_rope, in.positions);
        s.full_rotary.set(C.full_rope, in.positions);
        nn::visible_keys(C, AttentionType::sliding, call, s.sliding_visible);
        nn::visible_keys(C, AttentionType::full, call, s.full_visible);
    }

    /// The last layer that owns keys and values is read by later tokens and layers through these
    /// alone, except by a tap.
    template <std::size_t kind, class T>
    static constexpr bool skips_all_but_keys = [] {
        if constexpr (first_shared == 0 || T::hidden_states || T::attentions || T::router)
            return false;
        else
            return Kinds::places[first_shared - 1].kind == kind && Layer<kind>::has_keys;
    }();

    template <std::size_t kind>
    static auto call_of(std::size_t layer, std::size_t first, std::size_t rows, const Input& in,
                        std::size_t seen, const Scratch& s) {
        constexpr bool full = Kinds::kinds[kind].attention == AttentionType::full;
        const auto& visible = full ? s.full_visible : s.sliding_visible;
        typename Layer<kind>::Attention::Call call;
        call.first = seen + first;
        call.key_mask = in.key_mask;
        call.layer = layer;
        call.row = in.row + first;
        call.visible = visible.rows(first, rows).span();
        if constexpr (full)
            call.rotary = s.full_rotary.from(first, rows);
        else
            call.rotary = s.sliding_rotary.from(first, rows);
        return call;
    }

    template <std::size_t kind, Tap T>
    void run_layer(const typename Layer<kind>::Weights& w, std::size_t layer, std::size_t first,
                   Rows<float, hidden> x, const Input& in, std::size_t seen, const Cache& cache,
                   const Scratch& s, ExecutorRef executor, T& tap) const {
        constexpr AttentionType type = Kinds::kinds[kind].attention;
        const auto call = call_of<kind>(layer, first, x.rows(), in, seen, s);
        const float* ple = nullptr;
        if constexpr (per_layer > 0) ple = s.ple.row(first).data() + layer * per_layer;
        Layer<kind>{}.forward(w, call, x, ple, layers * per_layer, cache.template of<type>(layer),
                              std::get<kind>(s.layer), executor, tap);
    }
};

}  // namespace HWY_NAMESPACE
}  // namespace carat::inline CARAT_ABI

/// \file
/// Session: one sequence of tokens and what a model remembers of it. The only owner of run-time
/// memory.
///
/// Takes its memory once, for a context and a number of tokens a call that the caller chooses;
/// reading a prompt and decoding allocate nothing. Several sessions can share one model's weights.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/progress.hpp"
#include "carat/base/result.hpp"
#include "carat/config/model_config.hpp"
#include "carat/generate/session_input.hpp"
#include "carat/generate/session_state.hpp"
#include "carat/model/text_model.hpp"
#include "carat/nn/tap.hpp"
#include "carat/parallel/executor.hpp"
#include "carat/tensor/arena.hpp"
#include "carat/tensor/finite.hpp"
#include "carat/tensor/weights.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <utility>

namespace carat::inline CARAT_ABI {

/// A session is used from one thread at a time, and so is a ThreadPool: sessions on different
/// threads need an executor each.
template <class M>
class Session {
  public:
    using Model = M;
    using Input = SessionInput<Model>;
    using Logits = std::span<const float>;  ///< [vocab_size]

    /// Bytes that create() takes: caches, scratch, logits. most_planned for a context that it
    /// refuses.
    static constexpr std::size_t bytes(SessionOptions options, std::size_t workers) {
        if (options.context_tokens > most_context_tokens) return most_planned;
        MemoryPlan plan;
        Memory::take(plan, clamped(options), workers);
        return plan.bytes();
    }

    /// The same by what each part is for: caches grow with the context, scratch with the chunk and
    /// the workers.
    struct Bytes {
        std::size_t cache, scratch, rest;
    };
    static constexpr Bytes bytes_by_part(SessionOptions options, std::size_t workers) {
        if (options.context_tokens > most_context_tokens) return {most_planned, 0, 0};
        options = clamped(options);
        MemoryPlan cache, scratch;
        Model::Cache::take(cache, options.context_tokens, options.chunk_tokens);
        Model::Scratch::take(scratch, options.context_tokens, options.chunk_tokens, workers);
        const std::size_t all = bytes(options, workers);
        if (all == most_planned) return {cache.bytes(), scratch.bytes(), 0};  // they may not add up
        return {cache.bytes(), scratch.bytes(), all - cache.bytes() - scratch.bytes()};
    }

    /// The fewest chunk_tokens that read pictures of up to so many soft tokens. Where the tokens of
    /// a picture see each other it is read in one call; the budgets 560 and 1120 are then more than
    /// chunk_tokens are unless they are set.
    static constexpr std::size_t least_chunk(std::size_t soft_tokens) noexcept {
        return Model::config.use_bidirectional_attention == Bidirectional::none ? 1 : soft_tokens;
    }

    /// `weights` and the executor's object must outlive the session. `placeholders` are the ids of
    /// soft tokens of a multimodal model, nullptr for a text-only one; `rows_read` is told when
    /// rows of the per-layer table have been read. Bad input: a context or a chunk of 0
    /// (invalid_argument), memory that the system refuses (out_of_memory).
    static Result<Session> create(const typename Model::Weights& weights, ExecutorRef executor,
                                  SessionOptions options = {},
                                  const MediaTokens* placeholders = nullptr,
                                  RowsRead rows_read = {}) {
        if (options.context_tokens == 0 || options.chunk_tokens == 0)
            return Error{Errc::invalid_argument,
                         "context_tokens and chunk_tokens must be at least 1"};
        if (options.context_tokens > most_context_tokens)
            return Error{Errc::out_of_range, joined({"context_tokens is ", options.context_tokens,
                                                     ", expected at most ", most_context_tokens})};
        options = clamped(options);
        const std::size_t workers = executor.concurrency();
        Session s(weights, executor.at_most(workers), options);
        s.rows_read_ = rows_read;
        if (placeholders != nullptr) {
            s.placeholders_ = *placeholders;
            s.multimodal_ = true;
        }
        const std::size_t size = bytes(options, workers);
        s.arena_ = Arena(size);
        if (!s.arena_)
            return Error{Errc::out_of_memory,
                         joined({"a session of ", options.context_tokens, " tokens takes ", size,
                                 " bytes, which the system refused"})};
        s.memory_ = Memory::take(s.arena_, options, workers);
        std::fill_n(s.memory_.mask.data(), options.context_tokens, std::uint8_t{1});
        return s;
    }

    /// Appends tokens, chunk by chunk. on_logits(row, logits) is called in order for the last
    /// logits_to_keep of them, or for those in logits_at, row 0 being the input's first token; what
    /// a tap asks for is computed for every token. Bad input: ids outside the vocabulary, spans of
    /// different lengths, logits_at that are not of this call or do not ascend, a sequence beyond
    /// the context, a vision block longer than a chunk. Nothing is appended then. After a
    /// cancellation the tokens of finished chunks stay; and so they do where a hidden state that
    /// logits are made of is not finite (bad_format), which the soft cap would hide.
    template <class OnLogits, class T>
    Result<void> append(const Input& in, OnLogits&& on_logits, Progress progress, T& tap) {
        static_assert(Tap<T>,
                      "carat: a Tap derives from NoTap and has a member of its own for each flag "
                      "it sets: hidden_state(entry, row, x), attention(layer, row, head, "
                      "first_key, probabilities), route(layer, row, probabilities), the last of "
                      "each a span of floats");
        const auto placeholder = [this](std::int32_t id) { return is_placeholder(id); };
        if (Result<void> checked = detail::check_input(in, options_, seen_, placeholder); !checked)
            return checked;
        const std::size_t tokens = detail::token_count(in);
        constexpr bool everything = T::hidden_states || T::attentions || T::router;
        const bool packed = detail::is_packed(in, seen_);
        std::size_t soft_done = 0;
        for (std::size_t done = 0; done < tokens;) {
            const std::size_t n = next_chunk(in, done);
            const detail::WantedRows<Model> wanted(in, done, n);
            TextInput<Model::config> call = slice(in, done, n, soft_done);
            call.keep = everything ? n : wanted.count > 0 ? n - wanted.row(0) : 0;
            call.packed = packed;
            call.row = done;
            call.rows_read = rows_read_;
            overwrite(seen_ + n);
            const auto part = [&](std::size_t layer, std::size_t layers) {
                return progress(done * layers + n * layer, tokens * layers);
            };
            const auto hidden = model_.forward(*weights_, call, seen_, memory_.cache,
                                               memory_.scratch, executor_, part, tap);
            kept_ = {};
            if (!hidden) return cancelled();
            if (!progress((done + n) * Model::layers, tokens * Model::layers)) return cancelled();
            for (std::size_t i = 0; i < wanted.count; ++i) {  // to the front, none over another
                const std::size_t at = wanted.row(i) - (n - call.keep);
                if (const auto state = hidden.row(at).span();
                    first_not_finite(state) < state.size())
                    return damaged(seen_ + wanted.row(i) + 1, in);
                if (at > i) std::copy_n(hidden.row(at).data(), Model::hidden, hidden.row(i).data());
            }
            for (std::size_t i = 0; i < wanted.count; i += logit_rows) {
                const std::size_t rows = std::min(logit_rows, wanted.count - i);
                const auto z = memory_.logits.rows(0, rows);
                model_.head(*weights_, hidden.rows(i, rows), z, memory_.scratch, executor_);
                for (std::size_t k = 0; k < rows; ++k)
                    on_logits(done + wanted.row(i + k), Logits(z.row(k).span()));
            }
            seen_ += n;
            kept_ = hidden.rows(0, wanted.count);
            done += n;
            soft_done += call.soft_tokens ? call.soft_tokens.rows() : 0;
        }
        return {};
    }

    template <class OnLogits>
    Result<void> append(const Input& in, OnLogits&& on_logits, Progress progress = {}) {
        NoTap tap;
        return append(in, std::forward<OnLogits>(on_logits), progress, tap);
    }

    /// Appends ids and returns the logits [vocab_size] that follow the last; they stay until the
    /// next call.
    Result<Logits> append(std::span<const std::int32_t> ids, Progress progress = {}) {
        Logits last;
        const Result<void> done = append(
            Input{.ids = ids}, [&](std::size_t, Logits z) { last = z; }, progress);
        if (!done) return done.error();
        return last;
    }

    // ---- what a drafter reads (generate/speculation.hpp)

    /// The final norms [tokens, hidden] of the last call's tokens that got logits, as far as they
    /// were computed together: logits are made of them. They stay until the next call.
    [[nodiscard]] Rows<const float, Model::hidden> final_norms() const noexcept { return kept_; }
    [[nodiscard]] const typename Model::Weights& weights() const noexcept { return *weights_; }
    [[nodiscard]] const typename Model::Cache& cache() const noexcept { return memory_.cache; }
    /// By cache index, 0: padding; empty if there is none.
    [[nodiscard]] std::span<const std::uint8_t> key_mask() const noexcept {
        return masked_ ? memory_.mask.rows(0, seen_).span() : std::span<const std::uint8_t>();
    }
    /// Of the next token, unless it is told another.
    [[nodiscard]] std::int32_t next_position() const noexcept { return position_at(seen_); }
    [[nodiscard]] ExecutorRef executor() const noexcept { return executor_; }
    [[nodiscard]] std::size_t chunk_tokens() const noexcept { return options_.chunk_tokens; }

    /// Tokens appended so far.
    [[nodiscard]] std::size_t size() const noexcept { return seen_; }
    [[nodiscard]] std::size_t context_tokens() const noexcept { return options_.context_tokens; }
    [[nodiscard]] std::size_t memory_bytes() const noexcept { return arena_.size(); }
    /// Forgets everything; the memory stays.
    void clear() noexcept {
        seen_ = oldest_ = 0;
        masked_ = false;
        kept_ = {};
        std::fill_n(memory_.mask.data(), options_.context_tokens, std::uint8_t{1});
    }
    /// Whether rewind(tokens) is possible: sliding layers keep the last window and a chunk, no
    /// more.
    [[nodiscard]] bool can_rewind(std::size_t tokens) const noexcept {
        if (tokens > seen_) return false;
        if (tokens == seen_ || tokens == 0 || oldest_ == 0) return true;
        return oldest_ + Model::config.sliding_window <= tokens + 1;
    }
    /// Forgets all tokens from the given count on. Returns false, and changes nothing, if
    /// !can_rewind(tokens).
    bool rewind(std::size_t tokens) noexcept {
        if (!can_rewind(tokens)) return false;
        if (tokens == 0) {
            clear();
            return true;
        }
        std::fill_n(memory_.mask.data() + tokens, options_.context_tokens - tokens,
                    std::uint8_t{1});
        seen_ = tokens;
        return true;
    }

    /// Whether the state can be saved: the keys and values are rings of the usual kind.
    static constexpr bool can_save = SessionState<Model>::possible;

    /// What the session remembers, piece by piece: write(std::span<const std::byte>). Keys are
    /// stored as they are, so that a session which loads them goes on bit by bit as this one would.
    template <class Write>
    requires can_save void save(Write&& write) const {
        SessionState<Model>{seen_, oldest_, masked_}.save(memory_.cache, memory_.mask.span(),
                                                          memory_.positions.span(), write);
    }

    /// Becomes what another session of this model saved, whatever the context of either:
    /// read(std::span<std::byte>) fills the span and returns true, or false at the end of its
    /// bytes. Bad input: a state of another shape or type (mismatch), one that is cut off
    /// (bad_format) or longer than this context (out_of_range). The session is empty then.
    template <class Read>
    requires can_save Result<void> load(Read&& read) {
        clear();
        const auto state = SessionState<Model>::load(memory_.cache, memory_.mask.span(),
                                                     memory_.positions.span(), read);
        if (!state) {
            clear();
            return state.error();
        }
        seen_ = state->seen;
        oldest_ = state->oldest;
        overwrite(seen_);
        masked_ = state->masked;
        return {};
    }

    /// Another session that remembers the same, and goes its own way. Bad input: as create.
    Result<Session> fork() const requires can_save {
        Result<Session> other = create(*weights_, executor_, options_,
                                       multimodal_ ? &placeholders_ : nullptr, rows_read_);
        if (!other) return other;
        other->seen_ = seen_;
        other->oldest_ = oldest_;
        other->masked_ = masked_;
        std::copy_n(memory_.mask.data(), options_.context_tokens, other->memory_.mask.data());
        std::copy_n(memory_.positions.data(), seen_, other->memory_.positions.data());
        const auto copy = [&](const auto& from, const auto& to, bool wrapped) {
            for (std::size_t i = 0; i < from.size(); ++i)
                to[i].copy(from[i], wrapped ? from[i].capacity() : seen_);
        };
        copy(memory_.cache.sliding, other->memory_.cache.sliding, oldest_ > 0);
        copy(memory_.cache.full, other->memory_.cache.full, false);
        return other;
    }

  private:
    /// Tokens whose logits are computed together: the head is read from memory once for so many. In
    /// fast arithmetic 8 take 0.6 to 0.9 times as long as two fours; in exact, where products are
    /// bound by arithmetic from 6 on, up to 1.3 times.
    static constexpr std::size_t logit_rows =
        Model::WeightPolicy::arithmetic == Arithmetic::fast ? 8 : 4;
    static constexpr std::size_t most_context_tokens = std::size_t{1} << 28;

    struct Memory {
        typename Model::Cache cache;
        typename Model::Scratch scratch;
        Rows<float, Model::vocab> logits;
        View<std::int32_t, dynamic> ids;        ///< of one call
        View<std::uint8_t, dynamic> is_soft;    ///< of one call
        View<std::int32_t, dynamic> positions;  ///< by cache index
        View<std::uint8_t, dynamic> mask;       ///< by cache index

        template <class Space>
        static constexpr Memory take(Space& space, SessionOptions o, std::size_t workers) {
            Memory m;
            m.cache = Model::Cache::take(space, o.context_tokens, o.chunk_tokens);
            m.scratch = Model::Scratch::take(space, o.context_tokens, o.chunk_tokens, workers);
            m.logits = space.template take<float, dynamic, Model::vocab>(
                std::min(logit_rows, o.chunk_tokens));
            m.ids = space.template take<std::int32_t, dynamic>(o.chunk_tokens);
            m.positions = space.template take<std::int32_t, dynamic>(o.context_tokens);
            m.is_soft = space.template take<std::uint8_t, dynamic>(o.chunk_tokens);
            m.mask = space.template take<std::uint8_t, dynamic>(o.context_tokens);
            return m;
        }
    };

    Session(const typename Model::Weights& weights, ExecutorRef executor, SessionOptions options)
        : weights_(&weights), executor_(executor), options_(options) {}

    static constexpr SessionOptions clamped(SessionOptions o) {
        o.chunk_tokens = std::min(o.chunk_tokens, o.context_tokens);
        return o;
    }
    /// Keeps account of what a call that ends at `end` tokens overwrites in the rings of sliding
    /// layers, finished or not: neither a cancellation nor a rewind brings it back.
    void overwrite(std::size_t end) noexcept {
        const std::size_t slots =
            Model::Cache::sliding_slots(options_.context_tokens, options_.chunk_tokens);
        if (end > slots) oldest_ = std::max(oldest_, end - slots);
    }
    [[nodiscard]] bool is_placeholder(std::int32_t id) const {
        return multimodal_ && placeholders_.is_placeholder(id);
    }
    static Error cancelled() { return {Errc::cancelled, "cancelled by the caller"}; }
    static Error damaged(std::size_t tokens, const Input& in) {
        const bool given = in.embeds || in.soft_tokens || in.per_layer_tokens;
        return {Errc::bad_format,
                joined({"the hidden state after ", tokens, " tokens is not finite: the weights",
                        given ? " or the embeddings given" : "", " are damaged"})};
    }

    /// Where a token goes that does not say: on from the one before, even past the largest number.
    [[nodiscard]] std::int32_t position_at(std::size_t index) const noexcept {
        if (index == 0) return 0;
        return static_cast<std::int32_t>(static_cast<std::uint32_t>(memory_.positions[index - 1]) +
                                         1);
    }
    /// Tokens of the next call: as many as fit, whole vision blocks.
    [[nodiscard]] std::size_t next_chunk(const Input& in, std::size_t done) const {
        const std::size_t tokens = detail::token_count(in);
        std::size_t end = done;
        while (end < tokens) {
            const std::size_t next = detail::block_end(in, end);
            if (next - done > options_.chunk_tokens) break;
            end = next;
        }
        return end - done;
    }
    /// The part [done, done + n) of the input, as a call: defaults filled in, placeholders replaced
    /// by pad.
    TextInput<Model::config> slice(const Input& in, std::size_t done, std::size_t n,
                                   std::size_t soft_done) {
        TextInput<Model::config> call;
        if (in.embeds) call.embeds = in.embeds.rows(done, n);
        if (in.per_layer_tokens) call.per_layer_tokens = in.per_layer_tokens.rows(done, n);
        std::size_t soft = 0;
        for (std::size_t t = 0; t < n; ++t) {
            if (!in.ids.empty()) {
                const std::int32_t id = in.ids[done + t];
                const bool placeholder = is_placeholder(id);
                memory_.ids[t] = placeholder ? Model::config.pad_token_id : id;
                memory_.is_soft[t] = placeholder ? 1 : 0;
                soft += placeholder ? 1 : 0;
            }
            memory_.positions[seen_ + t] =
                in.positions.empty() ? position_at(seen_ + t) : in.positions[done + t];
            // Also where nothing is masked: a call that was cancelled may have left its mask here.
            const bool padding = !in.attention_mask.empty() && in.attention_mask[done + t] == 0;
            memory_.mask[seen_ + t] = padding ? 0 : 1;
            masked_ = masked_ || padding;
        }
        if (!in.ids.empty()) call.ids = memory_.ids.rows(0, n).span();
        call.positions = memory_.positions.rows(seen_, n).span();
        if (in.soft_tokens) {
            call.soft_tokens = in.soft_tokens.rows(soft_done, soft);
            call.is_soft = memory_.is_soft.rows(0, n).span();
        }
        if (!in.token_types.empty()) call.token_types = in.token_types.subspan(done, n);
        if (masked_) call.key_mask = memory_.mask.rows(0, seen_ + n).span();
        return call;
    }

    const typename Model::Weights* weights_;
    ExecutorRef executor_;
    SessionOptions options_;
    MediaTokens placeholders_{};
    RowsRead rows_read_{};
    bool multimodal_ = false, masked_ = false;
    std::size_t seen_ = 0;
    std::size_t oldest_ = 0;  ///< sliding layers still have the keys from this index on
    Arena arena_;
    Memory memory_;
    Rows<const float, Model::hidden> kept_{};
    [[no_unique_address]] Model model_{};
};

}  // namespace carat::inline CARAT_ABI

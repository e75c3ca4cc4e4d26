/// \file
/// What a session is told: how long it may get, the tokens of a call, and which calls it refuses.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/result.hpp"
#include "carat/config/model_config.hpp"
#include "carat/nn/mask.hpp"
#include "carat/tensor/view.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace carat::inline CARAT_ABI {

struct SessionOptions {
    std::size_t context_tokens = 4096;  ///< longest sequence, prompt and output together
    std::size_t chunk_tokens = 512;     ///< tokens computed at once while a prompt is read
};

/// Tokens to append to a session. What is left empty is what the reference does without it.
template <class Model>
struct SessionInput {
    std::span<const std::int32_t> ids{};  ///< [tokens]
    /// In place of the embeddings of ids: [tokens, hidden_size], already scaled.
    View<const float, dynamic, Model::hidden> embeds{};
    /// One row for each placeholder among ids, in order: [placeholders, hidden_size], not scaled.
    /// Without any, placeholders are embedded as the pad token.
    View<const float, dynamic, Model::hidden> soft_tokens{};
    /// In place of the rows of the per-layer table: [tokens, layers · width], already scaled.
    View<const float, dynamic, Model::layers * Model::per_layer> per_layer_tokens{};
    /// [tokens]; default: on from the position of the token before, the first at 0. With padding on
    /// the left only the prompt needs them: 0, 0, 0, 1, 2 where two of five tokens are padding.
    std::span<const std::int32_t> positions{};
    std::span<const std::uint8_t> attention_mask{};  ///< [tokens], 0: padding; default: all real
    std::span<const std::uint8_t>
        token_types{};               ///< nn::TokenType values [tokens]; default: all text
    std::size_t logits_to_keep = 1;  ///< how many of the last tokens get logits; 0: all
    /// In place of that: which of these tokens get logits, ascending, each once. Empty: no choice.
    std::span<const std::size_t> logits_at{};
};

namespace detail {

template <class Model>
[[nodiscard]] std::size_t token_count(const SessionInput<Model>& in) {
    return in.embeds ? in.embeds.rows() : in.ids.size();
}
/// Positions that are given, break, and start a first call without padding mask: sequences of
/// their own.
template <class Model>
[[nodiscard]] bool is_packed(const SessionInput<Model>& in, std::size_t seen) {
    if (in.positions.empty() || !in.attention_mask.empty() || seen != 0) return false;
    for (std::size_t t = 1; t < in.positions.size(); ++t)
        if (in.positions[t] != in.positions[t - 1] + 1) return true;
    return false;
}
/// Which of the tokens [done, done + n) get logits, as rows of these n: row(0) and so on.
template <class Model>
class WantedRows {
  public:
    WantedRows(const SessionInput<Model>& in, std::size_t done, std::size_t n)
        : chosen_(!in.logits_at.empty()), done_(done) {
        if (chosen_) {
            const auto all = in.logits_at;
            const auto before = [&](std::size_t row) {
                return static_cast<std::size_t>(std::lower_bound(all.begin(), all.end(), row) -
                                                all.begin());
            };
            at_ = all.subspan(before(done), before(done + n) - before(done));
            count = at_.size();
            return;
        }
        const std::size_t tokens = token_count(in);
        const std::size_t keep =
            in.logits_to_keep == 0 ? tokens : std::min(in.logits_to_keep, tokens);
        count = std::min(n, done + n - std::min(done + n, tokens - keep));
        first_ = n - count;
    }
    [[nodiscard]] std::size_t row(std::size_t i) const noexcept {
        return chosen_ ? at_[i] - done_ : first_ + i;
    }

    std::size_t count = 0;

  private:
    bool chosen_;
    std::size_t done_, first_ = 0;
    std::span<const std::size_t> at_{};
};
/// End of what must be read in one call together with token t.
template <class Model>
[[nodiscard]] std::size_t block_end(const SessionInput<Model>& in, std::size_t t) {
    return Model::config.use_bidirectional_attention == Bidirectional::vision
               ? nn::vision_block_end(in.token_types, t)
               : t + 1;
}

/// Bad input: ids outside the vocabulary, spans of different lengths, logits_at that are not of
/// this call or do not ascend, more than the context has room for after the `seen` tokens before, a
/// block longer than a chunk. is_placeholder(id) says which ids soft tokens replace.
template <class Model, class IsPlaceholder>
[[nodiscard]] Result<void> check_input(const SessionInput<Model>& in, const SessionOptions& options,
                                       std::size_t seen, const IsPlaceholder& is_placeholder) {
    const std::size_t tokens = token_count(in);
    if (tokens == 0) return Error{Errc::invalid_argument, "there are no tokens"};
    const auto fits = [&](std::size_t n, bool given, const char* name) -> Result<void> {
        if (!given || n == tokens) return {};
        return Error{Errc::mismatch, joined({name, " has ", n, " rows, expected ", tokens,
                                             ", one for each token"})};
    };
    for (const Result<void>& r :
         {fits(in.ids.size(), !in.ids.empty(), "input_ids"),
          fits(in.positions.size(), !in.positions.empty(), "position_ids"),
          fits(in.attention_mask.size(), !in.attention_mask.empty(), "attention_mask"),
          fits(in.token_types.size(), !in.token_types.empty(), "mm_token_type_ids"),
          fits(in.per_layer_tokens ? in.per_layer_tokens.rows() : 0,
               static_cast<bool>(in.per_layer_tokens), "per_layer_inputs")})
        if (!r) return r;
    if (Model::per_layer > 0 && in.ids.empty() && !in.per_layer_tokens)
        return Error{Errc::invalid_argument,
                     "this model has per-layer embeddings: inputs_embeds need input_ids or "
                     "per_layer_inputs "
                     "beside them"};
    for (std::size_t i = 0; i < in.logits_at.size(); ++i)
        if (in.logits_at[i] >= tokens || (i > 0 && in.logits_at[i] <= in.logits_at[i - 1]))
            return Error{Errc::out_of_range, joined({"logits_at[", i, "] is ", in.logits_at[i],
                                                     ", expected tokens of this call, 0 to ",
                                                     tokens - 1, ", ascending"})};
    if (tokens > options.context_tokens - seen)
        return Error{Errc::out_of_range,
                     joined({seen, " tokens and ", tokens, " more do not fit into a context of ",
                             options.context_tokens})};
    for (std::size_t t = 0; t < in.ids.size(); ++t)
        if (in.ids[t] < 0 || static_cast<std::size_t>(in.ids[t]) >= Model::vocab)
            return Error{Errc::out_of_range,
                         joined({"input_ids[", t, "] is ", std::to_string(in.ids[t]),
                                 ", expected 0 to ", Model::vocab - 1})};
    if (in.soft_tokens) {
        std::size_t placeholders = 0;
        for (const std::int32_t id : in.ids)
            if (is_placeholder(id)) ++placeholders;
        if (in.embeds || in.soft_tokens.rows() != placeholders)
            return Error{Errc::mismatch,
                         joined({"soft_tokens has ", in.soft_tokens.rows(), " rows, expected ",
                                 placeholders, ", one for each placeholder among input_ids"})};
    }
    if (Model::config.use_bidirectional_attention == Bidirectional::all &&
        tokens > options.chunk_tokens)
        return Error{
            Errc::invalid_argument,
            joined({"a model whose tokens all see each other reads a sequence in one call: ",
                    tokens, " tokens need chunk_tokens of as many, not ", options.chunk_tokens})};
    if (is_packed(in, seen) && tokens > options.chunk_tokens)
        return Error{Errc::invalid_argument,
                     joined({"packed sequences are read in one call: ", tokens,
                             " tokens need chunk_tokens of as many, not ", options.chunk_tokens})};
    for (std::size_t t = 0; t < tokens;) {
        const std::size_t end = block_end(in, t);
        if (end - t > options.chunk_tokens)
            return Error{
                Errc::invalid_argument,
                joined({"an image of ", end - t,
                        " tokens is read in one call, which needs chunk_tokens of as many, not ",
                        options.chunk_tokens})};
        t = end;
    }
    return {};
}

}  // namespace detail

}  // namespace carat::inline CARAT_ABI

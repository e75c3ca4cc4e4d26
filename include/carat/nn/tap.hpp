/// \file
/// Taps: how a caller looks inside a forward pass, and changes the hidden states it sees. What a
/// tap does not ask for costs nothing, not even a branch.
#pragma once

#include "carat/base/abi.hpp"
#include "carat/tensor/view.hpp"

#include <concepts>
#include <cstddef>
#include <span>

namespace carat::inline CARAT_ABI {

/// Looks at nothing. Derive, switch on a flag, and write the member of that name.
struct NoTap {
    static constexpr bool hidden_states = false;
    static constexpr bool attentions = false;
    static constexpr bool router = false;

    /// Entry l of `hidden_states`: 0 the scaled embeddings, l the output of layer l - 1,
    /// num_hidden_layers the final norm. One row [hidden_size] of the token `row` of this call. A
    /// tap that takes std::span<float> may change it: what follows, the head too, reads what it
    /// leaves.
    void hidden_state(std::size_t /*entry*/, std::size_t /*row*/, std::span<const float> /*x*/) {}

    /// Softmax probabilities [keys] of one query head over the keys first_key … of the cache.
    void attention(std::size_t /*layer*/, std::size_t /*row*/, std::size_t /*head*/,
                   std::size_t /*first_key*/, std::span<const float> /*probabilities*/) {}

    /// The router's softmax over all experts [experts], what the reference records as router
    /// logits.
    void route(std::size_t /*layer*/, std::size_t /*row*/,
               std::span<const float> /*probabilities*/) {}
};

namespace detail {

/// Where a flag is on, but its member still that of NoTap, which sees nothing.
template <class T>
concept SeesNothing = (T::hidden_states &&
                       std::same_as<decltype(&T::hidden_state), decltype(&NoTap::hidden_state)>) ||
                      (T::attentions &&
                       std::same_as<decltype(&T::attention), decltype(&NoTap::attention)>) ||
                      (T::router && std::same_as<decltype(&T::route), decltype(&NoTap::route)>);

}  // namespace detail

/// A type that can be passed as a tap: derived from NoTap, with members of its own for the flags
/// that it sets.
template <class T>
concept Tap =
    std::derived_from<T, NoTap> && !detail::SeesNothing<T> &&
    requires(T tap, std::size_t i, std::span<float> x, std::span<const float> probabilities) {
    tap.hidden_state(i, i, x);
    tap.attention(i, i, i, i, probabilities);
    tap.route(i, i, probabilities);
};

/// Shows a tap that wants them the rows of a hidden state, from the call's row `first` on.
template <Tap T, std::size_t width>
void show_hidden_state(T& tap, std::size_t entry, std::size_t first, Rows<float, width> x) {
    if constexpr (T::hidden_states)
        for (std::size_t i = 0; i < x.rows(); ++i)
            tap.hidden_state(entry, first + i, x.row(i).span());
}

}  // namespace carat::inline CARAT_ABI

/// \file
/// What the modules of a decoder layer must offer, as concepts: a replacement that lacks something
/// is named by the compiler in one sentence, before anything deep is instantiated.
#pragma once

#include "carat/nn/moe.hpp"
#include "carat/nn/tap.hpp"
#include "carat/parallel/executor.hpp"
#include "carat/tensor/arena.hpp"
#include "carat/tensor/view.hpp"

#include <concepts>
#include <cstddef>

namespace carat::inline CARAT_ABI::nn {
inline namespace HWY_NAMESPACE {

namespace detail {
template <class M, class Member>
M class_of(Member M::*);  // which declares the member
}

/// Weights, and Scratch planned by take(space, sizes...).
template <class M, class... Sizes>
concept Module = requires(Arena& space, Sizes... sizes) {
    typename M::Weights;
    { M::Scratch::take(space, sizes...) } -> std::same_as<typename M::Scratch>;
};

/// take(space, tokens, workers, slots); Call, what a call's tokens mean to it, which the model
/// fills in; Cache, the keys and values, planned by take(space, slots).
template <class M, LayerKind K>
concept AttentionModule = Module<M, std::size_t, std::size_t, std::size_t> &&
    requires(const M m, const typename M::Weights& w, const typename M::Call& call,
             Rows<const float, K.hidden_size> x, Rows<float, K.hidden_size> out,
             const typename M::Cache& cache, const typename M::Scratch& s, ExecutorRef executor,
             NoTap& tap, Arena& space, std::size_t slots) {
    m.forward(w, call, x, out, cache, s, executor, tap);
    { M::Cache::take(space, slots) } -> std::same_as<typename M::Cache>;
    call.first, call.row, call.layer, call.key_mask, call.visible, call.rotary;
};

/// An attention module may also have keys(weights, call, x, cache, scratch, executor) const, which
/// leaves x's keys and values in the cache as forward does, and nothing else. One that it inherits
/// does not count: its forward may be another.
template <class M>
concept HasOwnKeys = std::same_as<decltype(detail::class_of(&M::keys)), M>;

/// take(space, tokens, workers).
template <class M, LayerKind K>
concept MlpModule = Module<M, std::size_t, std::size_t> &&
    requires(const M m, const typename M::Weights& w, Rows<const float, K.hidden_size> x,
             Rows<float, K.hidden_size> out, const typename M::Scratch& s, ExecutorRef executor) {
    m.forward(w, x, out, s, executor);
};

/// take(space, tokens). The scratch's `probabilities` are what a tap is shown.
template <class M, LayerKind K>
concept RouterModule = Module<M, std::size_t> &&
    requires(const M m, const typename M::Weights& w, Rows<const float, K.hidden_size> x,
             View<Route<K.top_k>, dynamic> routes, const typename M::Scratch& s,
             ExecutorRef executor) {
    m.forward(w, x, routes, s, executor);
    s.probabilities.row(routes.size());
};

/// take(space, tokens, workers).
template <class M, LayerKind K>
concept ExpertsModule = Module<M, std::size_t, std::size_t> &&
    requires(const M m, const typename M::Weights& w, Rows<const float, K.hidden_size> x,
             View<const Route<K.top_k>, dynamic> routes, Rows<float, K.hidden_size> out,
             const typename M::Scratch& s, ExecutorRef executor) {
    m.forward(w, x, routes, out, s, executor);
};

}  // namespace HWY_NAMESPACE
}  // namespace carat::inline CARAT_ABI::nn

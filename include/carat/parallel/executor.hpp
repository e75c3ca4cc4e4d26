/// \file
/// Where work runs: an executor the host passes in, its own or one of carat's.
#pragma once

#include "carat/base/abi.hpp"

#include <algorithm>
#include <atomic>
#include <concepts>
#include <cstddef>
#include <limits>
#include <memory>
#include <type_traits>
#include <utility>

namespace carat::inline CARAT_ABI {

/// Something that can run a function several times at once.
/// concurrency() is how many calls can run at the same time, at least 1; it may change between
/// calls of carat, not while one runs. A session uses no more than when it was made. run(f) calls
/// f(i) exactly once for each i below concurrency() and returns when all have returned; what the
/// calls wrote is then visible to the caller. carat's f does not throw, unless a module of the
/// host's does; an exception goes on, if at all, when all have returned. A host with a thread pool
/// of its own writes these two and gives it to carat.
template <class E>
concept Executor = requires(E& e, void (*f)(std::size_t)) {
    { e.concurrency() } -> std::convertible_to<std::size_t>;
    e.run(f);
};

/// The caller's own thread.
struct Serial {
    [[nodiscard]] std::size_t concurrency() const noexcept { return 1; }
    template <class F>
    void run(F&& f) const {
        f(std::size_t{0});
    }
};

/// A reference to any executor, so that a model is compiled once and not once per executor. One
/// indirect call a region.
class ExecutorRef {
  public:
    template <Executor E>
    requires(!std::is_same_v<std::remove_cv_t<E>, ExecutorRef>) ExecutorRef(E& executor)
    noexcept
        : executor_(const_cast<void*>(static_cast<const void*>(std::addressof(executor)))),
          concurrency_([](void* e) -> std::size_t { return static_cast<E*>(e)->concurrency(); }),
          run_([](void* e, std::size_t most, Call call, void* f) {
              static_cast<E*>(e)->run([most, call, f](std::size_t i) {
                  if (i < most) call(f, i);
              });
          }) {}

    /// The same executor, of which no more than `most` calls run at a time: memory was taken for so
    /// many.
    [[nodiscard]] ExecutorRef at_most(std::size_t most) const noexcept {
        ExecutorRef limited = *this;
        limited.most_ = std::min(most_, most);
        return limited;
    }

    [[nodiscard]] std::size_t concurrency() const {
        return std::min(most_, concurrency_(executor_));
    }
    template <class F>
    void run(F&& f) const {
        run_(
            executor_, most_,
            [](void* g, std::size_t i) { (*static_cast<std::remove_reference_t<F>*>(g))(i); },
            const_cast<void*>(static_cast<const void*>(std::addressof(f))));
    }

  private:
    using Call = void (*)(void*, std::size_t);

    void* executor_;
    std::size_t most_ = std::numeric_limits<std::size_t>::max();
    std::size_t (*concurrency_)(void*);
    void (*run_)(void*, std::size_t, Call, void*);
};

namespace detail {

/// Some of the work of a region: what f is known to do with [begin, end).
using Part = void (*)(void* f, std::size_t begin, std::size_t end, std::size_t worker);

/// Not inlined, so that the compiler meets each region's work once, not once with threads and once
/// without.
[[gnu::noinline]] inline void parallel_for(ExecutorRef executor, std::size_t n, std::size_t grain,
                                           Part part, void* f) {
    const std::size_t grains = (n + grain - 1) / grain;
    const std::size_t parts = std::min(executor.concurrency(), grains);
    if (parts <= 1) {
        if (n > 0) part(f, 0, n, 0);
        return;
    }
    // Threads are not equally fast: cores differ, and so does what else runs on them. Each has
    // three quarters of an even share to itself, in one piece; what is left goes in small ones to
    // whoever asks first, of two grains: kernels read weights from several places of a piece.
    const std::size_t shared = grains / parts >= 8 ? grains / 4 : 0, own = grains - shared;
    const std::size_t piece = std::max<std::size_t>(2, shared / (4 * parts));
    std::atomic<std::size_t> next{own};
    executor.run([&](std::size_t i) {
        if (i >= parts) return;
        const auto run = [&](std::size_t first, std::size_t last) {
            if (first < last) part(f, first * grain, std::min(n, last * grain), i);
        };
        run(own * i / parts, own * (i + 1) / parts);
        if (shared == 0) return;
        for (std::size_t at; (at = next.fetch_add(piece, std::memory_order_relaxed)) < grains;)
            run(at, std::min(grains, at + piece));
    });
}

}  // namespace detail

/// f(begin, end) or f(begin, end, worker) over [0, n), cut at multiples of `grain`: each thread has
/// a part of its own, and where there is much work the faster ones take more. A worker's calls come
/// one after the other. Work of a single grain stays on the calling thread.
template <class F>
void parallel_for(ExecutorRef executor, std::size_t n, std::size_t grain, F&& f) {
    const auto part = [](void* g, std::size_t begin, std::size_t end, std::size_t worker) {
        auto& work = *static_cast<std::remove_reference_t<F>*>(g);
        if constexpr (std::is_invocable_v<F&, std::size_t, std::size_t, std::size_t>) {
            work(begin, end, worker);
        } else {
            work(begin, end);
        }
    };
    detail::parallel_for(executor, n, grain, part,
                         const_cast<void*>(static_cast<const void*>(std::addressof(f))));
}

/// f(i, begin, end, worker) for each i below `count` over [0, n), one i after the other: threads
/// share all count · n as parallel_for shares n, cut at multiples of `grain` of each.
template <class F>
void parallel_for_2d(ExecutorRef executor, std::size_t count, std::size_t n, std::size_t grain,
                     F&& f) {
    const std::size_t each = (n + grain - 1) / grain;
    parallel_for(executor, count * each, 1,
                 [&](std::size_t begin, std::size_t end, std::size_t worker) {
                     while (begin < end) {
                         const std::size_t from = begin % each;
                         const std::size_t to = std::min(from + (end - begin), each);
                         f(begin / each, from * grain, std::min(to * grain, n), worker);
                         begin += to - from;
                     }
                 });
}

}  // namespace carat::inline CARAT_ABI
